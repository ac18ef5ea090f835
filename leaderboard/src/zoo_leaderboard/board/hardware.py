"""Times by hardware: each row's medians on each machine that measured it, and machines against each other.

A table's own times come from one machine per row. Here every machine counts that ran the row's current code.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from zoo_leaderboard.records.trials import RUNNER, TrialSummary


class HardwarePlace(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A machine with one of its devices. machine: its id in the records, empty if unknown."""

    device_class: str
    device_name: str
    machine: str


class Times(msgspec.Struct, frozen=True, array_like=True):
    """The medians of a row on one place over undisturbed trials; None if there is none. trials: that have any time."""

    train_s: float | None
    latency_ms: float | None
    latency_p95_ms: float | None
    trials: int


class Speed(NamedTuple):
    """The geometric mean of a place's train times as multiples of those of another place, over `rows` rows of both."""

    factor: float
    rows: int


def place_of(trial: TrialSummary) -> HardwarePlace:
    """Return where a trial ran."""
    return HardwarePlace(trial.device_class, trial.device_name, trial.machine)


def times_by_place(
    trials: Iterable[TrialSummary], codes: Mapping[str, Collection[str]]
) -> dict[str, dict[HardwarePlace, Times]]:
    """Return the times of each row on each place, by the text of the row.

    trials: oldest first; of one seed on one place the latest counts. codes: the current code of each row; trials of
    other rows or with other code are left out.
    """
    latest: dict[tuple[str, HardwarePlace, int], TrialSummary] = {}
    for trial in trials:
        if trial.status == "ok" and trial.source == RUNNER and trial.whole_code in codes.get(trial.row_text, ()):
            latest[trial.row_text, place_of(trial), trial.seed] = trial
    together: dict[str, dict[HardwarePlace, list[TrialSummary]]] = {}
    for (row_text, place, _), trial in latest.items():
        together.setdefault(row_text, {}).setdefault(place, []).append(trial)
    found: dict[str, dict[HardwarePlace, Times]] = {}
    for row_text, places in together.items():
        for place, some in places.items():
            times = _times(some)
            if times.trials:
                found.setdefault(row_text, {})[place] = times
    return found


def _times(trials: Sequence[TrialSummary]) -> Times:
    trained = [trial for trial in trials if not trial.disturbance and trial.train_s is not None]
    inferred = [trial for trial in trials if not trial.latency_disturbance and trial.latency_ms is not None]
    return Times(
        train_s=_median(trial.train_s for trial in trained),
        latency_ms=_median(trial.latency_ms for trial in inferred),
        latency_p95_ms=_median(trial.latency_p95_ms for trial in inferred),
        trials=len({trial.id for trial in (*trained, *inferred)}),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def speed_against(
    rows: Iterable[Mapping[HardwarePlace, Times]], place: HardwarePlace, reference: HardwarePlace
) -> Speed | None:
    """Compare the train times of two places over the rows that both measured; None if there is no such row."""
    ratios = [
        math.log(own / other)
        for row in rows
        if place in row and reference in row
        if (own := row[place].train_s) and (other := row[reference].train_s)
    ]
    return Speed(math.exp(math.fsum(ratios) / len(ratios)), len(ratios)) if ratios else None
