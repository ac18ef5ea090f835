"""Runs trials: what is to be done (plan), one trial in a child process (worker), and the parent's side of it (local)."""
