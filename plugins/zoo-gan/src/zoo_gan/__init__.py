"""The zoo's GAN plugin; `plugin.py` lists its contents."""
