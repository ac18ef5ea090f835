"""The statistics of a group's rows: intervals, ranks with ties, and the seeds needed to separate the first two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from zoo_leaderboard.board.commands import reproduce
from zoo_leaderboard.board.rows import UNKNOWN_SPEED, Row, rows_of
from zoo_leaderboard.board.tables import Group
from zoo_leaderboard.records.keys import GroupKey
from zoo_leaderboard.records.samples import load_sample
from zoo_leaderboard.stats.comparison import DifferenceMatrix, difference_matrix
from zoo_leaderboard.stats.intervals import mean_interval, median_interval
from zoo_leaderboard.stats.more_seeds import MoreSeeds, seeds_to_separate
from zoo_leaderboard.stats.ranking import Ranking, ranks
from zoo_leaderboard.stats.sample import Sample

MAX_ROWS_BY_EXAMPLE = 40  # of a group, best first; further rows are compared by their seeds
MAX_COMPARED_ROWS = 30  # of a group, best first; the compare page has their differences
TIMES = ("train_s", "latency_ms")  # with an interval of the median


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Standing:
    """A group's rows, best first.

    `devices` are the device classes of the group's setting, its own first, in the order of each row's `speeds`.
    `differences` are those of the rows with the texts `compared`, in the same order; None with fewer than two rows.
    `first_two` says what would separate the first two ranked rows; None with fewer than two.
    """

    rows: Sequence[Row]
    devices: Sequence[str]
    compared: Sequence[str]
    differences: DifferenceMatrix | None
    first_two: MoreSeeds | None


def standings(groups: Sequence[Group]) -> dict[GroupKey, Standing]:
    """Compute the standings of a task's groups. Each row has its speed on all device classes of its setting."""
    by_key = {group.key: standing(group) for group in groups}
    return {
        group.key: _with_speeds_of(
            by_key[group.key], [by_key[other.key] for other in groups if _differ_in_device(group, other)]
        )
        for group in groups
    }


def _differ_in_device(one: Group, other: Group) -> bool:
    return one is not other and one.key.setting == other.key.setting


def _with_speeds_of(one: Standing, others: Sequence[Standing]) -> Standing:
    """Add to each row of `one` the speeds of the same row in the standings of other device classes."""
    by_training = [{row.training: row.speeds[0] for row in other.rows} for other in others]
    rows = [
        replace(row, speeds=(*row.speeds, *(speeds.get(row.training, UNKNOWN_SPEED) for speeds in by_training)))
        for row in one.rows
    ]
    return replace(one, rows=rows, devices=[device for item in (one, *others) for device in item.devices])


def standing(group: Group) -> Standing:
    """Compute the statistics of one group. Rows out of date in an up-to-date group are not ranked."""
    samples = _load_samples(group)
    ranked = [str(row_text) for row_text in group.ranked["row_text"]]
    ranked_samples = [samples[row_text] for row_text in ranked]
    ranking = ranks(ranked_samples, higher_is_better=group.newest.higher_is_better)
    columns = [_interval_columns(samples), _rank_columns(ranked, ranking)]
    columns += [_time_interval_columns(group, name) for name in TIMES]
    frame = group.frame
    for more in columns:
        frame = frame.join(more, on="row_text")
    compared = ranked[:MAX_COMPARED_ROWS]
    enough = len(ranked) > 1
    return Standing(
        rows=rows_of(frame, [reproduce(group.by_row[str(row_text)]) for row_text in frame["row_text"]]),
        devices=[group.newest.device_class],
        compared=compared,
        differences=difference_matrix(ranked_samples[:MAX_COMPARED_ROWS]) if enough else None,
        first_two=_first_two(ranked_samples, ranking) if enough else None,
    )


def _load_samples(group: Group) -> dict[str, Sample]:
    """Load the test scores of every row with a score; those by example only of the first `MAX_ROWS_BY_EXAMPLE`."""
    scored = group.frame.loc[group.frame["score"].notna(), "row_text"]
    return {
        row_text: load_sample(
            [trial for trial in group.ok(row_text) if trial.score is not None], examples=place < MAX_ROWS_BY_EXAMPLE
        )
        for place, row_text in enumerate(scored)
    }


def _first_two(samples: Sequence[Sample], ranking: Ranking) -> MoreSeeds:
    """Say whether the first two rows have different ranks, and if not, how many more seeds would separate them.

    With one seed each the variance over seeds is unknown, and so is the number of seeds, even if the test sample alone
    separates the rows.
    """
    if len(samples[0].scores) == len(samples[1].scores) == 1:
        return MoreSeeds(count=None, verdict="undecidable")
    if ranking.rank[0] != ranking.rank[1]:
        return MoreSeeds(count=0, verdict="separated")
    # Holm's correction for the second row's rank stops at this step: with the other rows as they are, the p value of
    # the first two is significant if it is at most 5 % / this number.
    undecided = int(ranking.undecided[1])
    return seeds_to_separate(samples[0], samples[1], comparisons=max(1, undecided))


def _interval_columns(samples: Mapping[str, Sample]) -> pd.DataFrame:
    intervals = {row_text: mean_interval(sample) for row_text, sample in samples.items()}
    return pd.DataFrame(
        {
            "low": pd.Series({row: interval.low for row, interval in intervals.items()}, dtype="float64"),
            "high": pd.Series({row: interval.high for row, interval in intervals.items()}, dtype="float64"),
            "covers": pd.Series({row: interval.covers for row, interval in intervals.items()}, dtype="object"),
        }
    )


def _rank_columns(ranked: Sequence[str], ranking: Ranking) -> pd.DataFrame:
    return pd.DataFrame({"rank": ranking.rank, "tied": ranking.tied}, index=list(ranked)).astype("Int64")


def _time_interval_columns(group: Group, name: str) -> pd.DataFrame:
    """By row, the interval of the median of a time; rows with a single time are missing."""
    intervals = {}
    timed = group.timed_inference if name == "latency_ms" else group.timed
    for row_text, trials in timed.items():
        values = [value for trial in trials if (value := getattr(trial, name)) is not None]
        if len(values) > 1:
            interval = median_interval(values)
            intervals[row_text] = {f"{name}_low": interval.low, f"{name}_high": interval.high}
    columns = [f"{name}_low", f"{name}_high"]
    return pd.DataFrame.from_dict(intervals, orient="index", columns=columns, dtype="float64")


def separation_words(first_two: MoreSeeds | None) -> str:
    """Describe what would separate the top two models, as a sentence; empty if there are fewer than two."""
    if first_two is None:
        return ""
    if first_two.verdict == "separated":
        return "The top two differ significantly."
    if first_two.verdict == "more seeds":
        seeds = "seed" if first_two.count == 1 else "seeds"
        return f"About {first_two.count} more {seeds} per model would likely separate the top two."
    if first_two.verdict == "test sample":
        return "More seeds cannot separate the top two: the test split is too small for their difference."
    if first_two.verdict == "too many":
        return "Separating the top two would take more than 100 more seeds per model."
    return "We cannot yet tell the top two apart: run at least two seeds of each model."
