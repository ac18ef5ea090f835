"""The zoo's timm plugin; `plugin.py` lists its contents."""
