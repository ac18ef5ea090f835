"""Runs trials: `plan` and `run` in the parent, `executor` and `worker` for child processes, `trial` in the child."""
