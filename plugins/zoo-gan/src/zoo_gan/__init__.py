"""The zoo's GAN plugin; `plugin.py` says what it adds."""
