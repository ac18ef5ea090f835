"""The zoo-detection plugin; `plugin.py` says what it adds."""
