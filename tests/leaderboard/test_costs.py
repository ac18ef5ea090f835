"""Score against cost: every model is drawn or counted, and the axes are readable at any size."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from zoo_leaderboard.board.standing import standings
from zoo_leaderboard.site import plots
from zoo_leaderboard.site.costplots import score_against
from zoo_leaderboard.site.costs import COSTS, CostView, Point, cost_views, pareto_front

from zoo_core.results.records import Latency, Load

SVG = "{http://www.w3.org/2000/svg}"
COLOURS = plots.PALETTE
BUSY = Load(cpu_s=4.0, wall_s=10.0)


@pytest.fixture
def views_of(boards):
    """The plots of records that make one group, by the field of their cost."""

    def made(*records):
        (board,) = boards(records)
        (ranked,) = standings(board.groups).values()
        higher = records[0].task.higher_is_better
        return {view.axis.field: view for view in cost_views(ranked.rows, higher_is_better=higher)}

    return made


def timed(milliseconds):
    return Latency(median_ms=milliseconds, p95_ms=milliseconds, n=50)


def texts(view, task):
    styles = plots.assign_styles([[point.model for point in view.points if point.model]])
    root = ET.fromstring(plots.render(score_against(view, task, styles)))
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def test_all_of_350_models_are_drawn_and_those_without_a_name_are_counted(record, views_of):
    records = [record(model=f"m{n:03d}", score=0.5 + n / 1000, train_s=400.0 - n) for n in range(350)]
    view = views_of(*records)["train_s"]
    assert len(view.points) == 350
    named = [point for point in view.points if point.model]
    assert [point.label for point in named] == [f"m{n}" for n in range(349, 337, -1)]
    assert [point.label for point in view.points if point.front] == ["m349"]  # the best is also the fastest
    grey = "Grey: 338 models without a name in the legend. Only named models have bars."
    assert view.note == f"350 models drawn. Pareto-optimal: only m349. {grey}"


def test_the_models_of_a_front_have_names_also_if_their_score_is_low(record, views_of):
    records = [record(model=f"m{n:03d}", score=0.5 + n / 1000, train_s=1.0 + n) for n in range(100)]
    view = views_of(*records)["train_s"]
    assert all(point.front for point in view.points)
    assert sum(bool(point.model) for point in view.points) == 12


def test_without_reliable_times_no_model_is_pareto_optimal_and_the_note_says_so(record, views_of):
    records = [record(model=name, score=0.9, train_s=1.0, measured_load=BUSY) for name in ("a", "b")]
    note = views_of(*records)["train_s"].note
    assert (
        note == "2 models drawn. Pareto-optimal: none, no times are reliable. Hollow: 2 models with unreliable times."
    )


def test_disturbed_trials_are_drawn_hollow_and_are_not_pareto_optimal(record, views_of):
    records = [
        record(model="best", score=0.9, train_s=1.0, model_parameters=10, measured_load=BUSY),
        record(model="second", score=0.8, train_s=2.0, model_parameters=20),
        record(model="third", score=0.7, train_s=3.0, model_parameters=30),
    ]
    views = views_of(*records)
    by_time = {point.label: (point.reliable, point.front) for point in views["train_s"].points}
    assert by_time == {"best": (False, False), "second": (True, True), "third": (True, False)}
    by_size = {point.label: (point.reliable, point.front) for point in views["parameters"].points}
    assert by_size == {"best": (True, True), "second": (True, False), "third": (True, False)}
    assert (
        views["train_s"].note == "3 models drawn. Pareto-optimal: only second. Hollow: 1 model with unreliable times."
    )
    styles = plots.assign_styles([["best", "second", "third"]])
    root = ET.fromstring(plots.render(score_against(views["train_s"], records[0].task, styles)))
    marks = {
        style: [e for e in root.iter(f"{SVG}path") if style in (e.get("fill"), e.get("stroke"))] for style in COLOURS
    }
    best = marks[plots.PALETTE[styles["best"].colour]]
    assert [mark.get("fill") in (None, "none", "transparent") for mark in best] == [True]
    assert [mark.get("fill") for mark in marks[plots.PALETTE[styles["third"].colour]]] == [
        plots.PALETTE[styles["third"].colour]
    ]


def test_an_unreliable_latency_is_hollow_in_its_own_plot_only(record, views_of):
    busy = Latency(median_ms=1.0, p95_ms=2.0, n=50, wall_s=1.0, cpu_s=0.4)
    views = views_of(
        record(model="a", score=0.9, train_s=1.0, measured_latency=busy),
        record(model="b", score=0.8, train_s=2.0, measured_latency=timed(2.0)),
    )
    reliable = {name: [point.reliable for point in view.points] for name, view in views.items()}
    assert reliable == {"latency_ms": [False, True], "train_s": [True, True]}


def test_models_that_are_not_drawn_are_counted_with_the_reason(record, views_of):
    records = [
        record(model="a", score=0.9, train_s=1.0),
        record(model="b", score=0.8, train_s=2.0),
        record(model="unknown", score=0.7),
        record(model="failed", status="error"),
        record(model="old", score=0.6, train_s=3.0, model_version=1),
        record(model="old", score=0.5, train_s=4.0, model_version=2),
    ]
    note = views_of(*records)["train_s"].note
    assert note == (
        "3 models drawn. Pareto-optimal: only a. Not drawn: 1 (no score), 1 (out of date), 1 (unknown train time)."
    )


def test_a_model_without_parameters_is_drawn_at_zero_also_on_a_wide_axis(record, views_of):
    sizes = {"copy": 0, "small": 1000, "large": 5_000_000}
    records = [record(model=name, score=0.5 + size / 1e8, model_parameters=size) for name, size in sizes.items()]
    view = views_of(*records)["parameters"]
    assert {point.label: point.x for point in view.points} == sizes
    assert {"0", "1,000", "10,000", "100,000", "1M"} <= set(texts(view, records[0].task))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0.0298, 0.0301), "0.03"),
        ((0.0001, 0.0004), "0.0002"),
        ((0.02, 40.0), "0.1"),
        ((900.0, 1500.0), "1,200"),
        ((12_000.0, 90_000.0), "40,000"),
        ((2e6, 9e6), "4M"),
    ],
)
def test_axes_have_plain_numbers_without_a_prefix_of_small_numbers(values, expected, record, views_of):
    records = [record(model=str(value), score=0.5, measured_latency=timed(value)) for value in values]
    labels = texts(views_of(*records)["latency_ms"], records[0].task)
    assert expected in labels
    assert [text for text in labels if re.fullmatch(r"[\d.,]+[mµnpf]", text)] == []


@pytest.mark.parametrize("values", [(1e-6, 2e-6), (1e-6, 3.1e7), (5.0, 5.0)])
def test_a_plot_of_extreme_costs_is_drawn(values, record, views_of):
    records = [record(model=f"m{n}", score=0.5, train_s=value) for n, value in enumerate(values)]
    assert "Train time (s)" in texts(views_of(*records)["train_s"], records[0].task)


@pytest.mark.parametrize(
    ("higher", "on_front"), [(True, [True, False, True, False]), (False, [True, False, False, True])]
)
def test_the_front_has_the_models_that_no_other_beats_in_both(higher, on_front):
    points = [(1.0, 0.5), (2.0, 0.5), (3.0, 0.9), (4.0, 0.4)]  # cost, score
    assert pareto_front(points, higher_is_better=higher) == on_front


def test_of_two_models_of_one_cost_the_better_is_on_the_front_and_of_equal_ones_both():
    assert pareto_front([(1.0, 0.5), (1.0, 0.7)], higher_is_better=True) == [False, True]
    assert pareto_front([(1.0, 0.7), (1.0, 0.7)], higher_is_better=True) == [True, True]


def test_scores_against_cost_are_points_with_intervals_and_the_front(record):
    task = record().task
    about = [("a", 1.0, 0.5), ("b", 2.0, 0.9), ("c", 3.0, 0.7)]
    points = [
        Point(label=name, model=name, x=x, score=score, low=score - 0.1, high=score + 0.1, front=name != "c")
        for name, x, score in about
    ]
    view = CostView(axis=COSTS[0], points=points, note="3 models drawn.")
    job = score_against(view, task, plots.assign_styles([["a", "b", "c"]]))
    root = ET.fromstring(plots.render(job))
    words = "Accuracy on test (vertical) against latency (ms) (horizontal)"
    assert job.description == f"{words}. Pareto-optimal: a 0.5 at 1; b 0.9 at 2. 3 models drawn."
    assert root.find(f"{SVG}title").text == "Accuracy against latency (ms)"
