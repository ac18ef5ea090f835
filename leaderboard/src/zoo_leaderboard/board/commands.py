"""The `zoo bench` command that measures a row again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from zoo_leaderboard.records.entries import Entry

UNPACKAGED = "unpackaged:"  # prefix of models from a file; a record has only the hash of the file


def reproduce(entries: Sequence[Entry]) -> str:
    """The command for a row's trials; empty for a custom recipe and for a model from a file."""
    entry = entries[-1]
    if entry.recipe_class == "custom" or entry.model.startswith(UNPACKAGED):
        return ""
    words = ["zoo", "bench", entry.task, "--model", entry.model, "--dataset", entry.dataset]
    words += ["--device", entry.device, "--seeds", seeds_text([item.seed for item in entries])]
    words += ["--preset", "quick"] if entry.recipe_class == "quick" else []
    words += ["--weights", entry.weights] if entry.weights else []
    words += ["--dtype", entry.dtype] if entry.dtype != "float32" else []
    words += ["--compile"] if entry.compiled else []
    return shlex.join(words + (["--threads", str(entry.threads)] if entry.threads else []))


def seeds_text(seeds: Sequence[int]) -> str:
    """Seeds in the form of `--seeds`: `3` means 0, 1, 2; a list is `0,3` or, for one seed, `7,`."""
    ordered = sorted(set(seeds))
    if ordered == list(range(len(ordered))):
        return str(len(ordered))
    return ",".join(map(str, ordered)) + ("," if len(ordered) == 1 else "")
