"""The gate on speed decides rightly from noisy windows."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from zoo_core.protocols import Step, Stop

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def regression() -> ModuleType:
    sys.path.insert(0, str(FOLDER))
    try:
        spec = importlib.util.spec_from_file_location("regression_gate", FOLDER / "regression.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # its dataclasses look their module up
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(FOLDER))
    return module


def passes(regression: ModuleType, ratio: float, seed: int) -> bool:
    """One run of the gate: each window is off by 10 %, and one in eight is disturbed and up to three times off."""
    random, bound = np.random.default_rng(seed), 1 - regression.LARGEST_FALL
    ratios: list[float] = []
    while not regression.is_over(ratios, bound):
        disturbed = random.uniform(1, 3) ** random.choice([-1, 1]) if random.random() < 1 / 8 else 1.0
        ratios.append(ratio * random.lognormal(0, 0.1) * disturbed)
    return regression.Median.of(ratios).value >= bound


def test_unchanged_runs_pass_and_a_step_that_takes_a_fifth_longer_fails(regression: ModuleType) -> None:
    assert all(passes(regression, 1.0, seed) for seed in range(100))
    assert not any(passes(regression, 1 / 1.2, seed) for seed in range(100))


def test_the_interval_of_a_median_ends_at_its_ranks(regression: ModuleType) -> None:
    """Of 101 values, 3 standard deviations of a binomial are 1.5 * sqrt(101) = 15.07 ranks."""
    values = np.random.default_rng(0).permutation(101).tolist()
    assert regression.Median.of(values) == regression.Median(50, 34, 66)


def test_windows_of_the_zoo_and_the_bare_loop_take_turns_until_it_is_decided(regression: ModuleType) -> None:
    taken: list[str] = []

    def bare() -> object:
        while True:
            taken.append("bare")
            yield 1

    def zoo() -> object:
        while True:
            taken.append("zoo")
            yield Step(1)

    windows = regression.Windows(bare(), 3, bound=0.0)  # any ratio is above it
    events = list(windows.between(zoo()))
    assert isinstance(events[-1], Stop)
    count = regression.LEAST_WINDOWS + regression.SKIPPED
    assert taken == (["zoo"] * 3 + ["bare"] * 3) * count
    assert len(windows.ratios) == regression.LEAST_WINDOWS
