"""The task: a short trial with its record and pictures, boxes for files, and models that break the interface."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from zoo_detection.canvas import Objects, to_columns
from zoo_detection.pictures import CLASS_STYLES, LEGEND, Results, best_threshold, marks_of
from zoo_detection.plugin import zoo_tasks
from zoo_detection.scoring import PictureTargets, Scorer
from zoo_detection.task import Detection

from zoo_core import Context, Data, IncompatibleError, Recipe, Signature
from zoo_core.data.columns import Split

CLASSES = ("stop", "light")
SIGNATURE = Signature(input_shape=(3, 64, 64), outputs=2, classes=CLASSES)
RECIPE = Recipe({"holdout": True})
# Okabe and Ito 2008, jfly.uni-koeln.de/color
OKABE_ITO = {(0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0)} | {
    (204, 121, 167)
}


class Fixed(nn.Module):
    """A detector that returns the same rows for every picture."""

    def __init__(self, *rows: list[float]) -> None:
        super().__init__()
        self.rows = torch.zeros(100, 6)
        if rows:
            self.rows[: len(rows)] = torch.tensor(rows)

    def forward(self, x: Tensor) -> Tensor:
        return self.rows.expand(len(x), -1, -1)


def two_pictures() -> Split:
    """A picture of 64 x 64 with a stop sign, and one of 32 x 64 (height, width) with a light."""
    objects = [
        Objects(boxes=np.array([[8.0, 8, 24, 24]]), labels=np.array([0]), crowd=np.array([0])),
        Objects(boxes=np.array([[40.0, 8, 64, 32]]), labels=np.array([1]), crowd=np.array([0])),
    ]
    return Split(to_columns(np.full((2, 3, 64, 64), 90, np.uint8), np.array([[64, 64], [32, 64]]), objects))


def prepared() -> Detection:
    task = Detection(next(task for task in zoo_tasks() if task.name == "road-signs"))
    data = SimpleNamespace(signature=SIGNATURE, split=lambda name, *, holdout=True: two_pictures())
    task.prepare(Context(), cast(Data, data), RECIPE)
    return task


def test_detections_are_cut_at_the_borders_of_their_picture() -> None:
    """The second picture ends at half of the canvas: a box below it is none, and one across its border is shorter.

    So the light, (40, 8, 64, 32), is found. The same box in the first picture is wrong: its precision is 1/2.
    """
    task = prepared()
    model = Fixed([8, 8, 24, 24, 0.9, 0], [40, 8, 80, 60, 0.8, 1], [0, 40, 20, 60, 0.7, 0])
    evaluation = task.evaluate(Context(), model, "test")
    assert evaluation.scores["map50"] == pytest.approx((1 + 1 / 2) / 2)
    scorer = task._last.scorer if task._last else None
    assert scorer is not None
    assert scorer.detections[1, :3, 4].tolist() == pytest.approx([0.9, 0.8, 0.0])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([8.0, 8, 24, 24, 0.9, 2], "the model returned class 2: the data have 2 classes"),
        ([8.0, 8, 24, 24, 0.9, -1], "the model returned class -1: the data have 2 classes"),
        ([8.0, 8, 24, 24, float("nan"), 0], r"not finite \(nan or inf\) for 2 of 2 examples of val"),
    ],
)
def test_detections_of_no_class_or_no_score_are_refused(row: list[float], message: str) -> None:
    with pytest.raises(Exception, match=message):
        prepared().evaluate(Context(), Fixed(row), "val")


def test_other_outputs_and_models_without_a_loss_are_refused() -> None:
    task = prepared()
    with pytest.raises(Exception, match=r"forward returned \(2, 4\), float32; .* wants \(2, 100, 6\) detections"):
        task.evaluate(Context(), nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 4)), "val")
    with pytest.raises(IncompatibleError, match="the model has no method `loss"):
        next(task.train(Context(), Fixed(), RECIPE))


def test_boxes_for_files_are_in_pixels_of_the_file(tmp_path: Path) -> None:
    """A file of 128 x 32 pixels has half its size on the canvas."""
    path = tmp_path / "wide.png"
    Image.new("RGB", (128, 32), "gray").save(path)
    model = Fixed([10, 4, 20, 12, 0.9, 1], [0, 0, 64, 40, 0.5, 0], [1, 1, 5, 5, 0.1, 0])
    task = Detection(zoo_tasks()[0])

    def rows(top: int) -> list[list[Any]]:
        return task.predict(Context(), model, SIGNATURE, (3, 64, 64), RECIPE, [path], top).rows

    likely = [[str(path), "light", 20, 8, 40, 24], [str(path), "stop", 0, 0, 128, 32]]
    assert [[*row[:2], *row[3:]] for row in rows(0)] == likely
    assert [row[2] for row in rows(0)] == pytest.approx([0.9, 0.5])
    assert [len(rows(top)) for top in (1, 3, 99)] == [1, 3, 3]
    table = task.predict(Context(), model, SIGNATURE, (3, 64, 64), RECIPE, [path], 0)
    (drawn,) = task.prediction_pictures([path], SIGNATURE, table)
    assert drawn.shape == (32, 128, 3)
    assert {tuple(colour) for colour in drawn.reshape(-1, 3).tolist()} >= {style.colour for style in CLASS_STYLES[:2]}


# pictures


def results() -> Results:
    targets = [
        PictureTargets(
            boxes=np.array([[0.0, 0, 20, 20], [30, 30, 60, 60]]), labels=np.array([0, 1]), crowd=np.array([0, 0])
        ),
        PictureTargets(boxes=np.array([[0.0, 0, 20, 20]]), labels=np.array([0]), crowd=np.array([0])),
    ]
    detections = np.zeros((2, 100, 6), np.float32)
    detections[0, :2] = [[0, 0, 20, 20, 0.9, 0], [40, 0, 60, 20, 0.6, 1]]
    detections[1, :1] = [[0, 0, 20, 18, 0.3, 0]]
    scorer = Scorer(targets, detections, CLASSES)
    return Results(
        matches=scorer.matches(), targets=targets, detections=detections, sizes=np.array([]), classes=CLASSES
    )


def test_found_missed_and_false_boxes_follow_from_the_score() -> None:
    made = results()
    # F1 by the number of detections: 2 * 1 / (1 + 3), 2 * 1 / (2 + 3), 2 * 2 / (3 + 3)
    assert best_threshold(made.matches) == pytest.approx(0.3)
    words = [[mark.words for mark in marks_of(made, picture, 0.5)] for picture in (0, 1)]
    assert words == [["missed: light", "false: light 0.60", "stop 0.90"], ["missed: stop"]]
    assert [mark.words for mark in marks_of(made, 1, 0.3)] == ["stop 0.30"]


def test_boxes_differ_in_colour_and_in_line_style_and_the_colours_are_safe() -> None:
    assert len({style.colour for style in LEGEND.values()}) == len({style.dash for style in LEGEND.values()}) == 3
    assert len(set(CLASS_STYLES)) == len(CLASS_STYLES)
    assert {style.colour for style in (*LEGEND.values(), *CLASS_STYLES)} <= OKABE_ITO


# a trial


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve pictures with a red square each, in COCO's form; eight of them to train on."""
    rng = np.random.default_rng(0)
    home = tmp_path / "squares"
    (home / "annotations").mkdir(parents=True)
    for split, numbers in (("train", range(8)), ("val", range(8, 12))):
        images, annotations = [], []
        for number in numbers:
            pixels = rng.integers(80, 140, (60, 90, 3), dtype=np.uint8)
            left, top = int(rng.integers(0, 60)), int(rng.integers(0, 30))
            pixels[top : top + 30, left : left + 30] = (220, 20, 20)
            name = f"{number}.png"
            Image.fromarray(pixels).save(home / name)
            images.append({"id": number, "file_name": name, "width": 90, "height": 60})
            box = [left, top, 30, 30]
            annotations.append({"id": number, "image_id": number, "category_id": 1 + number % 2, "bbox": box})
        content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "odd"}]}
        content["categories"].append({"id": 2, "name": "even"})
        (home / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    return home


def test_a_trial_is_recorded_and_its_model_finds_boxes_in_files(
    zoo: Callable[..., Any], folder: Path, tmp_path: Path
) -> None:
    bench = ("bench", "road-signs", "--dataset", "coco-boxes", "--data-root", folder, "--model", "one-shot")
    recipe = {"steps": 12, "lr": 0.01, "warmup": 0, "width": 8, "batch_size": 4, "eval_every": 9}
    settings = [word for key, value in recipe.items() for word in ("--set", f"{key}={value}")]
    options = ("--device", "cpu", *settings, "--save", "--json")
    done = zoo(*bench, *options)
    (record,) = json.loads(done.out)
    assert record["status"] == "ok", done.err
    measured = record["measured"]
    assert set(measured["scores"]) == {"map50", "map75", "map50_95"}
    assert measured["tables"]["per class"]["columns"] == ["class", "objects", "ap50", "ap50_95", "recall50"]
    assert set(measured["pictures"]) == {"thumbnail", "answers", "worst"}
    assert record["model"]["flops_per_unit"] > 1e6
    (checkpoint,) = Path("results").glob("*/*/checkpoint.safetensors")
    with np.load(checkpoint.parent / measured["per_example"]) as kept:
        assert kept["score"].mean() == pytest.approx(measured["scores"]["map50"], abs=1e-9)

    (tmp_path / "other").mkdir()
    files = [folder / "8.png", tmp_path / "other" / "8.png"]
    files[1].write_bytes(files[0].read_bytes())
    ask = ("predict", checkpoint, *files, "--device", "cpu", "--top", "2", "--pictures", tmp_path / "drawn")
    rows = json.loads(zoo(*ask, "--json").out)
    assert [row["file"] for row in rows] == [str(file) for file in files for _ in range(2)]
    assert all(0 <= row["x1"] < row["x2"] <= 90 and 0 <= row["y1"] < row["y2"] <= 60 for row in rows)
    assert {row["class"] for row in rows} <= {"odd", "even"}
    drawn = {path.name: path.read_bytes() for path in (tmp_path / "drawn").iterdir()}
    assert sorted(drawn) == ["8-2.png", "8.png"]
    with Image.open(tmp_path / "drawn" / "8.png") as picture:
        assert picture.size == (90, 60)

    again = zoo(*ask)
    assert (again.code, again.out) == (2, "")
    assert again.err.endswith("8.png exists, and no file is overwritten: give another folder to --pictures\n")
    assert {path.name: path.read_bytes() for path in (tmp_path / "drawn").iterdir()} == drawn
