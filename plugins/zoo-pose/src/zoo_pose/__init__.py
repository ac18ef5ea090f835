"""The zoo's pose plugin; `plugin.py` lists its contents."""
