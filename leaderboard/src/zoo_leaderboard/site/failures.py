"""Failed trials in short: for each model the reason, how often, and the page of its newest trial."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from zoo_leaderboard.records.trials import TrialSummary
from zoo_leaderboard.text.formats import clip

MAX_REASONS = 6  # at the top of a task's page
REASON_CHARS = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Trials of one model that failed for one reason; `slug` is the page of the newest with a page, or empty."""

    model: str
    status: str
    reason: str
    count: int
    slug: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Failures:
    """The reasons at the top of a task's page, most trials first; `others` is the number of trials with other reasons.

    `by_row` has the latest failure of each row, by the text of the row.
    """

    shown: Sequence[Failure]
    others: int
    by_row: Mapping[str, Failure]

    @property
    def trials(self) -> int:
        """The number of failed trials."""
        return self.others + sum(item.count for item in self.shown)


def failures_of(trials: Iterable[TrialSummary], slugs: Mapping[str, str]) -> Failures:
    """Summarise the failed ones of a task's current trials; `slugs` has the pages of trials by record id."""
    failed = [trial for trial in {trial.id: trial for trial in trials}.values() if trial.failed]
    failed.sort(key=lambda trial: trial.started_at)
    alike: dict[tuple[str, str, str], list[TrialSummary]] = {}
    by_row: dict[str, list[TrialSummary]] = {}
    for trial in failed:
        alike.setdefault((trial.model, trial.status, clip(trial.reason, REASON_CHARS)), []).append(trial)
        by_row.setdefault(trial.row_text, []).append(trial)
    found = sorted((_failure(some, slugs) for some in alike.values()), key=lambda item: -item.count)
    return Failures(
        shown=found[:MAX_REASONS],
        others=sum(item.count for item in found[MAX_REASONS:]),
        by_row={row_text: _failure(some, slugs) for row_text, some in by_row.items()},
    )


def _failure(trials: Sequence[TrialSummary], slugs: Mapping[str, str]) -> Failure:
    """Summarise trials, oldest first, by the newest of them."""
    newest = trials[-1]
    return Failure(
        model=newest.model,
        status=newest.status,
        reason=clip(newest.reason, REASON_CHARS),
        count=len(trials),
        slug=next((slugs[trial.id] for trial in reversed(trials) if trial.id in slugs), ""),
    )
