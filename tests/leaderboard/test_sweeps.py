"""Sweeps: trainings that differ in one recipe key alone, as a table, a plot and groups of rows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from zoo_leaderboard.board.standing import standings
from zoo_leaderboard.board.sweeps import MAX_LINES, MAX_VALUES, Sweep, sweeps
from zoo_leaderboard.site.build import build_site
from zoo_leaderboard.site.pages import settings_json
from zoo_leaderboard.site.sweeps import score_by_key

from zoo_core.results.records import Record

Make = Callable[..., Record]
SCORES = {("relu", "sgd"): 0.7, ("relu", "adam"): 0.9, ("tanh", "sgd"): 0.5, ("tanh", "adam"): 0.8}


@pytest.fixture
def sweeps_of(boards: Any) -> Callable[..., list[Sweep]]:
    """The sweeps of records of one task."""

    def found(*records: Record) -> list[Sweep]:
        (board,) = boards(records)
        ranked = standings(board.groups)
        return sweeps(board.groups, {key: standing.rows for key, standing in ranked.items()})

    return found


def grid(record: Make) -> list[Record]:
    """Four trainings, of which one has the default recipe."""
    return [
        record(
            score=score,
            recipe={"activation": activation, "optimizer": optimizer, "lr": 0.1},
            recipe_class="default" if (activation, optimizer) == ("relu", "adam") else "custom",
        )
        for (activation, optimizer), score in SCORES.items()
    ]


def scores_of(sweep: Sweep) -> dict[str, list[float | None]]:
    return {line.label: [row.score if row else None for row in line.rows] for line in sweep.lines}


def test_a_grid_can_be_read_by_either_key_also_across_recipe_classes(
    record: Make, sweeps_of: Callable[..., list[Sweep]]
) -> None:
    by_key = {sweep.key: sweep for sweep in sweeps_of(*grid(record))}
    assert set(by_key) == {"activation", "optimizer"}, "lr is the same everywhere"
    assert list(by_key["optimizer"].values) == ["adam", "sgd"]
    assert scores_of(by_key["optimizer"]) == {"net activation=relu": [0.9, 0.7], "net activation=tanh": [0.8, 0.5]}
    assert list(by_key["optimizer"].means) == pytest.approx([0.85, 0.6])
    assert scores_of(by_key["activation"]) == {"net optimizer=adam": [0.9, 0.8], "net optimizer=sgd": [0.7, 0.5]}


def test_trainings_that_differ_in_more_than_the_key_are_not_joined(
    record: Make, sweeps_of: Callable[..., list[Sweep]]
) -> None:
    assert sweeps_of(record(recipe={"lr": 0.1, "epochs": 1}), record(recipe={"lr": 0.2, "epochs": 2})) == []
    assert sweeps_of(record(recipe={"lr": 0.1}), record(recipe={"lr": 0.2}, model="zoo-a:other")) == []
    assert sweeps_of(record(recipe={"lr": 0.1}), record(recipe={"lr": 0.2}, dtype="bfloat16")) == []
    assert sweeps_of(record(recipe={"lr": 0.1}), record(recipe={"lr": 0.2}, device="cuda")) == []
    assert sweeps_of(record(recipe={"lr": 0.1}), record(recipe={"lr": 0.2}, fingerprint="a" * 32)) == []
    assert sweeps_of(record(recipe={"lr": 0.1}), record(recipe={"lr": 0.2}, status="error", score=None)) == []


def test_numbers_are_in_order_and_a_missing_cell_keeps_its_line_out_of_the_means(
    record: Make, sweeps_of: Callable[..., list[Sweep]]
) -> None:
    records = [record(recipe={"lr": lr}, score=lr / 100) for lr in (10, 2, 0.5)]
    records += [record(recipe={"lr": lr}, score=0.9, model="zoo-a:other") for lr in (2, 10)]
    (sweep,) = sweeps_of(*records)
    assert list(sweep.values) == ["0.5", "2", "10"]
    assert scores_of(sweep) == {"net": [0.005, 0.02, 0.1], "other": [None, 0.9, 0.9]}
    assert sweep.complete == 1
    assert list(sweep.means) == pytest.approx([0.005, 0.02, 0.1])


def test_the_seeds_of_a_training_are_one_cell(record: Make, sweeps_of: Callable[..., list[Sweep]]) -> None:
    records = [record(recipe={"lr": lr}, seed=seed, score=0.5 + seed / 10) for lr in (1, 2) for seed in (0, 1, 2)]
    (sweep,) = sweeps_of(*records)
    assert scores_of(sweep) == {"net": [pytest.approx(0.6)] * 2}


def test_a_key_with_very_many_values_is_no_table_and_many_lines_are_cut(
    record: Make, sweeps_of: Callable[..., list[Sweep]]
) -> None:
    assert sweeps_of(*(record(recipe={"lr": number}) for number in range(MAX_VALUES + 1))) == []
    records = [record(recipe={"lr": lr}, model=f"zoo-a:m{n}") for lr in (1, 2) for n in range(MAX_LINES + 3)]
    (sweep,) = sweeps_of(*records)
    assert len(sweep.lines) == MAX_LINES
    assert sweep.left_out == 3
    assert sweep.complete == MAX_LINES + 3


def test_the_plot_has_a_point_for_each_cell(record: Make, sweeps_of: Callable[..., list[Sweep]]) -> None:
    sweep = next(sweep for sweep in sweeps_of(*grid(record)) if sweep.key == "optimizer")
    drawing = score_by_key(sweep, grid(record)[0].task)
    points = drawing.spec["layer"][-1]["data"]["values"]
    assert {(point["line"], point["x"]): point["mean"] for point in points} == {
        (f"net activation={activation}", optimizer): score for (activation, optimizer), score in SCORES.items()
    }
    assert "net activation=relu with adam: 0.9" in drawing.description


def test_the_page_shows_table_and_plot_and_escapes_values(
    record: Make, save: Callable[..., Any], results: Path, tmp_path: Path
) -> None:
    hostile = '<script>"&'
    save(*(record(recipe={"name": name, "lr": 0.1}, score=score) for name, score in ((hostile, 0.25), ("b", 0.75))))
    build_site([results], tmp_path / "site")
    (page,) = (tmp_path / "site" / "tasks").glob("*.html")
    text = page.read_text(encoding="utf-8")
    (section,) = re.findall(r'<section class="sweep".*?</section>', text, re.S)
    assert "&lt;script&gt;" in section
    assert "0.2500" in section
    assert "0.7500" in section
    assert "<script>&" not in text
    assert len(list((tmp_path / "site" / "tasks").glob("*/k-*.svg"))) == 1
    assert '<select id="f-by" data-by>' in text
    assert text.count("data-keys=") == 2


def test_a_page_without_a_sweep_has_neither_section_nor_choice(
    record: Make, save: Callable[..., Any], results: Path, tmp_path: Path
) -> None:
    save(record(), record(seed=1))
    build_site([results], tmp_path / "site")
    (page,) = (tmp_path / "site" / "tasks").glob("*.html")
    text = page.read_text(encoding="utf-8")
    assert 'class="sweep"' not in text
    assert "data-by" not in text
    assert "data-keys" not in text


def test_rows_carry_the_values_of_the_keys_alone() -> None:
    assert json.loads(settings_json({"lr": 0.1, "name": "a", "other": 1}, ["lr", "name", "missing"])) == {
        "lr": "0.1",
        "name": "a",
    }
