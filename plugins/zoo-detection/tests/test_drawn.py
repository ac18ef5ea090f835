"""The drawn roads and animals: the same every time, boxes that fit their pixels, look-alikes without boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from zoo_detection.datasets import DATASETS
from zoo_detection.drawn import DrawnAnimals, DrawnRoads
from zoo_detection.drawn_animals import BEAR, CAT, DOG, RABBIT, animal
from zoo_detection.drawn_roads import crosswalk, lookalike, speedlimit, stop, trafficlight
from zoo_detection.scene import SIZE, Light, Pose, Scene

from zoo_core import Context, UnknownSplitError
from zoo_core.data.columns import Array

PLAIN = Light(gains=np.ones(3), shade=1.0, haze=0, blur=0, noise=0)


class FewRoads(DrawnRoads):
    sizes = {"train": 24, "val": 2, "test": 12}


class FewAnimals(DrawnAnimals):
    sizes = {"train": 24, "val": 2, "test": 12}


@pytest.fixture(scope="module", params=[FewRoads, FewAnimals])
def few(request: pytest.FixtureRequest) -> tuple[Any, dict[str, Any]]:
    data = request.param(Context())
    return data, {split: data.load(split) for split in data.sizes}


def test_shapes_and_values_are_those_of_the_signature(few: tuple[Any, dict[str, Any]]) -> None:
    data, splits = few
    for split, columns in splits.items():
        count = data.sizes[split]
        assert columns["x"].shape == (count, *data.signature.input_shape)
        assert columns["x"].dtype == np.uint8
        assert columns["size"].tolist() == [[SIZE, SIZE]] * count
        assert {len(column) for column in columns.values()} == {count}
        boxes = columns["boxes"].values
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2:] <= SIZE).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
    train = splits["train"]
    assert set(train["labels"].values.tolist()) == {*range(data.signature.outputs)}
    assert set(train["crowd"].values.tolist()) == {0, 1}, "some objects are mostly hidden"


def test_two_loads_give_the_same_and_no_picture_is_in_two_splits(few: tuple[Any, dict[str, Any]]) -> None:
    data, splits = few
    again = data.load("test")
    assert np.array_equal(again["x"], splits["test"]["x"])
    assert np.array_equal(again["boxes"].values, splits["test"]["boxes"].values)
    pictures = [picture.tobytes() for columns in splits.values() for picture in columns["x"]]
    assert len(set(pictures)) == sum(data.sizes.values())


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(UnknownSplitError, match="'holdout', only train, val, test"):
        DrawnRoads(Context()).load("holdout")


def test_the_signatures_are_those_of_the_specs() -> None:
    specs = {spec.entry: spec.signature for spec in DATASETS}
    for loader in (DrawnRoads, DrawnAnimals):
        assert specs[f"zoo_detection.drawn:{loader.__name__}"] == loader.signature


def seen(scene: Scene) -> tuple[Array, Any]:
    """The pixels of a picture in which something is drawn, (128, 128), and its objects."""
    pixels, objects = scene.render(light=PLAIN)
    return pixels.any(axis=2), objects


@pytest.mark.parametrize("sign", [crosswalk, speedlimit, stop, trafficlight])
def test_a_box_bounds_the_pixels_of_its_sign(sign: Any) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        scene = Scene(rng)
        pose = Pose(
            middle=rng.uniform(30, 90, 2), scale=(rng.uniform(6, 20), rng.uniform(6, 20)), tilt=rng.uniform(-0.3, 0.3)
        )
        with scene.of_class(2):
            sign(scene, pose)
        drawn, objects = seen(scene)
        rows, columns = np.nonzero(drawn)
        bounds = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        # Boxes know thirds of a pixel; the picture shows whole ones.
        assert np.abs(objects.boxes - bounds).max() < 1
        assert (objects.labels.tolist(), objects.crowd.tolist()) == ([2], [0])


@pytest.mark.parametrize(("hidden", "width", "crowd"), [(0, 20, [0]), (8, 12, [0]), (14, 6, [1]), (18, 0, [])])
def test_the_box_is_that_of_what_is_in_sight_and_an_object_mostly_hidden_is_a_crowd(
    hidden: int, width: int, crowd: list[int]
) -> None:
    scene = Scene(np.random.default_rng(0))
    pose = Pose(middle=(0, 0), scale=(1, 1))
    with scene.of_class(1):
        scene.polygon(pose, [(40, 40), (60 - 1 / 3, 40), (60 - 1 / 3, 50 - 1 / 3), (40, 50 - 1 / 3)], (200, 0, 0))
    if hidden:
        right = 40 + hidden - 1 / 3
        scene.polygon(pose, [(40, 30), (right, 30), (right, 70), (40, 70)], (0, 200, 0))
    _, objects = seen(scene)
    assert objects.crowd.tolist() == crowd
    assert objects.boxes == pytest.approx(np.array([[40 + hidden, 40, 60, 50]] * len(crowd)).reshape(-1, 4))
    assert not len(objects) or objects.boxes[0, 2] - objects.boxes[0, 0] == pytest.approx(width)


def test_look_alikes_rabbits_and_bears_have_no_boxes_and_cats_and_dogs_have_one() -> None:
    for seed in range(12):
        scene = Scene(np.random.default_rng(seed))
        lookalike(scene, Pose(middle=(60, 60), scale=(20, 20)))
        drawn, objects = seen(scene)
        assert (drawn.any(), len(objects)) == (True, 0)
    for kind, labels in ((RABBIT, []), (BEAR, []), (CAT, [0]), (DOG, [1])):
        scene = Scene(np.random.default_rng(kind))
        animal(scene, kind, (60.0, 50.0), 15.0)
        assert seen(scene)[1].labels.tolist() == labels


def test_a_body_does_not_belong_to_the_box_of_the_head() -> None:
    scene = Scene(np.random.default_rng(3))
    animal(scene, CAT, (60.0, 40.0), 15.0)
    drawn, objects = seen(scene)
    left, top, right, bottom = objects.boxes[0].round().astype(int).tolist()
    head = drawn[top:bottom, left:right].sum()
    assert drawn.sum() > 1.5 * head > 0


def share_inside(where: Array, columns: Any, label: int) -> float:
    """The share of the marked pixels, (n, 128, 128), that lie in boxes of a class."""
    inside = np.zeros_like(where)
    for row in range(len(where)):
        for box, found in zip(columns["boxes"][row].round().astype(int), columns["labels"][row], strict=True):
            if found == label:
                inside[row, box[1] : box[3], box[0] : box[2]] = True
    return float((where & inside).sum() / where.sum())


def test_no_colour_tells_the_signs() -> None:
    columns = FewRoads(Context()).load("train")
    red, green, blue = np.asarray(columns["x"]).astype(float).transpose(1, 0, 2, 3)
    assert share_inside(red > 1.4 * np.maximum(green, blue), columns, 2) < 0.4  # stop signs
    assert share_inside(blue > 1.25 * np.maximum(red, green), columns, 0) < 0.4  # crosswalks
