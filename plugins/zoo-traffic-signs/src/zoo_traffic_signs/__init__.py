"""The zoo's traffic-signs plugin; `plugin.py` says what it adds."""
