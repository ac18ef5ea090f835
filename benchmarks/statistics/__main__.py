"""Simulates the leaderboard's intervals and ranks on boards with known truths, and checks what they promise.

    python benchmarks/statistics [--fast] [--only TEXT] [--runs N] [--jobs N] [--json FILE]

Prints a table with a line per cell. Exit code 1: a cell misses its bounds by more than chance explains.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from cells import Cell, cells, fast_cells

FAST_RUNS = 200
ALLOWED_ERRORS = 2.5  # standard errors of the simulated share


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a cell counted: `share` is None if no run made a claim."""

    part: str
    setting: str
    runs: int
    claims: int
    share: float | None
    low: float | None
    high: float | None

    @property
    def wrong(self) -> bool:
        """Whether the share is outside the bounds by more than the simulation's own error."""
        if self.share is None:
            return False
        too_low = self.low is not None and self.share < self.low - self._error(self.low)
        return too_low or (self.high is not None and self.share > self.high + self._error(self.high))

    @property
    def bounds(self) -> str:
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        if self.low is not None:
            return f"at least {self.low:g}"
        return "" if self.high is None else f"at most {self.high:g}"

    @property
    def line(self) -> str:
        share = "no claim" if self.share is None else f"{self.share:.3f}"
        verdict = "MISSED" if self.wrong else ""
        part = f"{self.part:<72} {self.setting:<42} {share:>8}"
        return f"{part} {self.claims:>6}/{self.runs:<6} {self.bounds:<14} {verdict}".rstrip()

    def _error(self, share: float) -> float:
        return ALLOWED_ERRORS * (share * (1 - share) / self.claims) ** 0.5


def simulate(cell: Cell, runs: int | None = None) -> Outcome:
    """Run one cell; its random numbers depend on its name only."""
    rng = np.random.default_rng(zlib.crc32(f"{cell.part}: {cell.setting}".encode()))
    count = min(cell.runs, runs or cell.runs)
    events = [event for _ in range(count) if (event := cell.count(rng)) is not None]
    return Outcome(
        part=cell.part,
        setting=cell.setting,
        runs=count,
        claims=len(events),
        share=sum(events) / len(events) if events else None,
        low=cell.low,
        high=cell.high,
    )


def simulate_number(number: int, *, fast: bool, runs: int | None) -> Outcome:
    """Run one cell in a worker process; functions cannot be sent there, numbers can."""
    return simulate((fast_cells() if fast else cells())[number], runs)


def run(*, fast: bool, only: str, runs: int | None, jobs: int) -> list[Outcome]:
    """Run the cells, and print each as soon as it is done."""
    chosen = fast_cells() if fast else cells()
    numbers = [number for number, cell in enumerate(chosen) if only in f"{cell.part}: {cell.setting}"]
    one = partial(simulate_number, fast=fast, runs=runs)
    if jobs == 1:
        return [_printed(outcome) for outcome in map(one, numbers)]
    with ProcessPoolExecutor(jobs) as pool:
        return [_printed(outcome) for outcome in pool.map(one, numbers)]


def _printed(outcome: Outcome) -> Outcome:
    print(outcome.line, flush=True)
    return outcome


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fast", action="store_true", help="a few cells with fewer runs, in seconds")
    parser.add_argument("--only", default="", metavar="TEXT", help="only cells whose name contains this text")
    parser.add_argument("--runs", type=int, help=f"at most this many runs per cell; with --fast {FAST_RUNS}")
    parser.add_argument("--jobs", type=int, default=1, help="worker processes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcomes to this file as well")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    runs = options.runs or (FAST_RUNS if options.fast else None)
    outcomes = run(fast=options.fast, only=options.only, runs=runs, jobs=options.jobs)
    if options.json:
        options.json.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1) + "\n")
    wrong = sum(outcome.wrong for outcome in outcomes)
    print(f"{len(outcomes)} cells in {time.perf_counter() - started:.0f} s, {wrong} outside their bounds")
    return 1 if wrong or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
