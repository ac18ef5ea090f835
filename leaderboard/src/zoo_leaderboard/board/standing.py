"""The statistics of a group's rows: intervals, ranks with their ranges, and what would separate the top two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from zoo_leaderboard.board.commands import reproduce
from zoo_leaderboard.board.rows import OUT_OF_DATE, UNKNOWN_SPEED, Row, rows_of
from zoo_leaderboard.board.score_range import score_range
from zoo_leaderboard.board.tables import Group
from zoo_leaderboard.records.keys import GroupKey
from zoo_leaderboard.records.samples import load_sample
from zoo_leaderboard.stats.comparison import DifferenceMatrix, difference_matrix
from zoo_leaderboard.stats.intervals import Bounds, interval_of, median_interval
from zoo_leaderboard.stats.more_seeds import MoreSeeds, seeds_to_separate
from zoo_leaderboard.stats.ranking import Ranking, rank_rows
from zoo_leaderboard.stats.variance import Moments

MAX_UNITS = 30_000_000  # results by example of a group in memory, 240 MB: 3,000 rows of 10,000 examples
MAX_COMPARED_ROWS = 30  # of a group, best first; the compare page has their differences
TIMES = ("train_s", "latency_ms")  # with an interval of the median


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Standing:
    """A group's rows, best first.

    `devices` are the device classes of the group's setting, its own first, in the order of each row's `speeds`.
    `differences` are those of the rows with the texts `compared`, in the same order; None with fewer than two rows.
    Their adjusted p values are those that the ranks come from. `first_two` says what would separate the two rows with
    the best means; None with fewer than two. `pairs` is the number of pairs that were tested together, and `by_seeds`
    the number of ranked rows without results by example: what is said of them holds on this test set only.
    """

    rows: Sequence[Row]
    devices: Sequence[str]
    compared: Sequence[str]
    differences: DifferenceMatrix | None
    first_two: MoreSeeds | None
    pairs: int
    by_seeds: int


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
    moments = dict(_load_moments(group))
    candidates = [str(row_text) for row_text in group.ranked["row_text"]]
    tested = [row_text for row_text in candidates if row_text in moments]
    rows = [moments[row_text] for row_text in tested]
    ranking = rank_rows(rows, higher_is_better=group.newest.higher_is_better)
    columns = [
        _interval_columns(moments, score_range(group.newest.metric, group.newest.higher_is_better)),
        _rank_columns(tested, ranking),
        _not_ranked_column(group, tested, rows, ranking),
        *(_time_interval_columns(group, name) for name in TIMES),
    ]
    frame = group.frame
    for more in columns:
        frame = frame.join(more, on="row_text")
    compared = tested[:MAX_COMPARED_ROWS]
    enough = len(tested) > 1
    return Standing(
        rows=rows_of(frame, [reproduce(group.by_row[str(row_text)]) for row_text in frame["row_text"]]),
        devices=[group.newest.device_class],
        compared=compared,
        differences=_differences(rows[:MAX_COMPARED_ROWS], ranking) if enough else None,
        first_two=_first_two(rows[0], rows[1], ranking) if enough else None,
        pairs=ranking.pairs,
        by_seeds=sum(row.unit_means is None for row, rank in zip(rows, ranking.rank, strict=True) if rank),
    )


def _load_moments(group: Group) -> Iterator[tuple[str, Moments]]:
    """Load every row with a score, best first, until `MAX_UNITS` results by example are in memory.

    Only the moments of a row are kept, one number for each example. Rows beyond the limit are left out.
    """
    units = 0
    for row_text in group.frame.loc[group.frame["score"].notna(), "row_text"]:
        if units > MAX_UNITS:
            return
        row = load_sample([trial for trial in group.ok(row_text) if trial.score is not None]).moments()
        units += 0 if row.unit_means is None else len(row.unit_means)
        yield row_text, row


def _differences(rows: Sequence[Moments], ranking: Ranking) -> DifferenceMatrix:
    return difference_matrix(rows, adjusted=ranking.adjusted[: len(rows), : len(rows)])


def _first_two(first: Moments, second: Moments, ranking: Ranking) -> MoreSeeds:
    """Say whether the rows with the two best means are separated, and if not, how many more seeds would separate them.

    The answer is that of the ranks: if several rows share the second mean, a significant pair with any of them counts.
    Holm's correction stops where it leaves the undecided pairs, so that with the other rows as they are, this pair is
    significant if its p value is at most 5 % / their number.
    """
    if 0 < ranking.rank_high[0] < ranking.rank[1]:
        return MoreSeeds(count=0, verdict="separated", by_example=_paired(first, second))
    return seeds_to_separate(first, second, comparisons=max(1, ranking.undecided))


def _paired(one: Moments, other: Moments) -> bool:
    return one.unit_means is not None and other.unit_means is not None and one.data == other.data


def _interval_columns(rows: Mapping[str, Moments], bounds: Bounds) -> pd.DataFrame:
    intervals = {row_text: interval_of(row, bounds=bounds) for row_text, row in rows.items()}
    return pd.DataFrame(
        {
            "low": pd.Series({row: interval.low for row, interval in intervals.items()}, dtype="float64"),
            "high": pd.Series({row: interval.high for row, interval in intervals.items()}, dtype="float64"),
            "covers": pd.Series({row: interval.covers for row, interval in intervals.items()}, dtype="object"),
        }
    )


def _rank_columns(tested: Sequence[str], ranking: Ranking) -> pd.DataFrame:
    columns = {"rank": ranking.rank, "rank_high": ranking.rank_high, "tied": ranking.tied}
    frame = pd.DataFrame(columns, index=list(tested)).astype("Int64")
    return frame[ranking.compared > 0]


def _not_ranked_column(group: Group, tested: Sequence[str], rows: Sequence[Moments], ranking: Ranking) -> pd.DataFrame:
    """By row, why it has no rank; empty for ranked rows."""
    one_seed = all(row.seed_count == 1 for row in rows)
    reasons = {
        row_text: "" if compared else _why_not_compared(row, one_seed=one_seed, alone=len(rows) == 1)
        for row_text, row, compared in zip(tested, rows, ranking.compared, strict=True)
    }
    candidates = set(group.ranked["row_text"])
    others = {
        row.row_text: OUT_OF_DATE if row.stale != group.stale else "no score"
        for row in group.frame.itertuples()
        if row.row_text not in candidates
    }
    beyond = dict.fromkeys(candidates - set(tested), "too many results by example to compare")
    return pd.DataFrame({"not_ranked": pd.Series({**beyond, **others, **reasons}, dtype="object")})


def _why_not_compared(row: Moments, *, one_seed: bool, alone: bool) -> str:
    if alone:
        return "nothing to compare"
    if one_seed:
        return "one seed each"
    if row.seed_count == 1:
        return "one seed, without results by example" if row.unit_means is None else "one seed, on other test examples"
    return "the other models have one seed"


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
