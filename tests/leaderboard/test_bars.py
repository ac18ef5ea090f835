"""Intervals on an axis, histories as lines, legends inside the files of plots, and badges: places by hand."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from math import inf, nan

import pytest
from zoo_leaderboard.site.badge import badge
from zoo_leaderboard.site.bars import EDGE, WIDTH, bar_of, scale_of, spark_points
from zoo_leaderboard.site.build import build_site
from zoo_leaderboard.site.legend import Entry, size_of, with_legend

SVG = "{http://www.w3.org/2000/svg}"
PLOT = '<svg xmlns="http://www.w3.org/2000/svg" width="560" height="320" viewBox="0 0 560 320"><g/></svg>'


@dataclass
class Scores:
    score: float | None
    low: float | None = None
    high: float | None = None


def at(share: float) -> float:
    """The place of a share of the axis."""
    return EDGE + share * (WIDTH - 2 * EDGE)


def test_a_share_is_drawn_between_0_and_1_with_chance_and_target():
    scale = scale_of([0.5, 0.6], metric="accuracy", higher_is_better=True, whole_range=True)
    bar = bar_of(Scores(0.5, 0.4, 0.7), scale, chance=0.1, target=0.8, others=[0.2, nan, None, 0.2])
    assert bar is not None
    assert (bar.at, bar.left, bar.right) == (at(0.5), at(0.4), at(0.7))
    assert (bar.chance, bar.target, bar.others) == (at(0.1), at(0.8), [at(0.2)])


def test_where_lower_is_better_right_is_better_too():
    scale = scale_of([1.0, 3.0], metric="mse", higher_is_better=False)
    bar = bar_of(Scores(1.0, 1.0, 2.0), scale)
    assert bar is not None
    assert (bar.at, bar.left, bar.right) == (at(1.0), at(0.5), at(1.0))


def test_errors_of_a_wide_range_are_on_a_logarithmic_axis():
    scale = scale_of([1e-4, 1.0], metric="mse", higher_is_better=False)
    assert scale is not None
    assert scale.x(1e-2) == pytest.approx(at(0.5))


@pytest.mark.parametrize("value", [None, nan, inf, -inf])
def test_an_unknown_score_has_no_place(value):
    scale = scale_of([0.0, 1.0], metric="accuracy", higher_is_better=True)
    assert bar_of(Scores(value), scale) is None
    assert scale_of([value], metric="accuracy", higher_is_better=True) is None


def test_a_score_alone_is_in_the_middle_and_one_outside_at_the_end():
    alone = scale_of([0.4], metric="nats", higher_is_better=True)
    assert alone is not None
    assert alone.x(0.4) == at(0.5)
    scale = scale_of([0.0, 1.0], metric="nats", higher_is_better=True)
    assert scale is not None
    assert (scale.x(-9.0), scale.x(1e99)) == (at(0.0), at(1.0))


def test_a_history_is_a_line_from_the_oldest_to_the_newest_score():
    assert spark_points([1.0, 2.0, 1.5], higher_is_better=True) == "3.0,15.0 32.0,3.0 61.0,9.0"
    assert spark_points([1.0, 2.0], higher_is_better=False) == "3.0,3.0 61.0,15.0"
    assert spark_points([1.0], higher_is_better=True) == ""


def test_a_legend_is_inside_the_file_and_makes_it_as_high_as_needed():
    entries = [
        Entry(label=f"model <{n}> & more words", colour="#0072b2", dash=(6, 3), shape="square") for n in range(5)
    ]
    made = with_legend(PLOT, entries, "#6b7280")
    root = ET.fromstring(made)
    assert [text.text for text in root.iter(f"{SVG}text")] == [entry.label for entry in entries]
    width, height = size_of(made)
    assert width == 560
    places = [(float(text.get("x")), float(text.get("y"))) for text in root.iter(f"{SVG}text")]
    assert len({y for _, y in places}) == 3  # two fit into a line
    assert max(y for _, y in places) < height
    assert root.get("viewBox") == f"0 0 560 {height}"
    assert with_legend(PLOT, [], "#6b7280") == PLOT


def test_the_files_of_a_page_name_their_models(record, save, results, tmp_path):
    save(
        *(
            record(model=f"zoo-a:{name}", score=score, train_s=score, curve=[(1, None, 0.1), (9, None, score)])
            for name, score in (("first", 0.9), ("second", 0.8))
        )
    )
    build_site([results], tmp_path / "site")
    files = list((tmp_path / "site" / "tasks").rglob("g-*.svg"))
    assert len(files) == 3  # two learning curves and the score against the train time
    for path in files:
        words = {text.text for text in ET.parse(path).getroot().iter(f"{SVG}text")}
        assert {"first", "second"} <= words, path.name
    (page,) = (tmp_path / "site" / "tasks").glob("*.html")
    sizes = re.findall(r'\.svg" width="(\d+)" height="(\d+)"', page.read_text("utf-8"))
    assert sizes
    assert all(int(height) > 300 for _, height in sizes)


def test_a_badge_says_who_leads_and_is_text_whatever_the_names_are(record, save, results, tmp_path):
    save(
        *(
            record(model=f"zoo-a:{name}", seed=seed, score=score + seed / 1000, task_title="<b>Digits</b>")
            for name, score in (("<i>good</i>", 0.9), ("bad", 0.5))
            for seed in range(3)
        )
    )
    build_site([results], tmp_path / "site")
    (path,) = (tmp_path / "site" / "tasks").rglob("badge.svg")
    root = ET.parse(path).getroot()
    assert [text.text for text in root.iter(f"{SVG}text")] == [
        "<b>Digits</b>",
        "<i>good</i>, Accuracy 0.9010 (CPU, default recipe)",
    ]
    assert root.get("aria-label") == "<b>Digits</b>: <i>good</i>, Accuracy 0.9010 (CPU, default recipe)"


def test_the_two_parts_of_a_badge_are_as_wide_as_their_texts():
    root = ET.fromstring(badge("ab", "abcd"))
    assert int(root.get("width")) == round(6.6 * 2) + round(6.6 * 4) + 4 * 8
