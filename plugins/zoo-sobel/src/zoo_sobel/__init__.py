"""The zoo's Sobel plugin; `plugin.py` lists its contents."""
