"""What an author of an executor uses: the protocol `Executor`, the work that it carries, and `perform`, which does it.

`zoo bench --executor NAME` hands each trial to the executor as text. The executor carries the text to another machine
and calls `perform` there, which plans the trial, runs it as `zoo bench` would, and returns its record and files.

An executor's code is trusted, as that of any plugin is. What it returns is not: records are checked before they are
saved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from zoo_core.entries import resolve_entry

__all__ = ["Began", "Executor", "Lost", "Message", "Refused", "Returned", "Work", "perform"]

PERFORM = "zoo_core.runner.perform:perform"  # of a higher layer, so it is looked up when it is needed


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """One trial to run elsewhere.

    number: names it in all messages. attempt: 1, or more after the machine that ran it was lost.
    name: in words, for people. content: the argument of `perform`.
    cpus: how many CPU threads it may use. accelerator: its device class, such as `cuda`, or "" for none: it takes one.
    """

    number: int
    attempt: int
    name: str
    content: str
    cpus: int
    accelerator: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Began:
    """The trial of this number began."""

    number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Returned:
    """The trial ended, and this is what `perform` returned."""

    number: int
    content: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """`perform` raised an error, and this is its reason: the trial cannot run there."""

    number: int
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Lost:
    """The machine or the process that ran the trial is gone. The zoo submits the trial again, once."""

    number: int
    reason: str


Message: TypeAlias = Began | Returned | Refused | Lost


class Executor(Protocol):
    """Runs trials elsewhere. All calls come from one thread."""

    def submit(self, work: Work) -> None:
        """Begin or queue a trial, and return at once."""

    def collect(self, timeout_s: float) -> Iterable[Message]:
        """Wait up to `timeout_s` for messages and return those that came. Of one trial, `Began` is the first."""

    def close(self) -> None:
        """Stop what still runs, and let go of everything. Also called after Ctrl-C and after an error."""


def perform(content: str) -> bytes:
    """Run the trial of a `Work` on this machine, and return its record and its files.

    Call it in the main thread of a process, which may perform several trials, one after the other.
    Raises a ZooError if the trial cannot run here, for example because versions or data differ from the caller's.
    """
    performed: Callable[[str], bytes] = resolve_entry(PERFORM)
    return performed(content)
