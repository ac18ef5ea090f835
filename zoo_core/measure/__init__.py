"""Measuring: clock, random state, latency, FLOPs, memory, devices, environment."""
