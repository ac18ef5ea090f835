"""Score by year: drawn where models of two years have a score, and nothing changes without years."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from zoo_leaderboard.board.standing import standings
from zoo_leaderboard.records.trials import summarise_trial
from zoo_leaderboard.site import plots
from zoo_leaderboard.site.build import build_site
from zoo_leaderboard.site.costplots import score_against
from zoo_leaderboard.site.costs import CostView, year_views
from zoo_leaderboard.text.formats import DASH, paper_link

from zoo_core.results.records import Record

SVG = "{http://www.w3.org/2000/svg}"
DOI = "https://doi.org/10.1109/5.726791"
HISTORY = (("lenet", 0.6, 1998), ("alexnet", 0.8, 2012), ("vgg", 0.7, 2014), ("googlenet", 0.9, 2014))
Make = Callable[..., Record]


@pytest.fixture
def years_of(boards: Any) -> Callable[..., list[CostView]]:
    """The plots by year of records that make one group."""

    def made(*records: Record) -> list[CostView]:
        (board,) = boards(records)
        (ranked,) = standings(board.groups).values()
        return year_views(ranked.rows, higher_is_better=records[0].task.higher_is_better)

    return made


def history(record: Make) -> list[Record]:
    return [record(model=f"zoo-a:{name}", score=score, model_year=year) for name, score, year in HISTORY]


def test_the_dashed_line_joins_the_models_that_were_better_than_all_before_them(
    record: Make, years_of: Callable[..., list[CostView]]
) -> None:
    (view,) = years_of(*history(record))
    assert {point.label: (round(point.x), point.front) for point in view.points} == {
        "lenet": (1998, True),
        "alexnet": (2012, True),
        "vgg": (2014, False),
        "googlenet": (2014, True),
    }


def test_where_lower_is_better_the_line_falls(record: Make, years_of: Callable[..., list[CostView]]) -> None:
    older, newer = (
        record(model=name, score=score, model_year=year, higher_is_better=False)
        for name, score, year in (("a", 0.5, 2000), ("b", 0.4, 2001))
    )
    (view,) = years_of(older, newer)
    assert [point.front for point in view.points] == [True, True]


def test_years_are_drawn_as_years_without_a_separator(record: Make, years_of: Callable[..., list[CostView]]) -> None:
    records = history(record)
    (view,) = years_of(*records)
    styles = plots.assign_styles([[point.model for point in view.points]])
    svg = plots.render(score_against(view, records[0].task, styles))
    labels = [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]
    drawn = [label for label in labels if re.fullmatch(r"(19|20)\d\d", label)]
    assert drawn == sorted(set(drawn))
    assert len(drawn) > 1
    assert not [label for label in labels if re.search(r"\d,\d{3}|\d{4}\.", label)]
    assert "Year of publication" in labels


def test_models_without_a_year_are_counted_and_one_year_alone_draws_nothing(
    record: Make, years_of: Callable[..., list[CostView]]
) -> None:
    known = history(record)
    (view,) = years_of(*known, record(model="zoo-a:own", score=0.95))
    assert view.note == "4 models drawn. Not drawn: 1 (unknown year of publication)."
    assert years_of(known[2], known[3]) == []
    assert years_of(*(record(model=name) for name in "abc")) == []


@pytest.mark.parametrize("year", [0, -44, 1899, 2200, 2**62])
def test_a_year_in_which_nothing_can_have_been_published_is_unknown(record: Make, year: int) -> None:
    assert summarise_trial(record(model_year=year), "").year is None
    assert summarise_trial(record(model_year=2014), "").year == 2014


def test_the_latest_known_year_counts_beside_records_of_earlier_versions(
    record: Make, years_of: Callable[..., list[CostView]]
) -> None:
    first = [record(seed=0, model="zoo-a:net", model_year=1998), record(seed=1, model="zoo-a:net", minute=1)]
    (view,) = years_of(*first, record(model="zoo-a:other", model_year=2015))
    assert sorted(point.x for point in view.points) == [1998, 2015]


def test_points_of_one_year_stand_side_by_side_within_it(record: Make, years_of: Callable[..., list[CostView]]) -> None:
    same = [record(model=f"zoo-a:m{n}", score=0.5 + n / 100, model_year=2014) for n in range(9)]
    (view,) = years_of(*same, record(model="zoo-a:old", score=0.4, model_year=1998))
    places = [point.x for point in view.points]
    assert places == sorted(set(places))
    assert {round(place) for place in places} == {1998, 2014}


@pytest.mark.parametrize(
    ("paper", "address"),
    [
        ("arXiv:1512.03385", "https://arxiv.org/abs/1512.03385"),
        ("arxiv:1512.03385v2", "https://arxiv.org/abs/1512.03385v2"),
        (DOI, DOI),
        ("LeCun et al. 1998", ""),
        ("arXiv:1512.03385/../../evil", ""),
        ("arXiv:1512.0338\N{ARABIC-INDIC DIGIT FIVE}", ""),
        ("javascript:alert(1)", ""),
        ('https://a.example/"><script>', ""),
        ("", ""),
        (None, ""),
    ],
)
def test_only_a_web_address_or_an_arxiv_number_becomes_a_link(paper: str | None, address: str) -> None:
    assert paper_link(paper) == address


@pytest.fixture
def built(record: Make, save: Any, results: Path, tmp_path: Path) -> Callable[..., Path]:
    def made(*records: Record) -> Path:
        save(*records)
        build_site([results], tmp_path / "site")
        return tmp_path / "site"

    return made


def test_the_task_page_has_a_column_of_years_with_links_and_the_plot(record: Make, built: Callable[..., Path]) -> None:
    known = [record(model="zoo-a:lenet", score=0.6, model_year=1998, model_paper=DOI)]
    known += [record(model="zoo-a:resnet", score=0.9, model_year=2015, model_paper="arXiv:1512.03385")]
    known += [record(model="zoo-a:net", score=0.8), record(model="zoo-a:vgg", score=0.7, model_year=2014)]
    site = built(*known)
    (page,) = site.glob("tasks/*.html")
    text = page.read_text("utf-8")
    assert ">Year</th>" in text
    assert "Score by year of publication" in text
    assert f'<a href="{DOI}" rel="noopener noreferrer" title="{DOI}">1998</a>' in text
    assert '<a href="https://arxiv.org/abs/1512.03385"' in text
    assert '<td class="num" data-v="2014">2014</td>' in text
    assert f'<td class="num" data-v="">{DASH}</td>' in text
    assert len([*site.glob("tasks/*/*-year.svg")]) == 1
    (data,) = json.loads(next(site.glob("data/zoo-a*.json")).read_bytes())["groups"]
    assert {row["model"]: row["year"] for row in data["models"]}["zoo-a:lenet"] == 1998
    table = csv.DictReader(io.StringIO(next(site.glob("data/*.csv")).read_text("utf-8")))
    assert {row["year"]: row["paper"] for row in table}["2015"] == "arXiv:1512.03385"
    (model,) = site.glob("models/*resnet*.html")
    assert "<dt>Published</dt>" in model.read_text("utf-8")


def test_without_years_the_page_has_neither_column_nor_plot(record: Make, built: Callable[..., Path]) -> None:
    site = built(record(model="zoo-a:a"), record(model="zoo-a:b", score=0.8))
    (page,) = site.glob("tasks/*.html")
    text = page.read_text("utf-8")
    assert ">Year</th>" not in text
    assert "by year" not in text
    assert not [*site.glob("tasks/*/*-year.svg")]
    assert all("<dt>Published</dt>" not in path.read_text("utf-8") for path in site.glob("models/*.html"))
