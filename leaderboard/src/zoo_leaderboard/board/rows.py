"""The rows of a board as the pages show them; each is built once from a line of a `row_frame`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import pandas as pd

from zoo_leaderboard.records.keys import RowKey
from zoo_leaderboard.stats.sample import Covers
from zoo_leaderboard.text.formats import known


class Speed(NamedTuple):
    """Training throughput (units/s) and latency on one device class.

    They are not reliable if all trials were disturbed while they were measured.
    """

    throughput: float | None
    latency_ms: float | None
    throughput_reliable: bool
    latency_reliable: bool


OUT_OF_DATE = "out of date"  # in `Row.not_ranked`
UNKNOWN_SPEED = Speed(None, None, throughput_reliable=True, latency_reliable=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One model trained in one way: means and medians over its seeds. None means unknown or not finite.

    The fields are the columns of `row_frame`, and these:

    * `stale` says why the row is out of date; it is empty for an up-to-date row.
    * `rank` and `rank_high` are the best and the worst rank that the tests leave open, `tied` is the number of other
      rows with the same best rank. They are None for a row without a rank, and `not_ranked` says why, in words.
    * `low` to `high` is the 95 % interval of the score, `covers` says what it allows for.
    * `train_s_low` and the like are the intervals of the medians; None for rows with a single time.
    * `latency_p95_ms` is the median over the trials of the 95th percentile of each.
    * `times_reliable` is about the training, `latency_reliable` about latency and inference; false if every trial was
      disturbed.
    * `time_note` says which times do not count, such as those of another machine; it is empty if all do.
    * `command` measures the row again; it is empty if no command can.
    * `speeds` has one item per device class of the group's setting, the group's own first.
    """

    row_text: str
    anchor: str
    model: str
    model_version: int
    model_title: str
    variant: str
    pretrained_on: str
    recipe: Mapping[str, Any]
    hardware: str
    stale: str
    rank: int | None
    rank_high: int | None
    tied: int | None
    not_ranked: str
    score: float | None
    std: float | None
    low: float | None
    high: float | None
    covers: Covers | None
    seed_count: int
    provisional: bool
    time_to_target: str | None
    time_to_target_s: float | None
    met_trials: int | None
    timed_trials: int | None
    disturbed_trials: int | None
    times_reliable: bool | None
    latency_reliable: bool | None
    time_note: str
    train_s: float | None
    train_s_low: float | None
    train_s_high: float | None
    throughput: float | None
    inference_throughput: float | None
    latency_ms: float | None
    latency_ms_low: float | None
    latency_ms_high: float | None
    latency_p95_ms: float | None
    onnxruntime_ms: float | None
    peak_memory_mib: float | None
    parameters: int | None
    flops_per_unit: int | None
    flops_unknown_because: str | None
    year: int | None
    paper: str | None
    untrained: bool
    recipe_class: str
    statuses: Mapping[str, int]
    reason: str | None
    older_trials: int
    command: str
    speeds: tuple[Speed, ...]

    @property
    def winner(self) -> bool:
        """Whether every other compared row is significantly worse, or has a mean no better than one that is."""
        return self.rank == self.rank_high == 1

    @property
    def current(self) -> bool:
        """Whether the row has a score and is as new as its group, ranked or not."""
        return self.score is not None and self.not_ranked != OUT_OF_DATE

    @property
    def training(self) -> str:
        """The model and its training as text; equal for the same training on another device class."""
        return RowKey.parse(self.row_text).model.text


COLUMNS = [field.name for field in fields(Row) if field.name not in ("command", "speeds")]


def rows_of(frame: pd.DataFrame, commands: Sequence[str]) -> list[Row]:
    """Build the rows from a frame that has `COLUMNS`; each has its command and the speed on its own device class."""
    rows = []
    for values, command in zip(plain_rows(frame[COLUMNS]), commands, strict=True):
        speed = Speed(
            values["throughput"],
            values["latency_ms"],
            throughput_reliable=bool(values["times_reliable"]),
            latency_reliable=bool(values["latency_reliable"]),
        )
        rows.append(Row(**values, command=command, speeds=(speed,)))
    return rows


def plain_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame's rows as dictionaries, with None for values that are unknown or not finite."""
    names = [str(name) for name in frame.columns]
    columns = [[value if _is_finite(value) else None for value in frame[name].tolist()] for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _is_finite(value: Any) -> bool:
    return known(value) and not (isinstance(value, float) and math.isinf(value))
