"""Autoencoders: compression, denoising and generation, for the zoo."""
