"""Speed regressions of the training loop: the zoo against a bare loop in one process, compared with stored ratios.

    .venv/bin/python benchmarks/regression.py                  exit code 1 if a ratio fell by more than a tenth
    .venv/bin/python benchmarks/regression.py --write          store the ratios of this kind of machine
    .venv/bin/python benchmarks/regression.py --slower 0.2     plant a slow-down, which must fail
    .venv/bin/python benchmarks/regression.py --runs 10        ten times; all must pass

A pair trains through the runner's own loop on its offline data. After every few steps a bare loop trains the same net
for as many, so that disturbances affect both. The statistic is the median over these windows of the bare
loop's CPU seconds divided by the zoo's: seconds in which other processes had the core do not count. Windows are added
until the median's confidence interval is on one side of the bound. One thread, because more of them wait by spinning.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from speed.loops import Case, bare_steps, prepare

from zoo_core.measure.clock import Phases, TrainingClock
from zoo_core.measure.processor import describe_cpu
from zoo_core.protocols import Step, Stop
from zoo_core.runner.training import Training

STORED = Path(__file__).parent / "speed" / "ratios.json"
CASES = [  # and the steps of a window
    (Case("mnist", "mlp-100", 10**6, threads=1), 60),
    (Case("cifar10", "cnn", 10**6, threads=1, settings={"holdout": False, "batch_size": 32}), 6),
]
LARGEST_FALL = 0.1  # of a ratio
FLOOR = 0.85  # the least ratio on a machine without stored ones
LEAST_WINDOWS, MOST_WINDOWS = 16, 160
SKIPPED = 2  # windows at the beginning
Z = 3.0  # of the confidence interval: an error in a thousand


@dataclass(frozen=True)
class Median:
    """A median with its confidence interval, which supposes no distribution."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Median:
        """The interval ends at the values whose ranks are `Z` standard deviations of a binomial from the middle.

        >>> Median.of(range(101))
        Median(value=50, low=34, high=66)
        """
        ordered, count = sorted(values), len(values)
        low = max(0, math.floor((count - 1) / 2 - Z * math.sqrt(count) / 2))
        return cls(statistics.median(ordered), ordered[low], ordered[count - 1 - low])


def is_over(ratios: Sequence[float], bound: float) -> bool:
    """Return whether the interval of the median is on one side of the bound, or no more windows may be added."""
    if len(ratios) < LEAST_WINDOWS:
        return False
    median = Median.of(ratios)
    return median.low >= bound or median.high < bound or len(ratios) >= MOST_WINDOWS


def slowed(steps: Iterator[Any], share: float) -> Iterator[Any]:
    """Let each step take longer by a share of its time."""
    began = process_time()
    for event in steps:
        ends = process_time() + share * (process_time() - began)
        while process_time() < ends:
            pass
        yield event
        began = process_time()


class Windows:
    """The ratios of a case: CPU seconds of the bare loop / of the zoo in each window."""

    def __init__(self, bare: Iterator[int], length: int, bound: float) -> None:
        self._bare, self._length, self._bound = bare, length, bound
        self._all: list[float] = []

    @property
    def ratios(self) -> list[float]:
        return self._all[SKIPPED:]

    def between(self, steps: Iterator[Any]) -> Iterator[Any]:
        """Pass a training's events on, let the bare loop train after each window, and stop once it is decided."""
        taken, began = 0, process_time()
        for event in steps:
            taken += isinstance(event, Step)
            if taken == self._length:
                middle = process_time()
                for _ in range(self._length):
                    next(self._bare)
                self._all.append((process_time() - middle) / (middle - began))
                if is_over(self.ratios, self._bound):
                    yield Stop("the ratio is decided")
                    return
                taken, began = 0, process_time()
            yield event


def measure(case: Case, length: int, bound: float, slower: float = 0.0) -> Median:
    """Train the case through the runner's loop and as a bare loop, and return the ratio of their speeds."""
    trial = prepare(case)
    windows = Windows(bare_steps(trial, trial.build_model()), length, bound)
    model = trial.build_model()
    training = Training(
        spec=trial.task_spec,
        recipe=trial.recipe,
        length=trial.length,
        budget_s=None,
        clock=TrainingClock("cpu", Phases(lambda _: None)),
        model=model,
        evaluate=lambda _: None,  # type: ignore[arg-type, return-value]  # the recipe holds nothing out
        send=lambda _: None,
    )
    trial.ctx.progress = training.progress
    steps = trial.task.train(trial.ctx, model, trial.recipe)
    training.run(windows.between(slowed(steps, slower) if slower else steps), trial.autocast)
    return Median.of(windows.ratios)


def machine() -> str:
    """What the ratios depend on: the CPU's model and instruction sets."""
    cpu = describe_cpu()
    return f"{cpu['cpu_model']} {' '.join(cpu['cpu_features'])}"


def check(stored: dict[str, float], slower: float) -> tuple[bool, dict[str, float]]:
    """Measure all cases; return whether none is slower than stored, and the ratios."""
    passed, found = True, {}
    for case, length in CASES:
        before = stored.get(case.name)
        bound = FLOOR if before is None else before * (1 - LARGEST_FALL)
        began = perf_counter()
        ratio = measure(case, length, bound, slower)
        found[case.name] = ratio.value
        fits = ratio.value >= bound
        passed &= fits
        print(
            f"{case.name:16} {ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f}) of a bare loop, "
            f"{'at least' if fits else 'FAILED: at least'} {bound:.3f}, {perf_counter() - began:.0f} s",
            flush=True,
        )
    return passed, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="store the ratios for this kind of machine")
    parser.add_argument("--slower", type=float, default=0.0, help="lengthen each step of the zoo by this share")
    parser.add_argument("--runs", type=int, default=1)
    given = parser.parse_args()
    everywhere: dict[str, dict[str, float]] = json.loads(STORED.read_text()) if STORED.is_file() else {}
    stored = {} if given.write else everywhere.get(machine(), {})
    if not stored:
        print(f"no ratios are stored for {machine()}: at least {FLOOR} of a bare loop; --write stores them")
    outcomes = [check(stored, given.slower) for _ in range(given.runs)]
    if given.write:
        everywhere[machine()] = {
            name: round(statistics.median(found[name] for _, found in outcomes), 3) for name in outcomes[0][1]
        }
        STORED.write_text(json.dumps(everywhere, indent=1, sort_keys=True) + "\n")
    failed = sum(not passed for passed, _ in outcomes)
    print("passed" if not failed else f"FAILED in {failed} of {given.runs} runs" if given.runs > 1 else "FAILED")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
