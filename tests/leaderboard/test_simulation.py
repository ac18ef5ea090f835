"""The simulation of intervals and ranks: its generator has the truths that it states, and its fast cells hold."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "statistics"


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """The function that imports a module of the simulation."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return import_module


@pytest.mark.parametrize("kind", ["accuracy", "share"])
@pytest.mark.parametrize("truth", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("groups", [0, 50])
def test_the_mean_of_many_draws_is_the_truth(simulation, kind, truth, groups):
    generator = simulation("generator")
    rng = np.random.default_rng(0)
    mix = generator.Mix(group=0.2 if groups else 0.0, seed=0.1)
    means = [
        generator.draw_board(
            rng, [truth] * 2, seeds=[2] * 2, examples=300, kind=kind, mix=mix, groups=groups, loudness=(1, 4)
        )
        .models[1]
        .mean()
        for _ in range(1500)
    ]
    assert abs(np.mean(means) - truth) < 4 * np.std(means) / 1500**0.5


def test_seeds_and_models_share_what_they_should(simulation):
    generator = simulation("generator")
    mix = generator.Mix(ease=1.0, own=1.0, seed=0.0, rest=0.0)
    first, second = generator.draw_board(
        np.random.default_rng(1), (0.7, 0.7), seeds=(3, 1), examples=4000, kind="share", mix=mix
    ).models
    assert np.array_equal(first[0], first[2])  # without effects of seeds, each seed is the same
    assert 0.4 < np.corrcoef(first[0], second[0])[0, 1] < 0.6  # half of the variance is the ease that models share


def test_every_fast_cell_is_a_cell_of_the_grid(simulation):
    cells = simulation("cells")
    assert {(cell.part, cell.setting) for cell in cells.fast_cells()} == cells.FAST


def test_the_fast_cells_keep_their_bounds():
    finished = subprocess.run(
        [sys.executable, str(FOLDER), "--fast"], capture_output=True, text=True, check=False, timeout=600
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "0 outside their bounds" in finished.stdout


def test_a_cell_that_misses_its_bounds_makes_the_simulation_fail():
    code = (
        f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import cells, runpy\n"
        "from dataclasses import replace\n"
        "made = [replace(cell, low=0.999) for cell in cells.cells() if cell.part == 'coverage, accuracy 0.5'][:1]\n"
        "cells.fast_cells = lambda: made\n"
        "sys.argv = ['statistics', '--fast']; runpy.run_path(sys.path[0], run_name='__main__')\n"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=100)
    assert finished.returncode == 1, finished.stderr
    assert "MISSED" in finished.stdout
