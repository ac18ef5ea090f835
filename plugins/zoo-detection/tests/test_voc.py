"""Pascal VOC: the XML of one picture, whole and damaged, and the folders and lists of a data set."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from zoo_detection import annotated
from zoo_detection.data import CatsAndDogs, RoadSigns
from zoo_detection.voc import find_voc, read_list, read_voc

from zoo_core import Context, DamagedDataError, DatasetSpec, DataUnavailableError, Signature, UnknownSplitError
from zoo_core.data.open import data_context
from zoo_core.errors import ZooError

CLASSES = ("cat", "dog")
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SPEC = DatasetSpec(
    name="boxes-of-a-test",
    title="a test's",
    origin="real",
    licence="none",
    signature=Signature(input_shape=(3, None, None)),
    entry="zoo_detection.data:CatsAndDogs",
)


def box_xml(*corners: object, name: str = "cat", more: str = "") -> str:
    tags = "".join(
        f"<{tag}>{value}</{tag}>" for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    )
    return f"<object><name>{name}</name>{more}<bndbox>{tags}</bndbox></object>"


def voc_xml(*objects: str, size: tuple[object, object] | None = (40, 30), database: str = "Unknown") -> str:
    """The XML of a picture; size: width and height."""
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>" if size else ""
    source = f"<source><database>{database}</database></source>"
    return f"<annotation><filename>0.png</filename>{source}{sides}{''.join(objects)}</annotation>"


def read(path: Path, text: str | bytes) -> Any:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_voc(path, CLASSES)


# One file


def test_boxes_labels_and_size_are_those_of_the_file(tmp_path: Path) -> None:
    difficult = "<difficult>1</difficult>"
    text = voc_xml(box_xml(3, 4, 20, 25, name="dog"), box_xml(0, 0, 40, 30, more=difficult))
    objects, size = read(tmp_path / "a.xml", text)
    assert objects.boxes.tolist() == [[3, 4, 20, 25], [0, 0, 40, 30]]
    assert (objects.labels.tolist(), objects.crowd.tolist(), size) == ([1, 0], [0, 1], (30, 40))


def test_a_file_without_objects_is_a_picture_without_any(tmp_path: Path) -> None:
    objects, size = read(tmp_path / "a.xml", voc_xml())
    assert (objects.boxes.shape, len(objects), size) == ((0, 4), 0, (30, 40))


def test_boxes_may_be_floats_in_spaces_and_corners_may_be_swapped(tmp_path: Path) -> None:
    objects, size = read(tmp_path / "a.xml", voc_xml(box_xml(" 20.5\n", "2.5e1", "3.", ".25"), size=("40.0", " 30")))
    assert objects.boxes.tolist() == [[3, 0.25, 20.5, 25]]
    assert size == (30, 40)


@pytest.mark.parametrize(
    ("database", "expected"),
    [
        ("The VOC2007 Database", [0, 0, 40, 30]),
        ("The VOC2012 Database", [0, 0, 40, 30]),
        ("my VOC", [1, 1, 40, 30]),
        ("", [1, 1, 40, 30]),
    ],
)
def test_official_files_count_pixels_from_1_and_include_the_last(
    tmp_path: Path, database: str, expected: list[int]
) -> None:
    objects, _ = read(tmp_path / "a.xml", voc_xml(box_xml(1, 1, 40, 30), database=database))
    assert objects.boxes.tolist() == [expected]


def test_boxes_of_parts_of_a_body_are_not_those_of_the_object(tmp_path: Path) -> None:
    part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"
    objects, _ = read(tmp_path / "a.xml", voc_xml(box_xml(3, 4, 20, 25, more=part)))
    assert objects.boxes.tolist() == [[3, 4, 20, 25]]


@pytest.mark.parametrize("sides", [None, (0, 0), (40, 0), (40, "0.0")])
def test_a_size_that_is_missing_or_zero_is_unknown(tmp_path: Path, sides: Any) -> None:
    assert read(tmp_path / "a.xml", voc_xml(box_xml(1, 2, 3, 4), size=sides))[1] is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1251"])
def test_an_encoding_that_the_file_states_is_read(tmp_path: Path, encoding: str) -> None:
    stated = {"cp1251": "windows-1251", "utf-8-sig": "utf-8"}.get(encoding, encoding)
    text = f'<?xml version="1.0" encoding="{stated}"?>' + voc_xml(box_xml(1, 2, 3, 4, name="лайка"))
    (tmp_path / "a.xml").write_bytes(text.encode(encoding))
    assert read_voc(tmp_path / "a.xml", ("dog", "лайка"))[0].labels.tolist() == [1]


BOMB = (
    '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "]>"
)
OUTSIDE = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
DAMAGED: dict[str, tuple[str | bytes, str]] = {
    "an entity bomb": (BOMB + voc_xml(box_xml(1, 2, 3, 4, name="&i;")), "declares entities"),
    "an entity of another file": (OUTSIDE + voc_xml(box_xml(1, 2, 3, 4, name="&a;")), "declares entities"),
    "an entity bomb in UTF-16": ((BOMB + voc_xml()).encode("utf-16"), "declares entities"),
    "an unknown entity": (voc_xml(box_xml(1, 2, 3, 4, name="&a;")), "is not XML (undefined entity"),
    "a cut file": (voc_xml(box_xml(1, 2, 3, 4))[:-20], "is not XML (unclosed token"),
    "an empty file": ("", "is not XML (no element found"),
    "a page of HTML": ("<html><object/></html>", "its root is <html>, not <annotation>"),
    "a picture": (b"\x89PNG\r\n\x1a\n", "is not XML (not well-formed"),
    "bytes that are not UTF-8": (voc_xml(box_xml(1, 2, 3, 4, name="ca\xe9")).encode("latin-1"), "not well-formed"),
    "an unknown encoding": ('<?xml version="1.0" encoding="klingon"?><annotation/>', "is not XML (unknown encoding"),
    "an encoding of many bytes": ('<?xml version="1.0" encoding="gbk"?><annotation/>', "is not XML (multi-byte"),
    "a class that is not in the list": (
        voc_xml(box_xml(1, 2, 3, 4), box_xml(1, 2, 3, 4, name="cow")),
        "object 2: its class 'cow' is none of cat, dog",
    ),
    "an object without a name": (voc_xml(box_xml(1, 2, 3, 4, name="")), "object 1: its class '' is none of cat, dog"),
    "an object without a box": (voc_xml("<object><name>cat</name></object>"), "it has no <bndbox> with <xmin>"),
    "a box without a corner": (voc_xml(box_xml(1, 2, 3, 4).replace("ymax", "y")), "it has no <bndbox> with <ymax>"),
    "a corner that is text": (voc_xml(box_xml(1, 2, "left", 4)), "<xmax> is 'left', not a number of pixels"),
    "a corner that is empty": (voc_xml(box_xml(1, 2, "", 4)), "<xmax> is '', not a number"),
    "a corner in hexadecimal": (voc_xml(box_xml(1, 2, "0x10", 4)), "<xmax> is '0x10', not a number"),
    "a corner with an underscore": (voc_xml(box_xml(1, 2, "1_0", 4)), "<xmax> is '1_0', not a number"),
    "a corner in Arabic digits": (voc_xml(box_xml(1, 2, "٣", 4)), "<xmax> is '٣', not a number"),
    "NaN": (voc_xml(box_xml(1, "nan", 3, 4)), "<ymin> is 'nan', not a number"),
    "infinity": (voc_xml(box_xml(1, "-inf", 3, 4)), "<ymin> is '-inf', not a number"),
    "a huge number": (voc_xml(box_xml(1, "1e300", 3, 4)), "<ymin> is '1e300', not a number of pixels"),
    "a number of 5000 digits": (voc_xml(box_xml(1, "9" * 5000, 3, 4)), "not a number of pixels"),
    "a size that is text": (voc_xml().replace("<width>40", "<width>wide"), "<width> of its <size> is 'wide'"),
    "a size of 400 digits": (voc_xml().replace("<width>40", "<width>" + "4" * 400), "<width> of its <size> is '444"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, damage: str) -> None:
    text, words = DAMAGED[damage]
    with pytest.raises(DamagedDataError, match=re.escape(words)) as caught:
        read(tmp_path / "road7.xml", text)
    assert str(tmp_path / "road7.xml") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


def test_many_nested_tags_and_a_file_of_more_than_a_mib_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedDataError, match="is not XML"):
        read(tmp_path / "deep.xml", "<a>" * 100_000)
    with pytest.raises(DamagedDataError, match="cannot be read"):
        read(tmp_path / "large.xml", voc_xml() + " " * (1 << 20))


@MANY
@given(st.lists(st.tuples(*[st.floats(-1e5, 1e5, allow_nan=False)] * 4, st.sampled_from(CLASSES), st.booleans())))
def test_what_is_written_is_read(tmp_path: Path, rows: list[tuple[float, float, float, float, str, bool]]) -> None:
    items = [box_xml(*row[:4], name=row[4], more=f"<difficult>{row[5]:d}</difficult>") for row in rows]
    objects, size = read(tmp_path / "a.xml", voc_xml(*items))
    expected = [[min(a, c), min(b, d), max(a, c), max(b, d)] for a, b, c, d, _, _ in rows]
    assert objects.boxes.tolist() == expected
    assert objects.labels.tolist() == [CLASSES.index(row[4]) for row in rows]
    assert objects.crowd.tolist() == [row[5] for row in rows]
    assert size == (30, 40)


@MANY
@given(st.data())
def test_any_change_of_a_file_gives_finite_boxes_or_an_error_on_purpose(tmp_path: Path, data: st.DataObject) -> None:
    text = voc_xml(box_xml(1, 2, 3, 4), box_xml(5, 6, 7, 8, name="dog")).encode()
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.binary(max_size=6)) + text[place + data.draw(st.integers(0, 6)) :]
    try:
        objects, _ = read(tmp_path / "a.xml", changed)
    except ZooError:
        return
    assert np.isfinite(objects.boxes).all()
    assert set(objects.labels.tolist()) <= {0, 1}


# A folder


def picture(path: Path, level: int = 0, size: tuple[int, int] = (40, 30)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGBA" if path.suffix == ".png" else "RGB", size, (level,) * 3).save(path)


def write_kaggle(root: Path, count: int = 10) -> Path:
    """Pictures and annotations as Kaggle has them; picture n has the grey level 10 n and one box."""
    (root / "annotations").mkdir(parents=True)
    for number in range(count):
        picture(root / "images" / f"pet{number}.png", 10 * number)
        text = voc_xml(box_xml(number, 2, 20, 22, name=CLASSES[number % 2]))
        (root / "annotations" / f"pet{number}.xml").write_text(text)
    return root


def write_voc(root: Path, **lists: str) -> Path:
    """The same in the folders of Pascal VOC, with lists of numbers such as `train="0 1"`."""
    write_kaggle(root)
    (root / "images").rename(root / "JPEGImages")
    (root / "annotations").rename(root / "Annotations")
    (root / "ImageSets" / "Main").mkdir(parents=True)
    for name, numbers in lists.items():
        lines = [f"pet{number}" for number in numbers.split()]
        (root / "ImageSets" / "Main" / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
    return root


def opened(root: Path, loader: Any = CatsAndDogs) -> tuple[Any, Context]:
    ctx = data_context(SPEC, Context(data_root=root))
    return loader(ctx), ctx


def levels(columns: Any) -> list[int]:
    return [int(level) // 10 for level in columns["x"][:, 0, 0, 0]]


def left_out(ctx: Context) -> dict[str, str]:
    files: Any = ctx.files
    return {path.name: reason for path, reason in files.left_out.items()}


def test_every_fifth_picture_of_a_folder_without_lists_is_test_in_the_order_of_numbers(tmp_path: Path) -> None:
    pets, ctx = opened(write_kaggle(tmp_path / "deep" / "data", 12))
    assert levels(pets.load("train")) == [0, 1, 2, 3, 5, 6, 7, 8, 10, 11]
    assert levels(pets.load("test")) == [4, 9]
    assert left_out(ctx) == {}
    with pytest.raises(UnknownSplitError, match="'val', only train, test"):
        pets.load("val")


def test_a_folder_without_a_test_split_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pets, _ = opened(write_kaggle(tmp_path, 10))
    monkeypatch.setattr(annotated, "read_images", mock.Mock(wraps=annotated.read_images))
    train = pets.load("train")
    calls = annotated.read_images.call_count
    assert levels(pets.load("test")) == [4, 9]
    assert annotated.read_images.call_count == calls
    assert np.array_equal(pets.load("train")["x"], train["x"]), "what was handed over is decoded again"


def test_copies_of_a_picture_are_all_on_one_side(tmp_path: Path) -> None:
    write_kaggle(tmp_path)
    picture(tmp_path / "images/pet8.png", 40)  # as pet4, which is test
    pets, _ = opened(tmp_path)
    assert levels(pets.load("test")) == [4, 4]
    assert levels(pets.load("train")) == [0, 1, 2, 3, 5, 6, 7, 9]


def test_transparent_pictures_lose_their_alpha_and_boxes_are_scaled_to_the_canvas(tmp_path: Path) -> None:
    pets, _ = opened(write_kaggle(tmp_path))
    train = pets.load("train")
    assert train["x"].shape == (8, 3, 320, 320)  # 40 x 30 become 320 x 240
    assert train["size"].tolist() == [[240, 320]] * 8
    assert train["boxes"][3].tolist() == [[24, 16, 160, 176]]
    assert (train["boxes"].values.dtype, train["labels"].values.dtype, train["crowd"].values.dtype) == (
        np.float32,
        np.int64,
        np.uint8,
    )
    assert np.unique(train["x"][3, :, :240]).tolist() == [30]
    assert np.unique(train["x"][3, :, 240:]).tolist() == [128]


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ({"train": "0 1 2", "val": "3", "test": "9 4"}, {"train": [0, 1, 2], "val": [3], "test": [9, 4]}),
        ({"train": "2 0", "val": "3 1", "trainval": "2 0 3 1"}, {"train": [2, 0], "test": [3, 1]}),
        ({"trainval": "0 1 2", "test": "5"}, {"train": [0, 1, 2], "test": [5]}),
        ({"trainval": "0 1 2 3", "val": "3"}, {"train": [0, 1, 2], "test": [3]}),
        ({"train": "0 1 2 3 4 6"}, {"train": [0, 1, 2, 3, 6], "test": [4]}),
    ],
)
def test_lists_give_the_splits_and_val_is_test_if_nothing_else_is(
    tmp_path: Path, lists: dict[str, str], expected: dict[str, list[int]]
) -> None:
    pets, ctx = opened(write_voc(tmp_path, **lists))
    assert {split: levels(pets.load(split)) for split in expected} == expected
    if "val" not in expected:
        with pytest.raises(UnknownSplitError):
            pets.load("val")
    listed = {number for text in lists.values() for number in text.split()}
    unlisted = {f"pet{number}.png": "no list in ImageSets/Main names it" for number in {*"0123456789"} - listed}
    assert left_out(ctx) == unlisted


def test_files_without_a_partner_are_left_out_and_told(tmp_path: Path) -> None:
    write_kaggle(tmp_path)
    (tmp_path / "images/pet0.png").unlink()
    (tmp_path / "annotations/pet1.xml").unlink()
    pets, ctx = opened(tmp_path)
    assert levels(pets.load("train")) == [2, 3, 4, 5, 7, 8, 9]
    assert left_out(ctx) == {
        "pet0.xml": "it has no picture of the same name",
        "pet1.png": "it has no annotation of the same name",
    }


def test_a_picture_that_is_listed_but_missing_is_left_out_and_told(tmp_path: Path) -> None:
    pets, ctx = opened(write_voc(tmp_path, train="0 77 1", test="2"))
    assert levels(pets.load("train")) == [0, 1]
    assert left_out(ctx)["pet77"] == "it is listed, but missing"


UNUSABLE = {
    "a box of no area": (box_xml(5, 5, 5, 9), (40, 30), "it has a box of less than a pixel"),
    "shares instead of pixels": (box_xml(0.1, 0.2, 0.7, 0.8), (40, 30), "it has a box of less than a pixel"),
    "a box outside": (box_xml(41, 2, 50, 9), (40, 30), "it has a box outside the picture"),
    "a box above": (box_xml(1, -9, 20, -2), (40, 30), "it has a box outside the picture"),
    "another size": (box_xml(1, 2, 3, 4), (80, 60), "its annotation states another size than it has"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_picture_whose_boxes_cannot_be_trusted_is_left_out_and_told(tmp_path: Path, case: str) -> None:
    item, size, reason = UNUSABLE[case]
    write_kaggle(tmp_path)
    (tmp_path / "annotations/pet3.xml").write_text(voc_xml(box_xml(1, 2, 30, 28), item, size=size))
    pets, ctx = opened(tmp_path)
    assert levels(pets.load("train")) == [0, 1, 2, 4, 6, 7, 8, 9]
    assert levels(pets.load("test")) == [5]
    assert left_out(ctx) == {"pet3.png": reason}


def test_boxes_are_cut_at_the_borders_of_the_picture(tmp_path: Path) -> None:
    write_kaggle(tmp_path)
    (tmp_path / "annotations/pet0.xml").write_text(voc_xml(box_xml(-5, -1, 20, 22), box_xml(30, 20, 41, 99)))
    train = opened(tmp_path)[0].load("train")
    assert train["boxes"][0].tolist() == [[0, 0, 160, 176], [240, 160, 320, 240]]


@pytest.mark.parametrize("item", ["", box_xml(1, 2, 20, 22, more="<difficult>1</difficult>")])
def test_a_split_without_a_box_that_counts_is_refused(tmp_path: Path, item: str) -> None:
    write_voc(tmp_path, train="0 1 2", test="3 4")
    for number in (3, 4):
        (tmp_path / f"Annotations/pet{number}.xml").write_text(voc_xml(item))
    pets, _ = opened(tmp_path)
    assert len(pets.load("train")["labels"].values) == 3
    with pytest.raises(DamagedDataError, match="none of the 2 pictures of test has a box that counts"):
        pets.load("test")


def test_a_photo_that_exif_turns_is_read_upright_with_its_box(tmp_path: Path) -> None:
    write_kaggle(tmp_path)
    (tmp_path / "images/pet0.png").unlink()
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side
    stored = Image.new("RGB", (40, 32))
    stored.paste((255, 255, 255), (8, 16, 24, 24))
    stored.save(tmp_path / "images/pet0.jpg", exif=exif, quality=95)
    for size, box in (((40, 32), (8, 16, 24, 24)), ((32, 40), (8, 8, 16, 24))):
        (tmp_path / "annotations/pet0.xml").write_text(voc_xml(box_xml(*box), size=size))
        train = opened(tmp_path)[0].load("train")
        assert train["size"][0].tolist() == [320, 256]
        assert train["boxes"][0].tolist() == [[64, 64, 128, 192]]
        rows, columns = np.nonzero(train["x"][0, 0, :, :256] > 127)
        assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == pytest.approx(
            [64, 64, 128, 192], abs=4
        )


def test_a_folder_of_which_nothing_can_be_used_says_why(tmp_path: Path) -> None:
    write_kaggle(tmp_path)
    for path in (tmp_path / "annotations").iterdir():
        path.write_text(voc_xml(box_xml(0.1, 0.2, 0.7, 0.8)))
    with pytest.raises(DataUnavailableError, match=r"none of 10 .*pet0\.png is left out: it has a box of less than"):
        opened(tmp_path)[0].load("train")


def test_four_different_pictures_are_too_few_without_lists(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match="4 pictures that can be used: at least 5 different ones are needed"):
        opened(write_kaggle(tmp_path, 4))[0].load("test")


def text(name: str, content: str | bytes) -> Callable[[Path], Any]:
    return lambda root: (root / name).write_bytes(content.encode() if isinstance(content, str) else content)


LISTS = "ImageSets/Main/"
FOLDERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "two pictures of one name": (
        lambda root: picture(root / "JPEGImages/pet0.jpg"),
        "pet0.png and pet0.jpg are two files of one name",
    ),
    "a name that leaves the folder": (
        text(LISTS + "train.txt", "pet0\n\n../pet1\n"),
        "train.txt line 3: '../pet1' must be a name without folders",
    ),
    "a name from the root": (text(LISTS + "train.txt", "/etc/passwd"), "'/etc/passwd' must be a name without folders"),
    "a name with a folder of Windows": (text(LISTS + "train.txt", "a\\b"), "must be a name without folders"),
    "a name twice in a list": (text(LISTS + "train.txt", "pet0\npet1.png\npet1"), "line 3: 'pet1' is also in line 2"),
    "a name in two lists": (text(LISTS + "test.txt", "pet0"), "'pet0' is in train and in test: remove one"),
    "an empty list": (text(LISTS + "test.txt", "\n"), "test.txt is empty"),
    "a list that is not UTF-8": (text(LISTS + "test.txt", b"caf\xe9"), "test.txt is not text in UTF-8"),
    "a cut picture": (
        lambda root: (root / "JPEGImages/pet0.png").write_bytes((root / "JPEGImages/pet0.png").read_bytes()[:60]),
        "pet0.png cannot be read as a picture",
    ),
    "an unknown class": (text("Annotations/pet0.xml", voc_xml(box_xml(1, 2, 3, 4, name="cow"))), "class 'cow'"),
    "two data sets": (lambda root: write_kaggle(root / "copy"), "holds two data sets"),
}


@pytest.mark.parametrize("damage", FOLDERS)
def test_a_damaged_folder_is_named_in_one_line(tmp_path: Path, damage: str) -> None:
    do, words = FOLDERS[damage]
    do(write_voc(tmp_path, train="0 1 2 3", val="4", test="5 6"))
    with pytest.raises(DamagedDataError, match=re.escape(words)) as caught:
        opened(tmp_path)[0].load("train")
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match="no folders of pictures and of annotations beside each other; it"):
        opened(tmp_path)
    with pytest.raises(DataUnavailableError, match=r"holds val\.txt, but no train\.txt"):
        opened(write_voc(tmp_path / "a", val="0"))
    with pytest.raises(DataUnavailableError, match="holds no picture of test with its annotation"):
        opened(write_voc(tmp_path / "b", train="0", test="77"))


@MANY
@given(st.text(max_size=60))
def test_any_text_is_a_list_of_names_without_folders_or_an_error_on_purpose(tmp_path: Path, content: str) -> None:
    (tmp_path / "train.txt").write_text(content, newline="")
    try:
        names = read_list(tmp_path / "train.txt")
    except ZooError:
        return
    assert names
    assert not any("/" in name or "\\" in name or name != name.strip() for name in names)


# Real road signs


@pytest.mark.data
def test_real_road_signs_have_the_boxes_that_their_readme_counts(test_data: Path) -> None:
    signs, ctx = opened(test_data / "roadsign.tar", RoadSigns)
    classes = signs.signature.classes
    train, test = signs.load("train"), signs.load("test")
    counts = [dict(zip(classes, np.bincount(part["labels"].values).tolist(), strict=True)) for part in (train, test)]
    assert counts == [
        {"crosswalk": 23, "speedlimit": 22, "stop": 22, "trafficlight": 34},
        {"crosswalk": 9, "speedlimit": 8, "stop": 8, "trafficlight": 16},
    ]
    assert (train["x"].shape, test["x"].shape) == ((88, 3, 320, 320), (32, 3, 320, 320))
    assert left_out(ctx) == {}
    # road0 is 267 x 400 with one box 98, 62, 208, 232; it is read upright and not stretched.
    assert train["size"][0].tolist() == [320, 214]
    assert train["boxes"][0] == pytest.approx(np.array([[98 * 214 / 267, 62 * 0.8, 208 * 214 / 267, 232 * 0.8]]))


@pytest.mark.data
def test_real_boxes_are_edges_counted_from_0(test_data: Path) -> None:
    ctx = data_context(SPEC, Context(data_root=test_data / "roadsign.tar"))
    items = [
        item for part in find_voc(ctx.folder(), RoadSigns.signature.classes, ctx.leave_out).values() for item in part
    ]
    assert len(items) == 120
    for item in items:
        file = item.picture.parent.with_name("Annotations") / f"{item.picture.stem}.xml"
        numbers = re.findall("<(?:xmin|ymin|xmax|ymax)>([0-9]+)<", file.read_text())
        assert item.objects.boxes.ravel().tolist() == [int(number) for number in numbers]
    assert min(item.objects.boxes.min() for item in items) == 0  # a file that counts from 1 has no zero
    assert any((item.objects.boxes[:, [3, 2]].max(axis=0) == item.size).any() for item in items)
