"""Groups the trials of a model into occasions: measurements that belong together in time, on one machine.

Trials of one occasion share machine, device, code and settings. A new occasion begins where the next trial starts more
than `MAX_GAP` after the last one ended, or where a seed is measured again that was ok already.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from zoo_core.results.records import FINAL
from zoo_leaderboard.records.times import YEAR_S
from zoo_leaderboard.records.trials import TrialSummary

MAX_GAP = timedelta(hours=12)


def occasions_of(trials: Sequence[TrialSummary]) -> list[list[TrialSummary]]:
    """Group the trials of one model, sorted by their start, into occasions, oldest first.

    Of each seed of an occasion only one trial is kept: an ok one rather than a failed one, then the latest.
    """
    by_setup: dict[tuple[object, ...], list[list[TrialSummary]]] = {}
    for trial in trials:
        occasions = by_setup.setdefault((*trial.place, trial.code_sha256, trial.row_text), [])
        if not occasions or _begins_another(occasions[-1], trial):
            occasions.append([])
        occasions[-1].append(trial)
    kept = [_one_of_each_seed(occasion) for occasions in by_setup.values() for occasion in occasions]
    return sorted(kept, key=lambda occasion: (occasion[0].started_at, occasion[0].id))


def _begins_another(occasion: Sequence[TrialSummary], trial: TrialSummary) -> bool:
    repeated = trial.status == "ok" and any(item.status == "ok" and item.seed == trial.seed for item in occasion)
    return repeated or _far_apart(occasion[-1], trial)


def _far_apart(last: TrialSummary, following: TrialSummary) -> bool:
    lasted = timedelta(seconds=min(max(last.wall_s or 0.0, 0.0), YEAR_S))
    return start_of(following) - start_of(last) > MAX_GAP + lasted


def start_of(trial: TrialSummary) -> datetime:
    """Return when the trial started, in UTC; for a foreign record without an ISO time, a moment in the year 1."""
    try:
        start = datetime.fromisoformat(trial.started_at)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return start if start.tzinfo else start.replace(tzinfo=UTC)


def _one_of_each_seed(occasion: Sequence[TrialSummary]) -> list[TrialSummary]:
    by_seed: dict[int, TrialSummary] = {}
    for trial in sorted(
        occasion, key=lambda trial: (trial.status == "ok", trial.status in FINAL)
    ):  # stable: then by start
        by_seed[trial.seed] = trial
    return sorted(by_seed.values(), key=lambda trial: (trial.started_at, trial.id))
