"""The command lines that measure a row again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from zoo_leaderboard.records.entries import Entry

UNPACKAGED = "unpackaged:"  # names of models that were a file, of which a record keeps only the hash


def reproduce(entries: Sequence[Entry]) -> str:
    """`zoo bench ...` for a row's trials; empty for a custom recipe, or a model of no package: the record tells how."""
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
    """Seeds as `--seeds` takes them: `3` is 0 to 2, `0,3` and `7,` are those."""
    ordered = sorted(set(seeds))
    if ordered == list(range(len(ordered))):
        return str(len(ordered))
    return ",".join(map(str, ordered)) + ("," if len(ordered) == 1 else "")
