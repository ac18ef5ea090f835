"""Optimizers as models: `forward(oracle, starts, scale)` looks for the minimum until the oracle stops it."""
