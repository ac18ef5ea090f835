"""The statistics of a group's rows: intervals, ranks with ties, and the seeds needed to separate the first two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from zoo_leaderboard.board.commands import reproduce
from zoo_leaderboard.board.rows import UNKNOWN_SPEED, Row, rows_of
from zoo_leaderboard.board.tables import Group
from zoo_leaderboard.records.keys import GroupKey
from zoo_leaderboard.records.samples import sample
from zoo_leaderboard.stats.separation import DifferenceMatrix, MoreSeeds, difference_matrix, ranks, seeds_to_separate
from zoo_leaderboard.stats.statistics import Sample, mean_interval, median_interval

MAX_ROWS_BY_EXAMPLE = 40  # of a group, best first; further rows are compared by their seeds
MAX_COMPARED_ROWS = 30  # of a group, best first; the compare page has their differences
TIMES = ("train_s", "latency_ms")  # with an interval of the median


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Standing:
    """A group's rows, best first.

    `devices` are the device classes of the group's setting, its own first, in the order of each row's `speeds`.
    `differences` are those of the rows `compared`, in the same order. `first_two` is None with fewer than two rows.
    """

    rows: Sequence[Row]
    devices: Sequence[str]
    compared: Sequence[str]
    differences: DifferenceMatrix | None
    first_two: MoreSeeds | None


def standings(groups: Sequence[Group]) -> dict[GroupKey, Standing]:
    """The standings of a task's groups. Each row has its speed on all device classes of its setting."""
    alone = {group.key: standing(group) for group in groups}
    found = {}
    for group in groups:
        others = [alone[other.key] for other in groups if _differ_in_device(group, other)]
        own = alone[group.key]
        by_training = [{row.training: row.speeds[0] for row in other.rows} for other in others]
        rows = [
            replace(row, speeds=(*row.speeds, *(speeds.get(row.training, UNKNOWN_SPEED) for speeds in by_training)))
            for row in own.rows
        ]
        devices = [device for item in (own, *others) for device in item.devices]
        found[group.key] = replace(own, rows=rows, devices=devices)
    return found


def _differ_in_device(one: Group, other: Group) -> bool:
    return one is not other and one.key.setting == other.key.setting


def standing(group: Group) -> Standing:
    """The statistics of one group. Rows out of date in an up-to-date group are not ranked."""
    models = group.models
    ranked = models[models["score"].notna() & (models["stale"] == group.stale)]
    samples = {
        row: sample([entry for entry in group.ok(row) if entry.score is not None], examples=place < MAX_ROWS_BY_EXAMPLE)
        for place, row in enumerate(models.loc[models["score"].notna(), "row"])
    }
    own = [samples[str(row)] for row in ranked["row"]]
    higher = group.newest.higher_is_better
    models = models.join(_intervals(samples), on="row").join(_ranks(list(ranked["row"]), own, higher), on="row")
    for name in TIMES:
        models = models.join(_time_intervals(group, name), on="row")
    compared = [str(row) for row in ranked["row"][:MAX_COMPARED_ROWS]]
    differences = difference_matrix([samples[row] for row in compared]) if len(compared) > 1 else None
    first_two = _first_two(own, differences) if differences is not None else None
    rows = rows_of(models, [reproduce(group.by_row[str(row)]) for row in models["row"]])
    return Standing(
        rows=rows, devices=[group.newest.device], compared=compared, differences=differences, first_two=first_two
    )


def _first_two(samples: Sequence[Sample], differences: DifferenceMatrix) -> MoreSeeds:
    """The seeds needed to separate the first two rows, at the step of Holm's correction for the second row's rank."""
    if len(samples[0].scores) == len(samples[1].scores) == 1:
        return MoreSeeds(count=None, verdict="undecidable")  # the spread over seeds is unknown
    others = differences.p_value[1]
    comparisons = int((others >= others[0]).sum())
    return seeds_to_separate(samples[0], samples[1], comparisons=max(1, comparisons))


def _intervals(samples: dict[str, Sample]) -> pd.DataFrame:
    found = {row: mean_interval(sample) for row, sample in samples.items()}
    return pd.DataFrame(
        {
            "low": pd.Series({row: item.low for row, item in found.items()}, dtype="float64"),
            "high": pd.Series({row: item.high for row, item in found.items()}, dtype="float64"),
            "covers": pd.Series({row: item.covers for row, item in found.items()}, dtype="object"),
        }
    )


def _ranks(rows: Sequence[str], samples: Sequence[Sample], higher_is_better: bool) -> pd.DataFrame:
    if not rows:
        return pd.DataFrame({"rank": pd.Series(dtype="Int64"), "tied": pd.Series(dtype="Int64")})
    found = ranks(samples, higher_is_better=higher_is_better)
    return pd.DataFrame({"rank": found.rank, "tied": found.tied}, index=list(rows)).astype("Int64")


def _time_intervals(group: Group, name: str) -> pd.DataFrame:
    """By row, the interval of the median of a time; rows with a single time are missing."""
    found = {}
    for row in group.models["row"]:
        values = [value for entry in group.quiet(row) if (value := getattr(entry, name)) is not None]
        if len(values) > 1:
            interval = median_interval(values)
            found[row] = {f"{name}_low": interval.low, f"{name}_high": interval.high}
    columns = [f"{name}_low", f"{name}_high"]
    return pd.DataFrame.from_dict(found, orient="index", columns=columns, dtype="float64")


def separation_words(found: MoreSeeds | None) -> str:
    """Describe what would separate the top two models, as a sentence; empty if there are fewer than two."""
    if found is None:
        return ""
    if found.verdict == "separated":
        return "The top two differ significantly."
    if found.verdict == "more seeds":
        seeds = "seed" if found.count == 1 else "seeds"
        return f"About {found.count} more {seeds} per model would likely separate the top two."
    if found.verdict == "test sample":
        return "More seeds cannot separate the top two: the test split is too small for their difference."
    if found.verdict == "too many":
        return "Separating the top two would take more than 100 more seeds per model."
    return "We cannot yet tell the top two apart: run at least two seeds of each model."
