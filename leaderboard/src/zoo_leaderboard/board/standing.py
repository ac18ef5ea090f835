"""The statistics of a group's rows: intervals, ranks with ties, and what would separate the first two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from zoo_leaderboard.board.tables import Group, plain_rows
from zoo_leaderboard.records.samples import sample
from zoo_leaderboard.stats.separation import MoreSeeds, Pairwise, pairwise, ranks, seeds_to_separate
from zoo_leaderboard.stats.statistics import Sample, mean_interval, median_interval

MOST_BY_EXAMPLE = 40  # rows of a group, best first, compared example by example; those behind them by their seeds
MOST_COMPARED = 30  # rows whose differences lie beside the page, pair by pair
TIMED = ("train_s", "latency_ms")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Standing:
    """A group's models as rows, with rank, interval and the times' intervals; `pairs` are the first against each other.

    `compared` are the rows behind `pairs`, in its order; `first_two` is None where there are no two.
    """

    rows: Sequence[Mapping[str, Any]]
    compared: Sequence[str]
    pairs: Pairwise | None
    first_two: MoreSeeds | None


def standing(group: Group) -> Standing:
    """The statistics of one group. Rows that are staler than their group have no rank, and take none from others."""
    models = group.models
    ranked = models[models["score"].notna() & (models["stale"] == group.stale)]
    samples = {
        row: sample([entry for entry in group.ok(row) if entry.score is not None], examples=place < MOST_BY_EXAMPLE)
        for place, row in enumerate(models.loc[models["score"].notna(), "row"])
    }
    own = [samples[str(row)] for row in ranked["row"]]
    higher = group.newest.higher_is_better
    models = models.join(_intervals(samples), on="row").join(_ranks(list(ranked["row"]), own, higher), on="row")
    for name in TIMED:
        models = models.join(_time_intervals(group, name), on="row")
    compared = [str(row) for row in ranked["row"][:MOST_COMPARED]]
    pairs = pairwise([samples[row] for row in compared]) if len(compared) > 1 else None
    first_two = _first_two(own, pairs) if pairs is not None else None
    return Standing(rows=plain_rows(models), compared=compared, pairs=pairs, first_two=first_two)


def _first_two(samples: Sequence[Sample], pairs: Pairwise) -> MoreSeeds:
    """What would separate the first two, by the same step of Holm's correction as in the second one's rank."""
    if len(samples[0].scores) == len(samples[1].scores) == 1:
        return MoreSeeds(count=None, verdict="undecidable")  # another seed of either would change its score too
    others = pairs.p_value[1]
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
    """By row the interval of a time's median; missing where it is one number."""
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
