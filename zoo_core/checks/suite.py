"""Runs the conformance suite: subjects to results; what runs plugin code does so in workers."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from zoo_core.checks import (
    Check,
    CheckFailedError,
    CheckResult,
    NotApplicableError,
    SkipCheckError,
    State,
    Subject,
)
from zoo_core.checks.table import CHECKS
from zoo_core.entries import resolve_entry
from zoo_core.errors import DataUnavailableError, ZooError
from zoo_core.registry import Registry
from zoo_core.runner.events import CheckBegan, CheckEnded, CheckJob, Event, Found
from zoo_core.runner.executor import Ended, exit_reason

TIMEOUT_S = 120.0  # a check
SPARE_S = 30.0  # beyond the time of all checks, after which a worker is ended from outside
NO_MEANING = "not applicable"  # an outcome that stops no other check

OnResult = Callable[[CheckResult], None]


class Executor(Protocol):
    def run(self, job: Any, on_event: Callable[[Event], None] | None = None, timeout_s: float | None = None) -> Ended:
        """Run one job in a worker."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """`make_executor` is called only where a check needs a worker; `only`: names of checks, empty for all."""

    make_executor: Callable[[], Executor]
    only: Sequence[str] = ()
    timeout_s: float = TIMEOUT_S
    data_root: Path | None = None


def run_suite(
    registry: Registry, subjects: Iterable[Subject], settings: Settings, on_result: OnResult | None = None
) -> list[CheckResult]:
    """Run every check of every subject; `on_result` hears of each as it ends."""
    results: list[CheckResult] = []
    executor: Executor | None = None
    for subject in subjects:
        outcomes: dict[str, str] = {}

        def take(ended: CheckEnded, subject: Subject = subject, outcomes: dict[str, str] = outcomes) -> None:
            outcomes[ended.name] = outcome_of(ended)
            result = _result(subject, ended)
            results.append(result)
            if on_result is not None:
                on_result(result)

        checks = _chosen(subject, settings.only)
        for check in checks:
            if not check.apart:
                take(blocked(check, outcomes) or make(check, _prepared(subject, registry), (ZooError,), str))
        apart = [check for check in checks if check.apart]
        stopped = [blocked(check, outcomes) for check in apart]
        if find_spec("torch") is None:
            stopped = [_ended(check, "skipped", "torch is not installed") for check in apart]
        if all(stopped):
            for ended in stopped:
                take(ended) if ended else None
            continue
        executor = executor or settings.make_executor()
        _run_apart(executor, subject, apart, outcomes, settings, take)
    return results


def _chosen(subject: Subject, only: Sequence[str]) -> list[Check]:
    """The checks named, with all that they need; every check where none is named."""
    table = CHECKS[subject.what]
    wanted = set(only) or {check.name for check in table}
    for check in reversed(table):
        if check.name in wanted:
            wanted |= set(check.needs)
    return [check for check in table if check.name in wanted]


def blocked(check: Check, outcomes: Mapping[str, str]) -> CheckEnded | None:
    """Why a check cannot be made after those it needs; None where it can."""
    for need in check.needs:
        outcome = outcomes.get(need, "passed")
        if outcome == "skipped":
            return _ended(check, "skipped", f"it needs {need}, which was skipped")
        if outcome not in ("passed", NO_MEANING):
            return _ended(check, "not run", f"it needs {need}, which did not pass")
    return None


def outcome_of(ended: CheckEnded) -> str:
    """What a check's end means for those that need it."""
    return NO_MEANING if ended.state == "skipped" and not ended.applies else ended.state


def _ended(check: Check, state: State, reason: str) -> CheckEnded:
    return CheckEnded(name=check.name, state=state, reason=reason)


def _result(subject: Subject, ended: CheckEnded) -> CheckResult:
    """The check's result, in the light of what its author expects."""
    check = next(check for check in CHECKS[subject.what] if check.name == ended.name)
    state: Any = ended.state
    reason = ended.reason
    expected = subject.expected.get(check.name)
    if expected is not None and state == "failed":
        state, reason = "expected", f"{expected} [{reason}]"
    elif expected is not None and state == "passed":
        state, reason = "failed", f"it passes now, but is expected to fail ({expected}): remove it from the spec"
    return CheckResult(
        check=check, subject=subject, state=state, reason=reason, seconds=ended.seconds, applies=ended.applies
    )


def make(
    check: Check, subject: object, faults: tuple[type[BaseException], ...], tell: Callable[[BaseException], str]
) -> CheckEnded:
    """Make one check; that it raises one of `faults`, told by `tell`, means that it failed, as its own error does."""
    began = time.perf_counter()
    state: State = "passed"
    reason, applies = "", True
    try:
        resolve_entry(check.entry)(subject)
    except NotApplicableError as error:
        state, reason, applies = "skipped", str(error), False
    except (SkipCheckError, DataUnavailableError) as error:
        state, reason = "skipped", str(error)
    except CheckFailedError as error:
        state, reason = "failed", str(error)
    except faults as error:
        state, reason = "failed", tell(error)
    return CheckEnded(name=check.name, state=state, reason=reason, seconds=time.perf_counter() - began, applies=applies)


def _prepared(subject: Subject, registry: Registry) -> object:
    """The subject for checks that run no plugin code; these modules import no torch."""
    from zoo_core.checks.dataset import DatasetSubject
    from zoo_core.checks.model import ModelSubject
    from zoo_core.checks.plugin import PluginSubject
    from zoo_core.checks.task import TaskSubject

    if subject.what == "plugin":
        return PluginSubject(subject, registry)
    if subject.what == "dataset":
        return DatasetSubject(registry.dataset(subject.key))
    if subject.what == "task":
        return TaskSubject(registry.task(subject.key), registry)
    task = registry.task(subject.task) if subject.task else None
    return ModelSubject(registry.model(subject.key, task), task, registry)


def _run_apart(
    executor: Executor,
    subject: Subject,
    checks: Sequence[Check],
    outcomes: Mapping[str, str],
    settings: Settings,
    take: Callable[[CheckEnded], None],
) -> None:
    """Run checks in a worker; where one ends the worker it has failed, and the others go on in a fresh one."""
    left = [check.name for check in checks]
    while left:
        with tempfile.TemporaryDirectory(prefix="zoo-check-", ignore_cleanup_errors=True) as folder:
            job = CheckJob(
                what=subject.what,
                subject=subject.key,
                task=subject.task,
                checks=left,
                outcomes=dict(outcomes),
                data_root=str(settings.data_root.expanduser().absolute()) if settings.data_root else None,
                folder=folder,
                timeout_s=settings.timeout_s,
            )
            listener = _Listener(take)
            ended = executor.run(job, listener.hear, settings.timeout_s * len(left) + SPARE_S)
        if ended.interrupted:
            raise KeyboardInterrupt
        left = [name for name in left if name not in listener.ended]
        if not left:
            return
        reason = _death(ended, listener, settings.timeout_s)
        if isinstance(ended.found, Found) or not listener.under_way:  # it never began: neither will a fresh one
            for name in left:
                take(CheckEnded(name=name, state="failed", reason=reason))
            return
        take(CheckEnded(name=listener.under_way, state="failed", reason=reason, seconds=listener.waited_s()))
        left.remove(listener.under_way)


class _Listener:
    """Hears a worker's events: which check is under way, which have ended."""

    def __init__(self, take: Callable[[CheckEnded], None]) -> None:
        self._take = take
        self.under_way = ""
        self.ended: set[str] = set()
        self._began = time.monotonic()

    def hear(self, event: Event) -> None:
        if isinstance(event, CheckBegan):
            self.under_way, self._began = event.name, time.monotonic()
        elif isinstance(event, CheckEnded):
            self.under_way = ""
            self.ended.add(event.name)
            self._take(event)

    def waited_s(self) -> float:
        """Since the last check began."""
        return time.monotonic() - self._began


def _death(ended: Ended, listener: _Listener, timeout_s: float) -> str:
    if ended.refused is not None:
        return ended.refused.reason.strip().rpartition("\n")[2]
    if ended.timed_out or listener.waited_s() >= timeout_s:
        return f"not done after {timeout_s:g} s"
    return f"the process died: {exit_reason(ended.exit_code)}"


def by_plugin(results: Iterable[CheckResult]) -> dict[str, list[CheckResult]]:
    """The results of each plugin."""
    found: dict[str, list[CheckResult]] = {}
    for result in results:
        found.setdefault(result.subject.plugin, []).append(result)
    return found
