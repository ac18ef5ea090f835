"""What models get wrong by example: counts and orders by hand, pictures of examples, and the page without scripts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from zoo_leaderboard.board.mistakes import MAX_MODELS, by_class, mistakes_of
from zoo_leaderboard.board.standing import standing
from zoo_leaderboard.site.build import build_site

from zoo_core.pictures import sprite_sheet
from zoo_core.results.pictured import COLUMNS, MAX_TILES, SIDE, pictured_examples
from zoo_core.results.records import TableFacts
from zoo_core.results.store import Store

TRUTH = np.array([0, 0, 1, 1, 2, 2, 2, 2])
# "good" errs on the last example only; "bad" on 1, 3, 6 and 7; the classes are 0, 1, 2
GOOD = [[0, 0, 1, 1, 2, 2, 2, 0], [0, 0, 1, 1, 2, 2, 2, 0]]
BAD = [[0, 1, 1, 0, 2, 2, 0, 0], [0, 1, 1, 0, 2, 2, 0, 0]]


@pytest.fixture
def saved(record, results):
    """Save trials with results by example; returns the records by model."""

    def save(answers: dict[str, list[list[int]]], truth: np.ndarray = TRUTH, **more):
        store, made = Store(results), []
        for model, of_seeds in answers.items():
            for seed, answer in enumerate(of_seeds):
                right = (np.array(answer) == truth).astype(np.uint8)
                table = TableFacts(columns=["true class", "cat", "dog", "<i>owl</i>"], rows=[])
                one = record(
                    model=f"zoo-a:{model}",
                    seed=seed,
                    minute=len(made),
                    score=float(right.mean()),
                    measured_per_example="per_example.npz",
                    measured_tables={"confusion": table},
                    **more,
                )
                folder = store.artifacts(one)
                folder.mkdir(parents=True)
                arrays = {"score": right, "truth": truth.astype(np.int32), "answer": np.array(answer, np.int32)}
                np.savez(folder / "per_example.npz", **arrays)
                store.save(one)
                made.append(one)
        return made

    return save


@pytest.fixture
def found(saved, boards, results):
    """The mistakes of the first table of saved trials."""

    def load(answers, **more):
        records = saved(answers, **more)
        folder = Store(results).task_folder("zoo-a:digits")
        (board,) = boards(records, folder)
        (group,) = board.groups
        rows = standing(group).rows
        return mistakes_of(rows, {row.row_text: group.ok(row.row_text) for row in rows}, higher_is_better=True)

    return load


def test_examples_that_one_model_gets_right_and_the_other_wrong(found):
    mistakes = found({"good": GOOD, "bad": BAD})
    assert [row.model for row in mistakes.rows] == ["zoo-a:good", "zoo-a:bad"]
    assert mistakes.is_right_or_wrong
    assert mistakes.better(0, 1).tolist() == [1, 3, 6]
    assert mistakes.better(1, 0).tolist() == []
    assert mistakes.hardest()[:4].tolist() == [7, 1, 3, 6]
    assert mistakes.most_informative(100).tolist() == [1, 3, 6, 7]
    assert mistakes.most_informative(2).tolist() == [1, 7]  # the hardest, and one on which they differ


def test_the_answer_of_a_model_is_that_of_most_seeds_and_its_score_their_mean(found):
    mistakes = found({"one": [[0] * 8, [1] * 8, [1] * 8]})
    assert mistakes.answers.tolist() == [[1] * 8]
    assert mistakes.scores[0].tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3, 0, 0, 0, 0])
    assert mistakes.right[0].tolist() == [False, False, True, True, False, False, False, False]


def test_classes_have_the_share_that_each_model_gets_wrong_and_what_they_are_taken_for(found):
    classes = by_class(found({"good": GOOD, "bad": BAD}))
    assert [(item.number, item.examples, item.wrong, item.confused) for item in classes] == [
        (2, 4, [0.25, 0.5], 0),
        (0, 2, [0.0, 0.5], 1),
        (1, 2, [0.0, 0.5], 0),
    ]


def test_models_without_results_on_the_same_examples_are_counted_and_left_out(saved, boards, results, record):
    records = saved({"good": GOOD, "bad": BAD})
    records += saved({"elsewhere": [[0, 1] * 4]}, truth=np.array([0, 1] * 4) * 0, dtype="bfloat16")
    (board,) = boards(records, Store(results).task_folder("zoo-a:digits"))
    rows = standing(board.groups[0]).rows
    trials = {row.row_text: board.groups[0].ok(row.row_text) for row in rows}
    mistakes = mistakes_of(rows, trials, higher_is_better=True)
    assert len(mistakes.rows) == 2
    assert mistakes.left_out == 1


def test_only_the_first_models_are_compared(found):
    answers = {f"m{number:02d}": [[0] * number + [9] * (8 - number)] for number in range(9)}
    mistakes = found(answers)
    assert len(mistakes.rows) == MAX_MODELS
    assert mistakes.left_out == 1


def test_errors_are_compared_by_their_size(record, boards, results):
    store, records = Store(results), []
    for model, errors in {"near": [0.1, 0.2, 0.9], "far": [0.5, 0.1, 2.0]}.items():
        made = record(
            model=f"zoo-a:{model}",
            score=float(np.mean(errors)),
            higher_is_better=False,
            measured_per_example="per_example.npz",
        )
        store.artifacts(made).mkdir(parents=True)
        np.savez(store.artifacts(made) / "per_example.npz", score=np.array(errors))
        store.save(made)
        records.append(made)
    (board,) = boards(records, store.task_folder("zoo-a:digits"))
    rows = standing(board.groups[0]).rows
    trials = {row.row_text: board.groups[0].ok(row.row_text) for row in rows}
    mistakes = mistakes_of(rows, trials, higher_is_better=False)
    assert [row.model for row in mistakes.rows] == ["zoo-a:near", "zoo-a:far"]
    assert not mistakes.is_right_or_wrong
    assert mistakes.better(0, 1).tolist() == [2, 0]
    assert mistakes.better(1, 0).tolist() == [1]
    assert mistakes.hardest().tolist() == [2, 0, 1]


def test_the_page_has_the_tables_and_the_data_of_the_picker_and_names_are_text(saved, results, tmp_path):
    saved({"good": GOOD, "bad": BAD})
    build_site([results], tmp_path / "site")
    (page,) = (tmp_path / "site" / "mistakes").glob("*.html")
    text = page.read_text("utf-8")
    assert "good right, bad wrong" in text
    assert "<i>owl</i>" not in text
    rows = re.findall(r'<th scope="row" class="num">(\d)</th><td><bdi>(.*?)</bdi></td><td>(.*?)</td>', text)
    assert rows[:2] == [("7", "&lt;i&gt;owl&lt;/i&gt;", "right: 0 of 2"), ("1", "cat", "right: 1 of 2")]
    (task,) = (tmp_path / "site" / "tasks").glob("*.html")
    assert f"../mistakes/{page.name}" in task.read_text("utf-8")
    data = json.loads(page.with_suffix(".js").read_text("utf-8").partition("] = ")[2].rstrip().rstrip(";"))
    (group,) = data["groups"]
    assert group["numbers"] == [1, 3, 6, 7]
    assert group["better"] == [[0, 3], [0, 0]]
    assert group["scores"] == [[1, 1, 1, 0], [0, 0, 0, 0]]


def test_without_results_by_example_there_is_no_page(record, save, results, tmp_path):
    save(record())
    build_site([results], tmp_path / "site")
    assert list((tmp_path / "site" / "mistakes").iterdir()) == []


def test_an_example_has_the_tile_that_its_trial_kept_of_it(saved, results, tmp_path):
    wrong = [[(label + 1) % 3 for label in TRUTH.tolist()]]  # of all eight
    (made,) = saved({"net": wrong}, measured_pictures={"examples": "picture-0.png"})
    shades = np.arange(8, dtype=np.uint8).reshape(8, 1, 1, 1) * 30 * np.ones((8, 1, 4, 4), np.uint8)
    Image.fromarray(sprite_sheet(shades, columns=COLUMNS, side=SIDE)).save(
        Store(results).artifacts(made) / "picture-0.png"
    )
    build_site([results], tmp_path / "site")
    (page,) = (tmp_path / "site" / "mistakes").glob("*.html")
    tiles = re.findall(r'viewBox="(\d+) (\d+) 48 48"[^>]*aria-label="Test example (\d)', page.read_text("utf-8"))
    assert ("144", "0", "3") in tiles
    (sheet,) = (tmp_path / "site" / "tasks").rglob("*-examples-0.png")
    with Image.open(sheet) as picture:
        assert picture.convert("L").getpixel((144, 0)) == 90
    assert "examples-0" not in next((tmp_path / "site" / "tasks").glob("*.html")).read_text("utf-8")


@pytest.mark.parametrize("form", ["too small", "no picture"])
def test_a_sheet_of_another_form_is_not_used(form, saved, results, tmp_path):
    wrong = [[(label + 1) % 3 for label in TRUTH.tolist()]]
    (made,) = saved({"net": wrong}, measured_pictures={"examples": "picture-0.png"})
    file = Store(results).artifacts(made) / "picture-0.png"
    if form == "too small":
        Image.new("RGB", (SIDE, SIDE)).save(file)
    else:
        file.write_bytes(b"<svg/>")
    build_site([results], tmp_path / "site")
    assert list((tmp_path / "site" / "tasks").rglob("*-examples-*.png")) == []
    (page,) = (tmp_path / "site" / "mistakes").glob("*.html")
    assert "<image" not in page.read_text("utf-8")


def test_a_sheet_has_wrong_examples_spread_over_the_split():
    chosen = pictured_examples(range(0, 1000, 5))
    assert len(chosen) == MAX_TILES
    assert (chosen[0], chosen[-1]) == (0, 995)
    assert chosen == sorted(set(chosen))
    assert pictured_examples([4, 9]) == [4, 9]


def test_the_data_of_the_picker_are_limited(saved, results, tmp_path, monkeypatch):
    monkeypatch.setattr("zoo_leaderboard.site.mistakespage.MAX_CELLS", 6)
    saved({"good": GOOD, "bad": BAD})
    build_site([results], tmp_path / "site")
    (script,) = (tmp_path / "site" / "mistakes").glob("*.js")
    assert (
        len(
            json.loads(Path(script).read_text("utf-8").partition("] = ")[2].rstrip().rstrip(";"))["groups"][0][
                "numbers"
            ]
        )
        == 3
    )
