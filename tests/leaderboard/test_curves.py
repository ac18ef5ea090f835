"""Learning curves: numbers by hand, and the SVG that is made of them."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoo_leaderboard.board.curves import MAX_LINES, group_curves, json_curves, model_curve, table_points, thin
from zoo_leaderboard.board.references import references_elsewhere, references_on
from zoo_leaderboard.site import plots

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def curves_of(boards):
    """The curves of records that make one group."""

    def made(*records):
        (board,) = boards(records)
        by_id = {record.id: record for record in records}
        return group_curves(board.groups[0], lambda entry: by_id[entry.id])

    return made


@pytest.fixture
def drawn(curves_of):
    def svg(*records, by="step"):
        curves = curves_of(*records)
        styles = plots.assign_styles([[line.model for line in curves.lines]])
        across = plots.target_level(records[0].task)
        return plots.render(plots.learning_curves(curves, records[0].task, styles, by, across))

    return svg


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_a_curve_is_the_mean_of_the_seeds_with_the_lowest_and_the_highest(record):
    split, points = model_curve(
        [
            record(seed=0, curve=[(1, 0.5, 0.2), (2, 0.6, 0.4)]),
            record(seed=1, curve=[(1, 0.5, 0.4), (2, 0.6, 0.8)]),
        ]
    )
    assert split == "val"
    assert points.to_dict("list") == {
        "step": [1, 2],
        "mean": pytest.approx([0.3, 0.6]),
        "low": [0.2, 0.4],
        "high": [0.4, 0.8],
        "seeds": [2, 2],
    }


def test_without_val_the_train_score_is_drawn(record):
    split, points = model_curve([record(curve=[(1, 0.5, None), (2, 0.6, None)])])
    assert (split, list(points["mean"])) == ("train", [0.5, 0.6])


def test_train_scores_are_not_drawn_among_val_scores_but_counted(record, curves_of):
    curves = curves_of(
        record(model="zoo-a:all", score=0.9, curve=[(1, 0.6, None)]),
        record(model="zoo-a:held", score=0.8, curve=[(1, 0.1, 0.5)]),
    )
    assert [line.label for line in curves.lines] == ["held"]
    assert (curves.split, curves.train_only, curves.left_out) == ("val", 1, 0)


def test_val_scores_of_a_model_behind_the_limit_of_lines_keep_train_scores_out(record, curves_of):
    trained = [record(model=f"m{n:02d}", score=0.9, curve=[(1, 0.6, None)]) for n in range(MAX_LINES)]
    curves = curves_of(*trained, record(model="zoo-a:held", score=0.1, curve=[(1, 0.1, 0.5)]))
    assert ([line.label for line in curves.lines], curves.train_only) == (["held"], MAX_LINES)


def test_a_curve_of_losses_only_is_no_curve_of_scores(record, curves_of):
    assert curves_of(record(curve=[(1, None, None)])).lines == []


def test_seeds_evaluated_at_other_steps_are_joined_by_lines_and_not_continued(record):
    _, points = model_curve(
        [
            record(seed=0, curve=[(0, None, 0.0), (10, None, 1.0)]),
            record(seed=1, curve=[(5, None, 0.5), (20, None, 0.8)]),
        ]
    )
    assert list(points["step"]) == [0, 5, 10, 20]
    assert list(points["mean"]) == pytest.approx([0.0, 0.5, (1.0 + 0.6) / 2, 0.8])
    assert list(points["seeds"]) == [1, 2, 2, 1]


def test_failed_trials_are_not_drawn(record, curves_of):
    curves = curves_of(record(curve=[(1, None, 0.5)]), record(seed=1, status="diverged", curve=[(1, None, 0.0)]))
    assert curves.lines[0].by_step["mean"].tolist() == [0.5]


def test_models_without_a_curve_have_no_line(record, curves_of):
    assert curves_of(record()).lines == []


@given(st.integers(2, 2000), st.integers(2, 300))
def test_thinning_keeps_the_ends_and_the_limit(length, most):
    import pandas as pd

    thinned = thin(pd.DataFrame({"step": range(length)}), most)
    steps = thinned["step"].tolist()
    assert len(steps) == min(length, most)
    assert (steps[0], steps[-1]) == (0, length - 1)
    assert steps == sorted(set(steps))


@pytest.mark.parametrize(("by", "unit"), [("step", "training step"), ("seconds", "training time")])
def test_a_plot_is_svg_with_title_description_and_target(record, drawn, by, unit):
    records = [
        record(model=model, seed=seed, task_target=0.95, curve=[(1, None, 0.5), (100, None, 0.9)])
        for model in ("zoo-a:big", "zoo-a:small")
        for seed in range(2)
    ]
    root = ET.fromstring(drawn(*records, by=by))
    texts = {element.text for element in root.iter(f"{SVG}text")}
    assert root.find(f"{SVG}title").text == f"Accuracy on val by {unit}"
    description = root.find(f"{SVG}desc").text
    assert "higher is better, linear scale" in description
    assert f"big ends at 0.9 after 100 {by.removesuffix('s')}s" in description
    assert "target 0.95" in texts


def test_an_error_over_orders_of_magnitude_is_drawn_on_a_logarithmic_axis(record, drawn):
    curve = [(1, None, 0.5), (100, None, 1e-6)]
    assert "logarithmic scale" in drawn(record(higher_is_better=False, curve=curve))
    assert "linear scale" in drawn(record(higher_is_better=False, curve=[(1, None, 0.5), (2, None, 0.4)]))
    assert "linear scale" in drawn(record(higher_is_better=False, curve=[(1, None, 0.5), (2, None, 0.0)]))


def test_a_plot_loads_and_runs_nothing_whatever_the_names_are(record, curves_of, drawn):
    curve = [(1, None, 0.5), (2, None, 0.6)]
    names = [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{7*7}}",
        "\x00\x07\u202eevil",
        "x" * 10_000,
    ]
    names += ["datum.mean = 1", "a:same", "b:same", "]]>", "&lt;"]
    records = [record(model=name, curve=curve, task_metric="</title><script>") for name in names]
    root = ET.fromstring(drawn(*records))
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    attributes = {name.rpartition("}")[2] for element in root.iter() for name in element.attrib}
    assert not tags & {"script", "foreignObject", "image", "use", "a", "iframe"}
    assert not [name for name in attributes if name.startswith("on") or name in ("href", "src")]
    lines = curves_of(*records).lines
    assert len({line.label for line in lines}) == len(names)
    assert max(len(line.label) for line in lines) < 60


def test_models_beyond_the_limit_of_lines_are_only_in_the_table(record, curves_of):
    curves = curves_of(*(record(model=f"m{n:02d}", score=n / 100, curve=[(1, None, 0.5)]) for n in range(15)))
    assert (len(curves.lines), curves.left_out) == (MAX_LINES, 3)
    assert curves.lines[0].label == "m14"
    assert json_curves(curves)[0]["points"] == [{"step": 1, "mean": 0.5, "low": 0.5, "high": 0.5, "seeds": 1}]
    assert len(table_points(curves)) == MAX_LINES


def test_a_curve_against_seconds_has_each_seeds_own_times(record):
    slow = record(seed=0, curve=[(10, None, 0.0), (20, None, 1.0)])
    _, points = model_curve([slow], "seconds")
    assert points.to_dict("list")["seconds"] == [10.0, 20.0]
    assert points.to_dict("list")["mean"] == [0.0, 1.0]


def test_models_of_a_task_have_their_own_colours_and_keep_them_on_other_pages():
    tasks = [[f"p:m{n}" for n in range(8)], ["p:m3", "p:new"], [f"q:x{n}" for n in range(32)]]
    styles = plots.assign_styles(tasks)
    assert len({styles[name].colour for name in tasks[0]}) == 8
    assert styles["p:new"].colour != styles["p:m3"].colour
    assert len({styles[name] for name in tasks[2]}) == 32
    assert plots.assign_styles([list(reversed(tasks[0])), *tasks[1:]]) == styles


def test_a_lone_model_has_the_same_colour_in_every_build():
    assert plots.assign_styles([["zoo-a:net"]]) == plots.assign_styles([[], ["zoo-a:net"]])


@pytest.mark.parametrize("colour", plots.PALETTE)
def test_lines_can_be_seen_on_light_and_on_dark_ground(colour):
    assert contrast(colour, "#ffffff") >= 3
    assert contrast(colour, "#12151a") >= 3


def test_ink_can_be_read_on_light_and_on_dark_ground():
    assert contrast(plots.INK, "#ffffff") >= 4.5
    assert contrast(plots.INK_ON_DARK, "#12151a") >= 4.5


def test_reference_scores_are_lines_across_on_the_data_that_they_were_reached_on(record, curves_of):
    references = [
        {"value": 0.94, "model": "LeNet", "source": "a paper", "dataset": "zoo-a:digits"},
        {"value": 0.5, "model": "Elsewhere", "source": "", "dataset": "zoo-a:letters"},
        {"value": "<b>", "source": "", "dataset": "zoo-a:digits"},
        {"value": 0.6, "model": "An old record", "source": ""},
    ]
    made = record(task_references=references, task_target=0.9, curve=[(1, None, 0.5), (9, None, 0.8)])
    own = references_on(made.task, made.dataset.name)
    assert [reference.get("model") for reference in own] == ["LeNet", None]
    elsewhere = references_elsewhere(made.task, {made.dataset.name})
    assert [reference["model"] for reference in elsewhere] == ["Elsewhere", "An old record"]
    across = plots.target_level(made.task) + plots.reference_levels(own)
    assert [level.words for level in across] == ["target 0.9", "LeNet 0.94 (test)"]
    styles = plots.assign_styles([[made.model.name]])
    job = plots.learning_curves(curves_of(made), made.task, styles, "step", across)
    root = ET.fromstring(plots.render(job))
    assert {"target 0.9", "LeNet 0.94 (test)"} <= {element.text for element in root.iter(f"{SVG}text")}
    assert "Horizontal line: LeNet 0.94 (test)." in job.description
