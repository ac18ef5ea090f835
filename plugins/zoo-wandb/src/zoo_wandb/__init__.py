"""The zoo's plugin for Weights & Biases; `plugin.py` lists its contents."""
