"""The conformance suite behind `zoo check`: small named checks of plugins, data sets, tasks and models.

This module is torch-free and defines the types. `table` lists all checks, `suite` runs them. The check functions are in
`plugin`, `dataset`, `task`, `model`, `learning`, `inference`, `onnx` and `side_effects`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

SubjectType = Literal["plugin", "dataset", "task", "model"]
State = Literal["passed", "failed", "expected", "skipped", "not run"]
Level = Literal["full", "partial", "expected", "failing"]

STATES: tuple[State, ...] = ("passed", "failed", "expected", "skipped", "not run")
COMPLETED_STATES: tuple[State, ...] = ("passed", "failed", "expected")


class CheckFailedError(Exception):
    """Raised by a check whose subject breaks the rule; the message names the values."""


class SkipCheckError(Exception):
    """Raised by a check that cannot run here, because data or a library are missing."""


class NotApplicableError(Exception):
    """Raised by a check that does not apply to its subject."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One check: the rule, the reason for it, and how to fix a failure.

    Fields:
        what: the type of subject that the check applies to.
        summary: the rule, as a clause that completes "It must hold that ...".
        entry: `module:function`; the function takes the prepared subject and raises CheckFailedError.
        needs: names of checks of the same subject that must pass first.
        in_worker: the check runs plugin code, so it runs in a worker process, with torch.
    """

    name: str
    what: SubjectType
    summary: str
    why: str
    fix: str
    entry: str
    needs: tuple[str, ...] = ()
    in_worker: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """One thing to check. Names are qualified.

    Fields:
        plugin: the plugin that owns the subject.
        task: the task on which a model is checked.
        address: how the registry finds a model that is not in a plugin; empty otherwise.
        expected: check name -> the author's reason why that check fails.
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
    """The outcome of one check. `applies` is false if the check was skipped as not applicable."""

    check: Check
    subject: Subject
    state: State
    reason: str = ""
    seconds: float = 0.0
    applies: bool = True


def count_states(results: Iterable[CheckResult]) -> dict[State, int]:
    """Count the results in each state."""
    counts = dict.fromkeys(STATES, 0)
    for result in results:
        counts[result.state] += 1
    return counts


def conformance_level(results: Iterable[CheckResult]) -> Level:
    """Summarize the applicable results as one level.

    `full`: all passed. `expected`: some fail, as their author declared. `partial`: some could not run here.
    `failing`: some failed.
    """
    states = {result.state for result in results if result.applies}
    if "failed" in states:
        return "failing"
    if "expected" in states:
        return "expected"
    return "partial" if states - {"passed"} or not states else "full"
