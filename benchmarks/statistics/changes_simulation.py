"""Simulates `zoo results compare` and the history page: how often they mark a planted change, and how often another.

    python benchmarks/statistics/changes_simulation.py [RUNS]

`rows` is the same for other programs. The records come from `changes_generator`, which knows nothing of the statistics.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from zlib import crc32

import numpy as np
from zoo_leaderboard.board.compare import Least, RunComparison, compare
from zoo_leaderboard.board.compared_runs import runs_of
from zoo_leaderboard.board.history import model_histories
from zoo_leaderboard.records.trials import summarise_trial

sys.path.insert(0, str(Path(__file__).parent))
from changes_generator import Drift, Planted, Spread, history, two_runs

MARKS = ("regression", "improvement")
NOTHING = Planted()
MODELS, SEEDS = 20, 3
MIN_FOUND, MAX_FALSE = 0.90, 0.06


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One figure: the share of `runs` in which something happened, and what it must be."""

    what: str
    cell: str
    value: float
    must: str
    runs: int
    holds: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CompareCell:
    """A comparison of two runs: its noise and what is planted into model 0."""

    name: str
    spread: Spread
    planted: Planted = NOTHING
    models: int = MODELS
    seeds: int = SEEDS


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryCell:
    """A history of one model: its noise, the drift of its machine, and what is planted on the last day."""

    name: str
    spread: Spread
    days: int
    drift: Drift = "none"
    drift_sd: float = 0.0
    worse: float = 0.0
    slower: float = 0.0
    seeds: int = SEEDS


SLOWER, WORSE = Planted(slower=0.3), Planted(worse=0.03)
COMPARE_CELLS = [
    *(
        CompareCell(name=f"30 % slower, times {t:.0%}", spread=Spread(time=t), planted=SLOWER)
        for t in (0.02, 0.04, 0.05)
    ),
    *(
        CompareCell(name=f"3 points worse, seeds {100 * s:.1f} points", spread=Spread(score=s), planted=WORSE)
        for s in (0.003, 0.005, 0.007)
    ),
    CompareCell(
        name="30 % slower and 3 points worse, common drift 5 %",
        spread=Spread(time=0.04, score=0.005),
        planted=Planted(slower=0.3, worse=0.03, drift=0.05),
    ),
    CompareCell(name="no change", spread=Spread()),
    *(
        CompareCell(name=f"common drift 5 %, times {t:.0%}", spread=Spread(time=t), planted=Planted(drift=0.05))
        for t in (0.005, 0.02, 0.05)
    ),
    CompareCell(
        name="common drift 5 %, own drift 2 %", spread=Spread(time=0.02, own_drift=0.02), planted=Planted(drift=0.05)
    ),
    *(CompareCell(name=f"models scatter apart {b}", spread=Spread(between_models=b)) for b in (0.3, 0.6)),
    *(
        CompareCell(
            name=f"{n} models, common drift 5 %", spread=Spread(time=0.02), planted=Planted(drift=0.05), models=n
        )
        for n in (1, 2, 3, 5, 10)
    ),
]
HISTORY_CELLS = [
    *(
        HistoryCell(
            name=f"10 days, drift {sd:.0%} day by day",
            spread=Spread(time=0.01),
            days=10,
            drift="day by day",
            drift_sd=sd,
        )
        for sd in (0.02, 0.05, 0.1)
    ),
    *(
        HistoryCell(
            name=f"10 days, random walk {sd:.0%}", spread=Spread(time=0.01), days=10, drift="random walk", drift_sd=sd
        )
        for sd in (0.02, 0.05)
    ),
    HistoryCell(name="10 days, 2 % slower each day", spread=Spread(time=0.01), days=10, drift="trend", drift_sd=0.02),
    *(
        HistoryCell(
            name=f"5-point drop at day 40, seeds {100 * s:.1f} points", spread=Spread(score=s), days=40, worse=0.05
        )
        for s in (0.005, 0.01)
    ),
    HistoryCell(name="40 days without a change", spread=Spread(score=0.007, time=0.02), days=40),
    HistoryCell(
        name="30 % slower at day 40, drift 2 %",
        spread=Spread(time=0.01),
        days=40,
        drift="day by day",
        drift_sd=0.02,
        slower=0.3,
    ),
]


def rows(runs: int) -> list[Row]:
    """Simulate every cell `runs` times."""
    found = [row for cell in COMPARE_CELLS for row in compare_rows(cell, runs)]
    return found + [row for cell in HISTORY_CELLS for row in history_rows(cell, runs)]


def compare_rows(cell: CompareCell, runs: int) -> list[Row]:
    """Simulate one comparison: how often each planted change is found, and how often anything else is marked."""
    rng = np.random.default_rng(crc32(cell.name.encode()))
    comparisons = [_comparison(rng, cell) for _ in range(runs)]
    rows = []
    for name, planted in (
        ("train_s", cell.planted.slower),
        ("latency_ms", cell.planted.slower),
        ("score", cell.planted.worse),
    ):
        if planted:
            found = sum(_verdicts(one)["zoo-sim:m00", name] == "regression" for one in comparisons)
            rows.append(_at_least(f"compare: {name} found", cell.name, found / runs, runs))
    false = sum(_has_false_mark(one, cell.planted) for one in comparisons)
    return [*rows, _at_most("compare: any false mark", cell.name, false / runs, runs)]


def history_rows(cell: HistoryCell, runs: int) -> list[Row]:
    """Simulate one history: how often a planted change is marked, and how often another."""
    rng = np.random.default_rng(crc32(cell.name.encode()))
    drawn = [_history_marks(rng, cell) for _ in range(runs)]
    rows = []
    for name, planted in (("change", cell.worse), ("speed", cell.slower)):
        marks = [one[name] for one in drawn]
        if planted:
            rows.append(_at_least(f"history: {name} found", cell.name, sum(one[-1] for one in marks) / runs, runs))
        false = sum(any(one[:-1] if planted else one) for one in marks) / runs
        rows.append(_at_most(f"history: any false {name}", cell.name, false, runs))
    return rows


def _comparison(rng: np.random.Generator, cell: CompareCell) -> RunComparison:
    before, after = two_runs(rng, cell.spread, cell.planted, models=cell.models, seeds=cell.seeds)
    return compare(runs_of(*([summarise_trial(one, one.id) for one in side] for side in (before, after))), Least())


def _verdicts(comparison: RunComparison) -> dict[tuple[str, str], str]:
    return {(item.key.model, name): one.verdict for item in comparison.compared for name, one in item.changes.items()}


def _has_false_mark(comparison: RunComparison, planted: Planted) -> bool:
    true = {("zoo-sim:m00", name) for name in ("train_s", "latency_ms") if planted.slower}
    true |= {("zoo-sim:m00", "score")} if planted.worse else set()
    marked = {key for key, verdict in _verdicts(comparison).items() if verdict in MARKS}
    return bool(marked - true) or any(shift.regression for shift in comparison.shifts)


def _history_marks(rng: np.random.Generator, cell: HistoryCell) -> dict[str, list[bool]]:
    records = history(
        rng,
        cell.spread,
        days=cell.days,
        seeds=cell.seeds,
        drift=cell.drift,
        drift_sd=cell.drift_sd,
        worse=cell.worse,
        slower=cell.slower,
    )
    (one,) = model_histories([summarise_trial(record, record.id) for record in records])
    changes = {"change": [item.change for item in one.occasions], "speed": [item.speed for item in one.occasions]}
    return {name: [item is not None and item.verdict in MARKS for item in items] for name, items in changes.items()}


def _at_least(what: str, cell: str, value: float, runs: int) -> Row:
    holds = value >= MIN_FOUND - _noise(MIN_FOUND, runs)
    return Row(what=what, cell=cell, value=value, must=f">= {MIN_FOUND}", runs=runs, holds=holds)


def _at_most(what: str, cell: str, value: float, runs: int) -> Row:
    holds = value <= MAX_FALSE + _noise(MAX_FALSE, runs)
    return Row(what=what, cell=cell, value=value, must=f"<= {MAX_FALSE}", runs=runs, holds=holds)


def _noise(share: float, runs: int) -> float:
    """Two standard errors of a simulated share."""
    return 2 * sqrt(share * (1 - share) / runs)


def main(arguments: Sequence[str], write: Callable[[str], object] = print) -> int:
    """Print the rows; return 1 if one does not hold."""
    found = rows(int(arguments[0]) if arguments else 500)
    width = max(len(row.cell) for row in found)
    for row in found:
        write(f"{row.what:32} {row.cell:{width}} {row.value:6.3f} {row.must:8} {'' if row.holds else 'DOES NOT HOLD'}")
    return int(not all(row.holds for row in found))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
