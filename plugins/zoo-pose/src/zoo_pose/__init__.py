"""The zoo's pose plugin; `plugin.py` says what it adds."""
