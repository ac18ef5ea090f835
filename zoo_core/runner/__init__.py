"""Runs trials: what is to be done (plan, run), a child process for each (local, worker), what it does (trial)."""
