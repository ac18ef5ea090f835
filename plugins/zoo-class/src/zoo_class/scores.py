"""Mean, interval and measurements of a submission from its records, by the leaderboard's own statistics."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo_core.results.records import Record
from zoo_core.results.store import Store, Unreadable

if TYPE_CHECKING:
    from zoo_leaderboard.records.trials import TrialSummary
    from zoo_leaderboard.stats.sample import Sample

MEASURES = ("train_s", "latency_ms", "throughput", "peak_memory_mib", "parameters")
TIMES = ("train_s", "latency_ms", "throughput")


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """A mean test score over `seeds`, with its 95 % interval; None if that is unknown.

    measures: medians over seeds, by name. disturbed: why the times are unreliable; "" if they are reliable.
    """

    mean: float
    seeds: int
    low: float | None = None
    high: float | None = None
    measures: Mapping[str, float]
    disturbed: str = ""


def read_by_id(store: Store) -> dict[str, Record]:
    """Read all records of a store by id."""
    return {record.id: record for record in store.read() if not isinstance(record, Unreadable)}


def score_of(records: Sequence[Record], store: Store) -> Score | None:
    """Return the score of a submission; None if one of its trials has none."""
    from zoo_leaderboard.board.score_range import score_range
    from zoo_leaderboard.stats.intervals import mean_interval

    if not records or any(record.status != "ok" or record.score is None for record in records):
        return None
    trials = _summaries(records, store)
    task = records[0].task
    interval = mean_interval(_sample(trials), bounds=score_range(task.metric, task.higher_is_better))
    measures = {
        name: statistics.median(values)
        for name in MEASURES
        if (values := [value for trial in trials if (value := getattr(trial, name)) is not None])
    }
    disturbed = next((trial.disturbances for trial in trials if trial.disturbances), "")
    return Score(
        mean=interval.value,
        seeds=len(records),
        low=interval.low,
        high=interval.high,
        measures=measures,
        disturbed=disturbed,
    )


def _summaries(records: Sequence[Record], store: Store) -> list[TrialSummary]:
    from zoo_leaderboard.records.trials import summarise_trial

    return [summarise_trial(record, str(store.path(record))) for record in records]


def _sample(trials: Sequence[TrialSummary]) -> Sample:
    from zoo_leaderboard.records.samples import load_sample

    return load_sample(trials)


def rank_words(by_name: Mapping[str, Sequence[Record]], store: Store, *, higher_is_better: bool) -> dict[str, str]:
    """Return the rank of each submission: `2`, or `1-3` where the tests leave these ranks open; "" without a test."""
    from zoo_leaderboard.stats.ranking import ranks

    scored = {name: records for name, records in by_name.items() if score_of(records, store) is not None}
    if len(scored) < 2:
        return {}
    samples = [_sample(_summaries(records, store)) for records in scored.values()]
    ranking = ranks(samples, higher_is_better=higher_is_better)
    lows, highs = ranking.rank.tolist(), ranking.rank_high.tolist()
    return {name: _rank(low, high) for name, low, high in zip(scored, lows, highs, strict=True)}


def _rank(low: int, high: int) -> str:
    return "" if not low else str(low) if low == high else f"{low}-{high}"
