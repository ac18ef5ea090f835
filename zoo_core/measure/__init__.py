"""Measurements: clock, latency, FLOPs, memory; and their conditions: random state, threads, devices, environment."""
