"""Runs the zoo's trials as tasks of Ray."""
