"""Runs the conformance suite. Checks that run plugin code run in a worker process."""

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
from zoo_core.checks.table import CHECKS, find_check
from zoo_core.entries import resolve_entry
from zoo_core.errors import DataUnavailableError, ZooError
from zoo_core.registry import Registry
from zoo_core.runner.events import CheckBegan, CheckEnded, CheckJob, Event, JobResult
from zoo_core.runner.executor import WorkerResult, exit_reason

CHECK_TIMEOUT_S = 120.0
WORKER_GRACE_S = 30.0  # added to the time limits of all checks; after that the parent ends the worker
NOT_APPLICABLE = "not applicable"  # an outcome that does not block other checks

OnResult = Callable[[CheckResult], None]


class Executor(Protocol):
    def run(
        self, job: Any, on_event: Callable[[Event], None] | None = None, timeout_s: float | None = None
    ) -> WorkerResult:
        """Run one job in a worker."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Settings of the suite.

    Fields:
        make_executor: called once, when the first check needs a worker.
        only: names of the checks to run; empty runs all.
        timeout_s: time limit of one check, in seconds.
    """

    make_executor: Callable[[], Executor]
    only: Sequence[str] = ()
    timeout_s: float = CHECK_TIMEOUT_S
    data_root: Path | None = None


def run_suite(
    registry: Registry, subjects: Iterable[Subject], settings: Settings, on_result: OnResult | None = None
) -> list[CheckResult]:
    """Run the checks of every subject. Calls `on_result` with each result as soon as it is known."""
    results: list[CheckResult] = []
    executor: Executor | None = None
    for subject in subjects:
        report = _SubjectReport(subject, results, on_result)
        checks = _select_checks(subject, settings.only)
        _run_here([check for check in checks if not check.in_worker], registry, report)
        in_worker = [check for check in checks if check.in_worker]
        blockers = [_worker_blocker(check, report.outcomes) for check in in_worker]
        if all(blockers):
            for blocker in filter(None, blockers):
                report.add(blocker)
            continue
        executor = executor or settings.make_executor()
        _run_in_workers(executor, in_worker, settings, report)
    return results


class _SubjectReport:
    """Collects how the checks of one subject ended: outcomes by check name, and results."""

    def __init__(self, subject: Subject, results: list[CheckResult], on_result: OnResult | None) -> None:
        self.subject = subject
        self.outcomes: dict[str, str] = {}
        self._results, self._on_result = results, on_result

    def add(self, ended: CheckEnded) -> None:
        self.outcomes[ended.name] = outcome_of(ended)
        result = _as_result(self.subject, ended)
        self._results.append(result)
        if self._on_result is not None:
            self._on_result(result)


def _select_checks(subject: Subject, only: Sequence[str]) -> list[Check]:
    """Return the named checks together with all checks they need, or every check if `only` is empty."""
    table = CHECKS[subject.what]
    wanted = set(only) or {check.name for check in table}
    for check in reversed(table):
        if check.name in wanted:
            wanted |= set(check.needs)
    return [check for check in table if check.name in wanted]


def _run_here(checks: Sequence[Check], registry: Registry, report: _SubjectReport) -> None:
    """Run checks that execute no plugin code in this process."""
    from zoo_core.checks.prepare import Workspace, prepare_subject

    for check in checks:
        ended = find_blocker(check, report.outcomes)
        if ended is None:
            prepared = prepare_subject(report.subject, registry, Workspace())
            ended = run_check(check, prepared, (ZooError,), str)
        report.add(ended)


def find_blocker(check: Check, outcomes: Mapping[str, str]) -> CheckEnded | None:
    """Return the result of a check that cannot run because of a check it needs, or None if it can run."""
    for need in check.needs:
        outcome = outcomes.get(need, "passed")
        if outcome == "skipped":
            return CheckEnded(name=check.name, state="skipped", reason=f"it needs {need}, which was skipped")
        if outcome not in ("passed", NOT_APPLICABLE):
            return CheckEnded(name=check.name, state="not run", reason=f"it needs {need}, which did not pass")
    return None


def _worker_blocker(check: Check, outcomes: Mapping[str, str]) -> CheckEnded | None:
    if find_spec("torch") is None:
        return CheckEnded(name=check.name, state="skipped", reason="torch is not installed")
    return find_blocker(check, outcomes)


def outcome_of(ended: CheckEnded) -> str:
    """Return the outcome as other checks see it: the state, or NOT_APPLICABLE."""
    return NOT_APPLICABLE if ended.state == "skipped" and not ended.applies else ended.state


def _as_result(subject: Subject, ended: CheckEnded) -> CheckResult:
    """Combine how a check ended with the failures that the author expects."""
    check = find_check(subject.what, ended.name)
    state: Any = ended.state
    reason = ended.reason
    expected = subject.expected.get(check.name)
    if expected is not None and state == "failed":
        state, reason = "expected", f"{expected} [{reason}]"
    elif expected is not None and state == "passed":
        state, reason = "failed", f"it passes now, but expected_failures lists it ({expected}): remove it from the spec"
    return CheckResult(
        check=check, subject=subject, state=state, reason=reason, seconds=ended.seconds, applies=ended.applies
    )


def run_check(
    check: Check, subject: object, errors: tuple[type[BaseException], ...], describe: Callable[[BaseException], str]
) -> CheckEnded:
    """Run one check in this process.

    The check fails if it raises CheckFailedError or one of `errors`; `describe` turns the latter into a reason.
    """
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
    except errors as error:
        state, reason = "failed", describe(error)
    return CheckEnded(name=check.name, state=state, reason=reason, seconds=time.perf_counter() - began, applies=applies)


def _run_in_workers(executor: Executor, checks: Sequence[Check], settings: Settings, report: _SubjectReport) -> None:
    """Run checks in a worker. A check that ends the worker fails, and the remaining checks run in a new worker."""
    left = [check.name for check in checks]
    while left:
        listener = _WorkerListener(report)
        with tempfile.TemporaryDirectory(prefix="zoo-check-", ignore_cleanup_errors=True) as folder:
            job = _make_job(report, left, settings, folder)
            ended = executor.run(job, listener.on_event, settings.timeout_s * len(left) + WORKER_GRACE_S)
        if ended.interrupted:
            raise KeyboardInterrupt
        left = [name for name in left if name not in listener.ended]
        if not left:
            return
        reason = _worker_end_reason(ended, listener, settings.timeout_s)
        if isinstance(ended.job_result, JobResult) or not listener.running:  # no check began: retrying is pointless
            for name in left:
                report.add(CheckEnded(name=name, state="failed", reason=reason))
            return
        report.add(CheckEnded(name=listener.running, state="failed", reason=reason, seconds=listener.running_s()))
        left.remove(listener.running)


def _make_job(report: _SubjectReport, names: list[str], settings: Settings, folder: str) -> CheckJob:
    subject = report.subject
    return CheckJob(
        what=subject.what,
        subject=subject.key,
        task=subject.task,
        checks=names,
        outcomes=dict(report.outcomes),
        data_root=str(settings.data_root.expanduser().absolute()) if settings.data_root else None,
        folder=folder,
        timeout_s=settings.timeout_s,
    )


class _WorkerListener:
    """Follows a worker's events: which check is running, and which have ended."""

    def __init__(self, report: _SubjectReport) -> None:
        self._report = report
        self.running = ""
        self.ended: set[str] = set()
        self._began = time.monotonic()

    def on_event(self, event: Event) -> None:
        if isinstance(event, CheckBegan):
            self.running, self._began = event.name, time.monotonic()
        elif isinstance(event, CheckEnded):
            self.running = ""
            self.ended.add(event.name)
            self._report.add(event)

    def running_s(self) -> float:
        """Seconds since the last check began."""
        return time.monotonic() - self._began


def _worker_end_reason(ended: WorkerResult, listener: _WorkerListener, timeout_s: float) -> str:
    if ended.job_failed is not None:
        return ended.job_failed.reason
    if ended.timed_out or listener.running_s() >= timeout_s:
        return f"not finished after {timeout_s:g} s"
    return f"the process died: {exit_reason(ended.exit_code)}"


def group_by_plugin(results: Iterable[CheckResult]) -> dict[str, list[CheckResult]]:
    """Group the results by plugin."""
    groups: dict[str, list[CheckResult]] = {}
    for result in results:
        groups.setdefault(result.subject.plugin, []).append(result)
    return groups
