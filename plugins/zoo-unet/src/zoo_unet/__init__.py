"""The zoo's U-Net plugin; `plugin.py` lists its contents."""
