"""Metric learning: embeddings that tell the same from the different, for the zoo."""
