"""The `zoo bench` command that measures a row again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from zoo_leaderboard.records.trials import TrialSummary

UNPACKAGED = "unpackaged:"  # prefix of models from a file; a record has only the hash of the file


def reproduce(trials: Sequence[TrialSummary]) -> str:
    """Return the command for a row's trials; empty for a custom recipe and for a model from a file."""
    latest = trials[-1]
    if latest.recipe_class == "custom" or latest.model.startswith(UNPACKAGED):
        return ""
    words = ["zoo", "bench", latest.task, "--model", latest.model, "--dataset", latest.dataset]
    words += ["--device", latest.device_class, "--seeds", seeds_text([trial.seed for trial in trials])]
    words += ["--preset", "quick"] if latest.recipe_class == "quick" else []
    words += ["--weights", latest.weights_option] if latest.weights_option else []
    words += ["--dtype", latest.dtype] if latest.dtype != "float32" else []
    words += ["--compile"] if latest.compiled else []
    return shlex.join(words + (["--threads", str(latest.requested_threads)] if latest.requested_threads else []))


def seeds_text(seeds: Sequence[int]) -> str:
    """Seeds in the form of `--seeds`: `3` means 0, 1, 2; a list is `0,3` or, for one seed, `7,`."""
    ordered = sorted(set(seeds))
    if ordered == list(range(len(ordered))):
        return str(len(ordered))
    return ",".join(map(str, ordered)) + ("," if len(ordered) == 1 else "")
