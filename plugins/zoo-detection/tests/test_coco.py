"""COCO's JSON: one file, whole and damaged, and the folders that hold it with its pictures."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_coco_eval import COCO
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from zoo_detection.coco import read_coco
from zoo_detection.data import CocoBoxes

from zoo_core import Context, DamagedDataError, DatasetSpec, DataUnavailableError, Signature, UnknownSplitError
from zoo_core.data.open import data_context
from zoo_core.errors import ZooError

MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SPEC = DatasetSpec(
    name="coco-of-a-test",
    title="a test's",
    origin="real",
    licence="none",
    signature=Signature(input_shape=(3, None, None)),
    entry="zoo_detection.data:CocoBoxes",
)
CATEGORIES = [{"id": 18, "name": "dog", "supercategory": "animal"}, {"id": 3, "name": "car"}]
RLE = {"size": [30, 40], "counts": [100, 20, 1080]}


def box(image: Any = 0, category: Any = 3, bbox: Any = (4, 5, 10, 8), **more: Any) -> dict[str, Any]:
    return {"id": 1, "image_id": image, "category_id": category, "bbox": bbox, **more}


def content(*boxes: dict[str, Any], count: int = 3, **replaced: Any) -> dict[str, Any]:
    """A file of pictures 0.png, 1.png ... of 40 x 30 pixels."""
    images = [{"id": number, "file_name": f"{number}.png", "width": 40, "height": 30} for number in range(count)]
    return {"info": {"year": 2017}, "images": images, "annotations": [*boxes], "categories": CATEGORIES, **replaced}


def read(path: Path, value: Any) -> Any:
    path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    return read_coco(path)


# One file


def test_boxes_are_corners_and_labels_are_places_among_the_categories_by_id(tmp_path: Path) -> None:
    classes, pictures = read(tmp_path / "a.json", content(box(), box(category=18, bbox=[0.5, 1.25, 2, 3]), box(2)))
    assert classes == ("car", "dog")
    assert [item.name for item in pictures] == ["0.png", "1.png", "2.png"]
    assert [item.size for item in pictures] == [(30, 40)] * 3
    assert pictures[0].objects.boxes.tolist() == [[4, 5, 14, 13], [0.5, 1.25, 2.5, 4.25]]
    assert pictures[0].objects.labels.tolist() == [0, 1]
    assert [len(item.objects) for item in pictures] == [2, 0, 1]


@pytest.mark.parametrize("crowd", [1, True])
def test_a_crowd_keeps_its_box_and_is_marked(tmp_path: Path, crowd: Any) -> None:
    _, pictures = read(tmp_path / "a.json", content(box(), box(iscrowd=crowd, segmentation=RLE), box(iscrowd=0)))
    assert pictures[0].objects.crowd.tolist() == [0, 1, 0]
    assert pictures[0].objects.boxes[1].tolist() == [4, 5, 14, 13]


@pytest.mark.parametrize("bbox", [None, []])
def test_a_segmentation_alone_gives_the_box_of_all_its_polygons(tmp_path: Path, bbox: Any) -> None:
    polygons = [[5, 6, 9.5, 6, 7, 12], [2, 8, 3, 8, 3, 11]]
    _, pictures = read(tmp_path / "a.json", content(box(bbox=bbox, segmentation=polygons)))
    assert pictures[0].objects.boxes.tolist() == [[2, 6, 9.5, 12]]
    missing = {key: value for key, value in box(segmentation=polygons).items() if key != "bbox"}
    assert read(tmp_path / "a.json", content(missing))[1][0].objects.boxes.tolist() == [[2, 6, 9.5, 12]]


def test_negative_sides_are_swapped_corners_and_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbf" + json.dumps(content(box(bbox=[14, 13, -10, -8]))).encode()
    assert read(tmp_path / "a.json", text)[1][0].objects.boxes.tolist() == [[4, 5, 14, 13]]


@pytest.mark.parametrize("side", [None, 0, -1, 1e300])
def test_a_size_that_is_missing_or_impossible_is_unknown(tmp_path: Path, side: Any) -> None:
    images = [{"id": 0, "file_name": "0.png", "width": side, "height": 30}]
    assert read(tmp_path / "a.json", content(images=images))[1][0].size is None


NAN = json.dumps(content(box(bbox=[float("nan"), 1, 2, 3]))).encode()
DAMAGED: dict[str, tuple[Any, str]] = {
    "NaN": (NAN, "is not JSON"),
    "a number over the range of floats": (NAN.replace(b"NaN", b"1e999"), "Number out of range"),
    "a cut file": (json.dumps(content(box())).encode()[:-30], "is not JSON"),
    "an empty file": (b"", "is not JSON"),
    "deep nesting": (b"[" * 200_000, "is no annotation file of COCO"),
    "deep nesting in a field that is not read": (
        json.dumps(content())[:-1].encode() + b', "a": ' + b"[" * 200_000,
        "is not JSON",
    ),
    "a name that is not UTF-8": (json.dumps(content()).encode().replace(b"dog", b"do\xe9"), "is not JSON"),
    "another encoding": (json.dumps(content()).encode("utf-16"), "is not JSON"),
    "an array": ([], "is no annotation file of COCO: Expected `object`, got `array`"),
    "captions": ({"images": [], "annotations": []}, "missing required field `categories`"),
    "a box as text": (content(box(bbox="1 2 3 4")), "Expected `array | null`, got `str` - at `$.annotations[0].bbox`"),
    "a coordinate as text": (content(box(bbox=[1, "2", 3, 4])), "Expected `float`, got `str`"),
    "three numbers": (content(box(), box(bbox=[1, 2, 3])), "annotations[1]: its bbox [1.0, 2.0, 3.0] is not four"),
    "a huge number": (content(box(bbox=[1, 2, 1e30, 4])), "annotations[0]: its bbox [1.0, 2.0, 1e+30, 4.0] is not"),
    "a whole number of 400 digits": (
        json.dumps(content(box(bbox=[1, 2, 12345, 4]))).encode().replace(b"12345", b"9" * 400),
        "is no annotation file of COCO: Number out of range",
    ),
    "no box and no segmentation": (content(box(bbox=None)), "annotations[0]: it has no bbox, and its segmentation no"),
    "no box and a mask": (
        content(box(bbox=None, segmentation=RLE)),
        "annotations[0]: it has no bbox, and its segmentation is no list of polygons",
    ),
    "a polygon of an odd count": (content(box(bbox=None, segmentation=[[1, 2, 3]])), "no polygon of pairs"),
    "a polygon of huge numbers": (content(box(bbox=None, segmentation=[[1, 1e20]])), "of its segmentation is not"),
    "a box of no picture": (content(box(99)), "annotations[0]: its image_id 99 is the id of no image"),
    "a box of a picture by name": (content(box("0")), "its image_id '0' is the id of no image"),
    "a category that is not in the list": (content(box(category=7)), "its category_id 7 is the id of no category"),
    "two pictures of one id": (
        content(images=[{"id": 0, "file_name": "a.png"}, {"id": 0, "file_name": "b.png"}]),
        "two images of the id 0",
    ),
    "two pictures of one file": (
        content(images=[{"id": 0, "file_name": "a.png"}, {"id": 1, "file_name": "a.png"}]),
        "two images of the file 'a.png'",
    ),
    "two categories of one name": (
        content(categories=[{"id": 1, "name": "a"}, {"id": 2, "name": "a "}]),
        "the category 'a' of the id 2 twice",
    ),
    "a category without a name": (content(categories=[{"id": 1, "name": " "}]), "without a name"),
    "no categories": (content(categories=[]), "has no categories"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, damage: str) -> None:
    value, words = DAMAGED[damage]
    with pytest.raises(DamagedDataError, match=re.escape(words)) as caught:
        read(tmp_path / "instances.json", value)
    assert str(tmp_path / "instances.json") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


SIDES = st.floats(-1e5, 1e5, allow_nan=False)
ROWS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([3, 18]), st.tuples(*[SIDES] * 4), st.booleans()))


@MANY
@given(ROWS)
def test_what_the_evaluator_reads_is_read_the_same(tmp_path: Path, rows: list[Any]) -> None:
    boxes = [
        {**box(image, kind, bbox, iscrowd=int(crowd)), "id": n} for n, (image, kind, bbox, crowd) in enumerate(rows, 1)
    ]
    classes, pictures = read(tmp_path / "a.json", content(*boxes))
    reference = COCO(str(tmp_path / "a.json"))
    for number, item in enumerate(pictures):
        expected = reference.loadAnns(reference.getAnnIds(imgIds=[number]))
        corners = [
            [min(x, x + w), min(y, y + h), max(x, x + w), max(y, y + h)] for x, y, w, h in (a["bbox"] for a in expected)
        ]
        names = [reference.loadCats(annotation["category_id"])[0]["name"] for annotation in expected]
        assert item.objects.boxes.tolist() == corners
        assert [classes[label] for label in item.objects.labels] == names
        assert item.objects.crowd.tolist() == [annotation["iscrowd"] for annotation in expected]


@MANY
@given(st.data())
def test_any_change_of_a_file_gives_finite_boxes_or_an_error_on_purpose(tmp_path: Path, data: st.DataObject) -> None:
    text = json.dumps(content(box(), box(1, 18, None, segmentation=[[1, 2, 3, 4, 5, 6]]))).encode()
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.binary(max_size=6)) + text[place + data.draw(st.integers(0, 6)) :]
    try:
        classes, pictures = read(tmp_path / "a.json", changed)
    except ZooError:
        return
    for item in pictures:
        assert np.isfinite(item.objects.boxes).all()
        assert set(item.objects.labels.tolist()) <= {*range(len(classes))}


# A folder


def picture(path: Path, level: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), (level,) * 3).save(path)


def write(root: Path, file: str, folder: str, levels: range, **replaced: Any) -> Path:
    """An annotation file, and pictures of these grey levels divided by 10, each with one box."""
    value = content(*(box(number) for number in range(len(levels))), count=len(levels), **replaced)
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(json.dumps(value))
    for number, level in enumerate(levels):
        picture(root / folder / f"{number}.png", 10 * level)
    return root


def write_three(root: Path) -> Path:
    for split, levels in (("train", range(4)), ("val", range(4, 6)), ("test", range(6, 9))):
        write(root, f"annotations/instances_{split}2017.json", f"{split}2017", levels)
    return root


def opened(root: Path) -> tuple[Any, Context]:
    ctx = data_context(SPEC, Context(data_root=root))
    return CocoBoxes(ctx), ctx


def levels_of(columns: Any) -> list[int]:
    return [int(level) // 10 for level in columns["x"][:, 0, 0, 0]]


def left_out(ctx: Context) -> dict[str, str]:
    files: Any = ctx.files
    return {path.name: reason for path, reason in files.left_out.items()}


def test_the_files_of_cocos_own_form_are_its_splits(tmp_path: Path) -> None:
    data, ctx = opened(write_three(tmp_path))
    splits = {split: levels_of(data.load(split)) for split in ("train", "val", "test")}
    assert splits == {"train": [0, 1, 2, 3], "val": [4, 5], "test": [6, 7, 8]}
    assert (data.signature.outputs, data.signature.classes) == (2, ("car", "dog"))
    train = data.load("train")
    assert train["x"].shape == (4, 3, 320, 320)  # 40 x 30 become 320 x 240
    assert train["boxes"][0].tolist() == [[32, 40, 112, 104]]
    assert left_out(ctx) == {}


def test_val_is_test_if_test_has_no_annotations(tmp_path: Path) -> None:
    write_three(tmp_path)
    (tmp_path / "annotations/instances_test2017.json").rename(tmp_path / "annotations/image_info_test2017.json")
    data, _ = opened(tmp_path)
    assert levels_of(data.load("test")) == [4, 5]
    with pytest.raises(UnknownSplitError, match="'val', only train, test"):
        data.load("val")


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("annotations.json", "."),
        ("deep/annotations.json", "deep/images"),
        ("annotations/instances_default.json", "images/default"),  # as CVAT writes it
    ],
)
def test_every_fifth_picture_of_one_file_is_test(tmp_path: Path, file: str, folder: str) -> None:
    data, _ = opened(write(tmp_path, file, folder, range(11)))
    assert levels_of(data.load("train")) == [0, 1, 2, 3, 5, 6, 7, 8, 10]
    assert levels_of(data.load("test")) == [4, 9]


def test_the_folders_of_roboflow_are_splits(tmp_path: Path) -> None:
    for split, levels in (("train", range(4)), ("valid", range(4, 6)), ("test", range(6, 9))):
        write(tmp_path, f"{split}/_annotations.coco.json", split, levels)
    data, _ = opened(tmp_path)
    assert [levels_of(data.load(split)) for split in ("train", "val", "test")] == [[0, 1, 2, 3], [4, 5], [6, 7, 8]]


def test_a_picture_that_is_listed_but_missing_is_left_out_and_told(tmp_path: Path) -> None:
    write_three(tmp_path)
    (tmp_path / "train2017/2.png").unlink()
    data, ctx = opened(tmp_path)
    assert levels_of(data.load("train")) == [0, 1, 3]
    assert left_out(ctx) == {"2.png": "it is listed, but missing"}


def test_a_box_of_no_area_leaves_its_picture_out(tmp_path: Path) -> None:
    file = "annotations.json"
    write(tmp_path, file, ".", range(11))
    value = json.loads((tmp_path / file).read_text())
    value["annotations"] += [box(3, bbox=[4, 5, 10, 0])]
    (tmp_path / file).write_text(json.dumps(value))
    data, ctx = opened(tmp_path)
    assert levels_of(data.load("train")) == [0, 1, 2, 4, 6, 7, 8, 9]
    assert left_out(ctx) == {"3.png": "it has a box of less than a pixel"}


def test_names_may_hold_folders_with_the_strokes_of_windows(tmp_path: Path) -> None:
    images = [{"id": number, "file_name": f"a\\b{number}.png"} for number in range(5)]
    write(tmp_path, "annotations.json", ".", range(5), images=images)
    for number in range(5):
        picture(tmp_path / f"a/b{number}.png", number)
    assert len(opened(tmp_path)[0].load("train")["x"]) == 4


def renamed(name: str) -> Callable[[Path], Any]:
    def do(root: Path) -> None:
        images = [{"id": number, "file_name": f"{number}.png"} for number in range(3)]
        images[1]["file_name"] = name
        (root / "annotations/instances_train2017.json").write_text(json.dumps(content(box(0), box(2), images=images)))

    return do


FOLDERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a name that leaves the folder": (renamed("../../secret.png"), "'../../secret.png' leads out of the folder"),
    "a name from the root": (renamed("/etc/passwd"), "'/etc/passwd' leads out of the folder"),
    "a name that leaves it as on Windows": (renamed("..\\secret.png"), "leads out of the folder"),
    "an empty name": (renamed(""), "the file_name '' leads out of the folder"),
    "other categories in val": (
        lambda root: write(
            root,
            "annotations/instances_val2017.json",
            "val2017",
            range(2),
            categories=[{"id": 18, "name": "cow"}, CATEGORIES[1]],
        ),
        "instances_val2017.json has other categories than",
    ),
    "two files of one split": (
        lambda root: write(root, "annotations/instances_train2014.json", "train2014", range(2)),
        "two annotation files of train",
    ),
    "a cut picture": (lambda root: (root / "train2017/1.png").write_bytes(b"\x89PNG"), "1.png cannot be read as"),
}


@pytest.mark.parametrize("damage", FOLDERS)
def test_a_damaged_folder_is_named_in_one_line(tmp_path: Path, damage: str) -> None:
    do, words = FOLDERS[damage]
    do(write_three(tmp_path))
    with pytest.raises(DamagedDataError, match=re.escape(words)) as caught:
        opened(tmp_path)[0].load("train")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a\0b.png", "a" * 5000, ".hidden/a.png"])
def test_a_name_that_no_system_has_is_missing(tmp_path: Path, name: str) -> None:
    renamed(name)(write_three(tmp_path))
    data, ctx = opened(tmp_path)
    assert levels_of(data.load("train")) == [0, 2]
    assert list(left_out(ctx).values()) == ["it is listed, but missing"]


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match=r"holds no annotation file of COCO; it must hold annotations\.json"):
        opened(tmp_path)
    write(tmp_path / "a", "annotations/instances_val2017.json", "val2017", range(2))
    with pytest.raises(DataUnavailableError, match=r"instances_val2017\.json, but no file of train"):
        opened(tmp_path / "a")
    write(tmp_path / "b", "annotations.json", "elsewhere", range(5))
    with pytest.raises(DataUnavailableError, match=r"json: none of its 5 pictures, such as '0\.png', is in"):
        opened(tmp_path / "b")
