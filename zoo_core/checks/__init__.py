"""The conformance suite behind `zoo check`: small named checks of plugins, data sets, tasks and models.

This module is torch-free: what a check is, and what became of it. The table of all checks is in `table`, the functions
in `plugin`, `dataset`, `task` and `model`, and `suite` runs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

SubjectType = Literal["plugin", "dataset", "task", "model"]
State = Literal["passed", "failed", "expected", "skipped", "not run"]
Level = Literal["full", "partial", "expected", "failing"]

STATES: tuple[State, ...] = ("passed", "failed", "expected", "skipped", "not run")
RAN: tuple[State, ...] = ("passed", "failed", "expected")


class CheckFailedError(Exception):
    """Raised by a check: its subject breaks a rule; the message says which, with the values."""


class SkipCheckError(Exception):
    """Raised by a check that cannot be made here: data or a library are missing."""


class NotApplicableError(Exception):
    """Raised by a check that has no meaning for its subject."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One check: what it holds against its subject, why that matters, and how to fix what it finds.

    `needs`: checks of the same subject without whose success it says nothing. `entry`: a function of the prepared
    subject that raises where the rule is broken. `apart`: it runs plugin code, so in a process of its own, with torch.
    """

    name: str
    what: SubjectType
    summary: str
    why: str
    fix: str
    entry: str
    needs: tuple[str, ...] = ()
    apart: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """What is checked: qualified names; `task` is the one that a model is checked on, `plugin` the owner.

    `address`: what the registry finds it by, where that is not its name (a model from a file).
    `expected`: check name -> why its author knows it to fail.
    """

    what: SubjectType
    name: str
    plugin: str
    version: str = ""
    task: str = ""
    address: str = ""
    expected: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return f"{self.name} on {self.task}" if self.task else self.name

    @property
    def key(self) -> str:
        return self.address or self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckResult:
    """What became of one check; `applies` is false where it was skipped for having no meaning here."""

    check: Check
    subject: Subject
    state: State
    reason: str = ""
    seconds: float = 0.0
    applies: bool = True


def counts(results: Iterable[CheckResult]) -> dict[State, int]:
    """How many ended in each state."""
    found = dict.fromkeys(STATES, 0)
    for result in results:
        found[result.state] += 1
    return found


def level(results: Iterable[CheckResult]) -> Level:
    """The conformance of what was checked.

    `full`: all that applies passed; `expected`: some fail as their author says; `partial`: some could not be made
    here; `failing`: some failed.
    """
    states = {result.state for result in results if result.applies}
    if "failed" in states:
        return "failing"
    if "expected" in states:
        return "expected"
    return "partial" if states - {"passed"} or not states else "full"
