"""The command lines that measure a group again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from zoo_leaderboard.tables import Group

MOST = 20


def reproduce(group: Group, row: str) -> str:
    """`zoo bench ...` for a row's trials; empty for a custom recipe: only the recorded command tells what was set."""
    records = group.of_row(row, ok=False)
    record = records[-1]
    if record.recipe_class == "custom":
        return ""
    words = ["zoo", "bench", record.task.name, "--model", record.model.name, "--dataset", record.dataset.name]
    words += ["--device", record.device.kind, "--seeds", seeds_text([item.seed for item in records])]
    words += ["--preset", "quick"] if record.recipe_class == "quick" else []
    words += ["--weights", record.model.weights_option] if record.model.weights_option else []
    words += ["--dtype", record.device.dtype] if record.device.dtype != "float32" else []
    words += ["--compile"] if record.device.compiled else []
    threads = record.device.requested_threads
    return shlex.join(words + (["--threads", str(threads)] if threads else []))


def seeds_text(seeds: Sequence[int]) -> str:
    """Seeds as `--seeds` takes them: `3` is 0 to 2, `0,3` and `7,` are those."""
    ordered = sorted(set(seeds))
    if ordered == list(range(len(ordered))):
        return str(len(ordered))
    return ",".join(map(str, ordered)) + ("," if len(ordered) == 1 else "")


def recorded(group: Group) -> list[str]:
    """The commands that the group's trials were started with, latest first."""
    commands = [record.command for record in reversed(list(group.records.values())) if record.command]
    return list(dict.fromkeys(commands))[:MOST]
