"""Boxes turn along with pictures that EXIF turns, or the picture is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from zoo_detection.annotated import AMBIGUOUS, Annotated, decode
from zoo_detection.canvas import Objects, fit_size, scale_boxes, to_canvas
from zoo_detection.orientation import read_form, turn_boxes

from zoo_core import DamagedDataError
from zoo_core.data.columns import Array
from zoo_core.data.images import read_image

BOX = (8, 16, 40, 24)  # in pixels of the stored picture, multiples of 8: JPEG keeps such blocks
TAGS = range(1, 9)


def write(path: Path, tag: int, size: tuple[int, int] = (64, 48)) -> Path:
    """A black picture of a width and a height, with a white box and an EXIF orientation."""
    stored = Image.new("L", size)
    stored.paste(255, BOX)
    exif = Image.Exif()
    exif[0x0112] = tag
    stored.convert("RGB").save(path, exif=exif, **({"quality": 95} if path.suffix == ".jpg" else {}))
    return path


def white(pixels: Array) -> list[int]:
    """The bounds of what is white in (3, h, w)."""
    rows, columns = np.nonzero(pixels[0] > 127)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def annotated(path: Path, size: tuple[int, int] | None, box: tuple[float, ...] = BOX) -> Annotated:
    one = np.zeros(1, np.int64)
    return Annotated(picture=path, objects=Objects(boxes=np.array([box], float), labels=one, crowd=one), size=size)


@pytest.mark.parametrize("kind", ["jpg", "png"])
@pytest.mark.parametrize("tag", TAGS)
def test_a_box_lies_where_its_pixels_are_once_the_picture_is_upright(tmp_path: Path, tag: int, kind: str) -> None:
    path = write(tmp_path / f"a.{kind}", tag)
    form, upright = read_form(path), read_image(path)
    assert form.stored == (48, 64)
    assert form.upright == upright.shape[1:]
    assert turn_boxes(np.array([BOX], float), form).tolist() == [white(upright)]


def test_the_orientation_of_a_png_file_may_follow_its_pixels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", 6)
    text = path.read_bytes()
    start = text.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(text[start : start + 4], "big")
    path.write_bytes(text[:start] + text[end:-12] + text[start:end] + text[-12:])  # before the last chunk, of 12 bytes
    form, upright = read_form(path), read_image(path)
    assert (form.orientation, form.upright) == (6, upright.shape[1:])
    assert turn_boxes(np.array([BOX], float), form).tolist() == [white(upright)]


@pytest.mark.parametrize("tag", [5, 6, 7, 8])
def test_the_size_in_the_annotation_tells_whether_its_boxes_are_turned(tmp_path: Path, tag: int) -> None:
    path = write(tmp_path / "a.jpg", tag)
    true = white(read_image(path))
    for size, box in (((48, 64), BOX), ((64, 48), true)):
        x, sizes, objects = decode([annotated(path, size, tuple(box))], (64, 64), lambda *_: None)
        assert sizes.tolist() == [[64, 48]]
        assert objects[0].boxes.tolist() == [true]
        assert white(x[0, :, :, :48]) == true


@pytest.mark.parametrize(("tag", "size"), [(3, (48, 64)), (6, None), (2, (48, 64))])
def test_a_picture_of_which_nothing_tells_is_left_out(tmp_path: Path, tag: int, size: tuple[int, int] | None) -> None:
    told: dict[str, str] = {}
    turned, plain = annotated(write(tmp_path / "a.jpg", tag), size), annotated(write(tmp_path / "b.jpg", 1), size)
    x, _, _ = decode([turned, plain], (64, 64), lambda path, reason: told.update({path.name: reason}))
    assert (len(x), told) == (1, {"a.jpg": AMBIGUOUS})


def test_a_square_picture_that_is_turned_is_left_out_unless_it_has_no_boxes(tmp_path: Path) -> None:
    told: list[Path] = []
    path = write(tmp_path / "a.jpg", 6, (64, 64))
    none = Objects(boxes=np.zeros((0, 4)), labels=np.zeros(0, np.int64), crowd=np.zeros(0, np.uint8))
    items = [annotated(path, (64, 64)), Annotated(picture=path, objects=none, size=(64, 64))]
    _, _, objects = decode(items, (64, 64), lambda path, _: told.append(path))
    assert (told, [len(item) for item in objects]) == ([path], [0])


def test_a_tag_that_is_no_orientation_and_tiff_files_count_as_upright(tmp_path: Path) -> None:
    assert read_form(write(tmp_path / "a.jpg", 77)).orientation == 1
    form = read_form(write(tmp_path / "a.tiff", 6))
    assert (form.orientation, form.upright) == (1, read_image(tmp_path / "a.tiff").shape[1:])


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("not found")
    with pytest.raises(DamagedDataError, match=r"a\.jpg cannot be read as a picture"):
        read_form(tmp_path / "a.jpg")


def test_a_picture_to_predict_lies_on_the_canvas_as_one_of_the_data_set(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", 1, (100, 30))
    canvas, size = to_canvas(read_image(path), (64, 64))
    x, sizes, objects = decode([annotated(path, (30, 100))], (64, 64), lambda *_: None)
    assert size == fit_size((30, 100), (64, 64)) == tuple(sizes[0]) == (19, 64)
    assert np.array_equal(canvas, x[0])
    assert np.allclose(scale_boxes(objects[0].boxes, size, (30, 100)), [BOX])
