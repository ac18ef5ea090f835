"""Models across tasks: shares, win rates and their ranges by hand, and what is left blank."""

from __future__ import annotations

import re
from typing import Any

import pytest
from zoo_leaderboard.site.build import build_site
from zoo_leaderboard.site.matrix import MAX_COLUMNS, MAX_LINES, Matrix, matrices
from zoo_leaderboard.site.summary import GroupSummary, Place, TaskSummary

UNKNOWN = {name: None for name in Place.__struct_fields__ if name != "history"}


def place(model: str, score: float | None, rank: int | None = None, worst: int | None = None, **more: Any) -> Place:
    known = {"model": model, "anchor": f"r-{model}", "pretrained_on": "", "score": score, "rank": rank}
    not_ranked = "" if rank else "one seed each"
    return Place(**{**UNKNOWN, **known, "rank_high": worst, "not_ranked": not_ranked, "stale": "", **more})


def task(name: str, *places: Place, chance: float | None = None, kind: str = "k", higher: bool = True) -> TaskSummary:
    group = GroupSummary(
        anchor=f"g-{name}",
        dataset_title=name,
        origin="real",
        recipe_class="default",
        device_class="cpu",
        task_version=1,
        stale="",
        places=list(places),
        chance=chance,
    )
    return TaskSummary(
        name=name,
        title=name,
        summary="",
        slug=name,
        metric="accuracy" if higher else "mse",
        higher_is_better=higher,
        version=1,
        thumbnail="",
        trials=1,
        failures=0,
        skipped=0,
        newest="",
        models=[item.model for item in places],
        groups=[group],
        files=[],
        kind=kind,
    )


@pytest.fixture
def matrix() -> Matrix:
    """In a, x is certainly first; in b, the test leaves the order open; c has no test and no chance level."""
    (found,) = matrices(
        [
            task("a", place("x", 0.9, 1, 1), place("y", 0.5, 2, 3), place("z", 0.3, 2, 3), chance=0.1),
            task("b", place("y", 0.8, 1, 2), place("x", 0.7, 1, 2), place("only here", 0.6, 1, 2), chance=0.5),
            task("c", place("y", 0.2), place("z", 0.4), higher=False),
        ]
    )
    return found


def test_only_models_of_two_tasks_are_lines_and_a_blank_stays_blank(matrix: Matrix) -> None:
    assert [line.model for line in matrix.lines] == ["y", "x", "z"]
    assert {line.model: [cell is not None for cell in line.cells] for line in matrix.lines} == {
        "x": [True, True, False],
        "y": [True, True, True],
        "z": [True, False, True],
    }
    assert [line.ran for line in matrix.lines] == [3, 2, 2]


def test_a_share_is_the_way_from_chance_to_the_best_and_unknown_without_a_chance_level(matrix: Matrix) -> None:
    shares = {line.model: [cell and cell.share for cell in line.cells] for line in matrix.lines}
    assert shares["x"] == [1.0, pytest.approx(0.2 / 0.3), None]
    assert shares["y"] == [pytest.approx(0.5), 1.0, None]
    assert shares["z"] == [pytest.approx(0.25), None, None]


def test_the_mean_win_rate_and_its_range_are_those_by_hand(matrix: Matrix) -> None:
    rates = {line.model: line.wins for line in matrix.lines}
    # x: beats both in a, for certain; loses to y in b, which the test leaves open
    assert rates["x"] == pytest.approx((1 / 2, 1 / 2, 1))
    # y: beats one of two in a, of which x is certainly better; first in b and c, where nothing is certain
    assert rates["y"] == pytest.approx(((1 / 2 + 1 + 1) / 3, 0, (1 / 2 + 1 + 1) / 3))
    assert rates["z"] == pytest.approx((0, 0, (1 / 2 + 1) / 2))


def test_two_equal_means_win_half_each() -> None:
    (found,) = matrices([task(name, place("x", 0.5), place("y", 0.5)) for name in "ab"])
    assert [line.wins.score for line in found.lines if line.wins] == [0.5, 0.5]


def test_a_model_that_ran_on_less_than_half_of_the_tasks_has_no_place_in_the_order() -> None:
    whole = [place("x", 0.9), place("y", 0.8)]
    few = [*whole, place("few", 0.99)]
    (found,) = matrices([task(str(n), *(few if n < 2 else whole)) for n in range(5)])
    assert [(line.model, line.wins is not None) for line in found.lines] == [("x", True), ("y", True), ("few", False)]


def test_kinds_are_apart_and_one_model_makes_no_matrix() -> None:
    both = [place("x", 0.9), place("y", 0.8)]
    found = matrices(
        [task("a", *both), task("b", *both), task("c", *both, kind="other"), task("d", both[0], kind="other")]
    )
    assert [item.kind for item in found] == ["k"]


def test_a_large_matrix_is_cut_and_counts_what_it_leaves_out() -> None:
    models = [place(f"m{n:03d}", 1 - n / 1000) for n in range(MAX_LINES + 5)]
    (found,) = matrices([task(f"t{n:02d}", *models) for n in range(MAX_COLUMNS + 3)])
    assert (len(found.lines), found.models) == (MAX_LINES, MAX_LINES + 5)
    assert (len(found.columns), found.tasks) == (MAX_COLUMNS, MAX_COLUMNS + 3)
    assert found.lines[0].model == "m000"


def test_the_index_shows_the_matrix_with_links_to_the_rows(record, save, results, tmp_path):
    save(
        *(
            record(task=f"zoo-a:{name}", task_title=name, task_chance=0.1, model=f"zoo-m:{model}", score=score)
            for name in ("first", "second")
            for model, score in (("good", 0.9), ("<b>bad</b>", 0.5))
        )
    )
    build_site([results], tmp_path / "site")
    page = (tmp_path / "site" / "index.html").read_text("utf-8")
    part = page.partition('class="heat matrix"')[2].partition("</table>")[0]
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", part))
    assert "good 1.00 0.00 to 1.00 2 of 2 1.00 0.9000 1.00 0.9000" in text
    assert "&lt;b&gt;bad&lt;/b&gt; 0.00 0.00 to 1.00 2 of 2 0.50 0.5000 0.50 0.5000" in text
    assert len(re.findall(r'href="tasks/zoo-a--(?:first|second)[^"#]*#r-', part)) == 4
