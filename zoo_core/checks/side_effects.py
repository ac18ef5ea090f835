"""Checks for unwanted side effects. Each examines everything that ran in this process before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from zoo_core.checks import CheckFailedError
from zoo_core.checks.watch import Watch, find_leftover_processes

MAX_LISTED = 3
MAX_COMMAND_CHARS = 120


class Watched(Protocol):
    watch: Watch


def no_network(subject: Watched) -> None:
    _require_none("the code", subject.watch.hosts)


def no_stray_files(subject: Watched) -> None:
    _require_none("the code wrote", subject.watch.files)


def no_processes(_: Watched) -> None:
    _require_none("still running:", [line[:MAX_COMMAND_CHARS] for line in find_leftover_processes()])


def _require_none(intro: str, side_effects: Sequence[str]) -> None:
    if side_effects:
        more = f" and {len(side_effects) - MAX_LISTED} more" if len(side_effects) > MAX_LISTED else ""
        raise CheckFailedError(f"{intro} {', '.join(side_effects[:MAX_LISTED])}{more}")
