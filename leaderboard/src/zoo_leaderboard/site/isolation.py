"""Finds the records that make a task's page fail, so that they are left out and the task is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from zoo_leaderboard.site.processes import Failure, attempt
from zoo_leaderboard.site.summary import TaskSummary
from zoo_leaderboard.site.taskpage import TaskJob, job_trials, write_task

MAX_ATTEMPTS = 100  # to find the records; about twice the logarithm of the number of records for each


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenTask:
    """A task's summary, or None and the `reason` why no page can be made; `left_out` has path and reason of records."""

    summary: TaskSummary | None
    reason: str
    left_out: Sequence[tuple[str, str]]


def write_task_without_bad_records(job: TaskJob) -> WrittenTask:
    """Write a task's files. If that fails, find the records whose page alone fails too, and leave them out."""
    made = attempt(write_task, job)
    if not isinstance(made, Failure):
        return WrittenTask(summary=made, reason="", left_out=())
    trials = attempt(job_trials, job)
    paths = [] if isinstance(trials, Failure) else [trial.path for trial in trials]
    bad = _find_bad(paths, lambda some: _reason_without(job, frozenset(paths) - frozenset(some)))
    if bad and len(bad) < len(paths):
        again = attempt(write_task, replace(job, left_out=frozenset(bad)))
        if not isinstance(again, Failure):
            return WrittenTask(summary=again, reason="", left_out=list(bad.items()))
    return WrittenTask(summary=None, reason=made.reason, left_out=())


def _reason_without(job: TaskJob, left_out: frozenset[str]) -> str:
    """Return why the task's page fails without these records; empty if it does not."""
    made = attempt(write_task, replace(job, left_out=left_out))
    return made.reason if isinstance(made, Failure) else ""


def _find_bad(paths: Sequence[str], reason_of: Callable[[Sequence[str]], str]) -> dict[str, str]:
    """Return the records that fail alone, with the reason, by halving the set; empty after `MAX_ATTEMPTS`."""
    bad: dict[str, str] = {}
    waiting, attempts = [list(paths)], 0
    while waiting and waiting[-1]:
        some = waiting.pop()
        attempts += 1
        if attempts > MAX_ATTEMPTS:
            return {}
        reason = reason_of(some)
        if reason and len(some) == 1:
            bad[some[0]] = reason
        elif reason:
            waiting += [some[: len(some) // 2], some[len(some) // 2 :]]
    return bad
