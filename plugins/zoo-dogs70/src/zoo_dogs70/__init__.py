"""The zoo's dog-breeds plugin; `plugin.py` says what it adds."""
