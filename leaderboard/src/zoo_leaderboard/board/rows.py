"""The rows of a board as the pages show them; each is built once from a frame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import pandas as pd

from zoo_leaderboard.records.keys import RowKey
from zoo_leaderboard.stats.statistics import Covers
from zoo_leaderboard.text.formats import known


class Speed(NamedTuple):
    """Training throughput and latency on one device class; `quiet` is false if all trials were disturbed."""

    throughput: float | None
    latency_ms: float | None
    quiet: bool


UNKNOWN_SPEED = Speed(None, None, quiet=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One model trained in one way: means and medians over its seeds. None means unknown or not finite.

    * `row` is the text of its `RowKey`, `key` its HTML id.
    * `score` is the mean, `spread` the standard deviation, `low` to `high` the interval, `covers` what it covers.
    * `rank` and `tied` are None for rows without a score and for rows out of date.
    * `timed` is the number of trials whose times count, `disturbed` that of the disturbed ones; `quiet` is false if all
      were disturbed.
    * `statuses` and `reason` say how the trials ended, `earlier` how many older trials do not count.
    * `command` measures the row again; it is empty if no command can.
    * `speeds` has one item per device class of the group's setting, its own first.
    """

    row: str
    key: str
    model: str
    version: int
    title: str
    variant: str
    pretrained_on: str
    recipe: Mapping[str, Any]
    hardware: str
    stale: str
    rank: int | None
    tied: int | None
    score: float | None
    spread: float | None
    low: float | None
    high: float | None
    covers: Covers | None
    seeds: int
    provisional: bool
    time_to_target: str | None
    time_to_target_s: float | None
    met: int | None
    timed: int | None
    disturbed: int | None
    quiet: bool | None
    train_s: float | None
    train_s_low: float | None
    train_s_high: float | None
    throughput: float | None
    inference_throughput: float | None
    latency_ms: float | None
    latency_ms_low: float | None
    latency_ms_high: float | None
    peak_memory_mib: float | None
    parameters: int | None
    flops_per_unit: int | None
    flops_unknown_because: str | None
    statuses: Mapping[str, int]
    reason: str | None
    earlier: int
    command: str
    speeds: tuple[Speed, ...]

    @property
    def training(self) -> str:
        """The model and its training as text; equal for the same training on another device class."""
        return RowKey.parse(self.row).model.text


COLUMNS = [field.name for field in fields(Row) if field.name not in ("command", "speeds")]


def rows_of(frame: pd.DataFrame, commands: Sequence[str]) -> list[Row]:
    """Build the rows from a frame that has `COLUMNS`; each has its command and the speed on its own device class."""
    found = []
    for values, command in zip(plain_rows(frame[COLUMNS]), commands, strict=True):
        own = Speed(values["throughput"], values["latency_ms"], bool(values["quiet"]))
        found.append(Row(**values, command=command, speeds=(own,)))
    return found


def plain_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A frame's rows as dictionaries, with None for what is unknown or not finite."""
    names = [str(name) for name in frame.columns]
    columns = [[value if _is_finite(value) else None for value in frame[name].tolist()] for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _is_finite(value: Any) -> bool:
    return known(value) and not (isinstance(value, float) and math.isinf(value))
