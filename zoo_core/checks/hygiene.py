"""What data sets, tasks and models do beside their work; each looks at all that ran in this process before."""

from __future__ import annotations

from typing import Protocol

from zoo_core.checks import CheckFailedError
from zoo_core.checks.watch import Watch, left_processes

SHOWN = 3
LONGEST = 120  # characters of a command line


class Watched(Protocol):
    watch: Watch


def no_network(subject: Watched) -> None:
    _refuse("it", subject.watch.hosts)


def no_stray_files(subject: Watched) -> None:
    _refuse("it wrote", subject.watch.files)


def no_processes(_: Watched) -> None:
    _refuse("still running:", [line[:LONGEST] for line in left_processes()])


def _refuse(verb: str, found: list[str]) -> None:
    if found:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise CheckFailedError(f"{verb} {', '.join(found[:SHOWN])}{more}")
