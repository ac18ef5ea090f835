"""The zoo-classics plugin; `plugin.py` says what it adds."""
