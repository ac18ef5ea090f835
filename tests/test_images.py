"""Pictures of every form become uint8 arrays, or an error that names the file."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo_core.data.images import find_split, image_folder, list_images, read_image, read_images
from zoo_core.data.walk import folders
from zoo_core.errors import DamagedDataError, DataError, DataUnavailableError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (6, 4, 3), dtype=np.uint8)  # 6 high, 4 wide
GREY = RGB[:, :, 0]
LOSSLESS = ["bmp", "png", "ppm", "tif", "tiff", "webp"]


def save(path: Path, pixels: np.ndarray = RGB, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".webp":
        options["lossless"] = True
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize("extension", LOSSLESS)
def test_a_picture_is_read_pixel_by_pixel_channels_first(tmp_path: Path, extension: str):
    image = read_image(save(tmp_path / f"a.{extension}"))
    assert image.dtype == np.uint8
    assert np.array_equal(image, RGB.transpose(2, 0, 1))


def test_a_jpeg_is_read_as_pillow_reads_it(tmp_path: Path):
    path = save(tmp_path / "a.JPG")
    with Image.open(path) as picture:
        assert np.array_equal(read_image(path).transpose(1, 2, 0), np.asarray(picture))


def test_a_grey_picture_has_one_or_three_equal_channels(tmp_path: Path):
    path = save(tmp_path / "a.png", GREY)
    assert np.array_equal(read_image(path, channels=1), GREY[None])
    assert np.array_equal(read_image(path), np.stack([GREY] * 3))


def test_a_coloured_picture_becomes_grey_by_pillows_weights(tmp_path: Path):
    path = save(tmp_path / "a.png")
    assert np.array_equal(read_image(path, channels=1)[0], np.asarray(Image.fromarray(RGB).convert("L")))


@pytest.mark.parametrize("alpha", [0, 128, 255])
def test_transparency_is_dropped(tmp_path: Path, alpha: int):
    path = save(tmp_path / "a.png", np.dstack([RGB, np.full((6, 4), alpha, np.uint8)]))
    assert np.array_equal(read_image(path), RGB.transpose(2, 0, 1))


@pytest.mark.parametrize("transparency", [None, 3, bytes(range(24))])
def test_a_palette_gives_its_colours_and_no_warning(tmp_path: Path, transparency: int | bytes | None):
    picture = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(6, 4), "L").convert("P")
    picture.putpalette(RGB.tobytes())
    picture.save(tmp_path / "a.png", **({} if transparency is None else {"transparency": transparency}))
    assert np.array_equal(read_image(tmp_path / "a.png"), RGB.transpose(2, 0, 1))


def test_two_levels_are_black_and_white(tmp_path: Path):
    path = save(tmp_path / "a.png", GREY > 99)
    assert np.array_equal(read_image(path, channels=1)[0], np.where(GREY > 99, 255, 0))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_upright_as_its_exif_says(tmp_path: Path, orientation: int):
    turned = {
        1: RGB,
        2: RGB[:, ::-1],
        3: RGB[::-1, ::-1],
        4: RGB[::-1],
        5: RGB.transpose(1, 0, 2),
        6: np.rot90(RGB, 1),
        7: RGB[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(RGB, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "a.png", np.ascontiguousarray(turned), exif=exif)
    assert np.array_equal(read_image(path, (6, 4), resize=False), RGB.transpose(2, 0, 1))


@pytest.mark.parametrize("kind", ["uint16", "int32", "float32"])
def test_more_than_8_bits_are_refused_and_not_cut_to_white(tmp_path: Path, kind: str):
    path = save(tmp_path / "a.tif", (GREY * 200.0).astype(kind))
    for channels in (1, 3):
        with pytest.raises(DamagedDataError, match=r"a\.tif.*more than 8 bits"):
            read_image(path, channels=channels)


def test_another_size_is_resized_or_refused(tmp_path: Path):
    path = save(tmp_path / "a.png")
    resized = read_image(path, (3, 5))
    expected = Image.fromarray(RGB).resize((5, 3), Image.Resampling.BILINEAR)
    assert np.array_equal(resized.transpose(1, 2, 0), np.asarray(expected))
    assert read_image(path, (6, 4), resize=False).shape == (3, 6, 4)
    with pytest.raises(DamagedDataError, match=re.escape(f"{path} is 4x6 pixels, not 5x3")):
        read_image(path, (3, 5), resize=False)


def test_making_a_picture_half_as_large_takes_its_neighbours_in(tmp_path: Path):
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))  # one pixel wide: skipping pixels would see one colour
    small = read_image(save(tmp_path / "a.png", stripes), (8, 8), channels=1)
    assert np.abs(small.astype(int) - 127).max() < 20


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
DAMAGED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "an empty file": ("png", lambda _: b""),
    "a web page": ("jpg", lambda _: b"<html>not found</html>"),
    "a cut PNG": ("png", lambda whole: whole[:60]),
    "a cut PPM": ("ppm", lambda whole: whole[:-1]),
    "a cut BMP": ("bmp", lambda whole: whole[:-9]),
    "a cut TIFF": ("tiff", lambda whole: whole[:20]),
    "a cut WebP": ("webp", lambda whole: whole[:-30]),
    "a header alone": ("png", lambda whole: whole[:8]),
    "a size of nothing": ("ppm", lambda _: b"P6 0 0 255\n"),
    "a size beyond reason": ("ppm", lambda _: b"P6 100000 100000 255\n"),
    "a program for a printer": ("png", lambda _: POSTSCRIPT),
}


@pytest.mark.filterwarnings("ignore")  # Pillow's, of damaged tags
@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_picture_is_an_error_that_names_the_file(tmp_path: Path, damage: str):
    extension, do = DAMAGED[damage]
    path = save(tmp_path / f"a.{extension}")
    path.write_bytes(do(path.read_bytes()))
    for read in (lambda: read_image(path), lambda: read_images([path], (6, 4))):
        with pytest.raises(DamagedDataError, match=re.escape(f"{path} cannot be read as a picture")):
            read()


def test_no_postscript_interpreter_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from PIL import EpsImagePlugin

    started: list[object] = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *words, **_: started.append(words))
    (tmp_path / "a.png").write_bytes(POSTSCRIPT)
    with pytest.raises(DamagedDataError):
        read_image(tmp_path / "a.png")
    assert not started


@pytest.mark.filterwarnings("ignore")  # Pillow's, of damaged tags
@pytest.mark.parametrize("extension", [*LOSSLESS, "gif", "jpg"])
def test_a_picture_damaged_anywhere_is_read_or_refused_and_never_a_traceback(tmp_path: Path, extension: str):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x011A] = 6, "a sign", 72.5
    options = {} if extension in ("bmp", "gif", "ppm") else {"exif": exif}
    path = save(tmp_path / f"a.{extension}", **options)
    whole, rng = path.read_bytes(), np.random.default_rng(1)
    for _ in range(200):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(len(whole) // 2, 2 * len(whole))])
        with contextlib.suppress(DamagedDataError):
            assert read_image(path, (6, 4)).shape == (3, 6, 4)


def test_a_damaged_exif_of_a_wrong_type_is_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from PIL import ImageOps

    def fail(_: Image.Image) -> Image.Image:
        raise TypeError("bad operand type for abs(): 'str'")  # as Pillow 13 says of some damaged tags

    monkeypatch.setattr(ImageOps, "exif_transpose", fail)
    with pytest.raises(DamagedDataError, match=r"a\.png cannot be read as a picture \(bad operand"):
        read_image(save(tmp_path / "a.png"))


def refuse(path: Path, *_: object, **__: object) -> object:
    raise PermissionError(13, "Permission denied", str(path))


@pytest.mark.parametrize(
    ("owner", "name", "read"),
    [
        (Image, "open", lambda root: read_image(root / "a.png")),
        (os, "scandir", folders),
        (os, "scandir", image_folder),
        (os, "scandir", list_images),
        (os, "scandir", lambda root: find_split(root, "train")),
    ],
    ids=["picture", "folders", "image_folder", "list_images", "find_split"],
)
def test_what_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, read: Callable[[Path], object]
):
    save(tmp_path / "a.png")
    monkeypatch.setattr(owner, name, refuse)  # root may read all files, so modes would not do
    with pytest.raises(DataError, match=re.escape(str(tmp_path)) + r".* may not be read: change its permissions"):
        read(tmp_path)


@pytest.mark.skipif(sys.platform == "win32" or getattr(os, "geteuid", int)() == 0, reason="root may read all")
def test_a_folder_that_may_be_listed_but_not_entered_is_named(tmp_path: Path):
    save(tmp_path / "train" / "a" / "0.png")
    (tmp_path / "train").chmod(0o400)
    try:
        with pytest.raises(DataError, match=re.escape(str(tmp_path / "train"))):  # as empty, from Python 3.14 on
            image_folder(tmp_path / "train")
    finally:
        (tmp_path / "train").chmod(0o700)


@pytest.mark.parametrize("place", ["a.png", "nowhere"])
def test_the_error_names_a_path_that_is_no_folder(tmp_path: Path, place: str):
    save(tmp_path / "a.png")
    for read in (folders, list_images, image_folder, lambda root: find_split(root, "train")):
        with pytest.raises(DataUnavailableError, match=re.escape(f"{tmp_path / place} cannot be read as a folder")):
            read(tmp_path / place)


def test_many_pictures_come_in_the_order_of_their_paths(tmp_path: Path):
    paths = [save(tmp_path / f"{number}.png", np.full((5, 7, 3), number, np.uint8)) for number in range(200)]
    for order in (paths, paths[::-1]):
        images = read_images(order, (5, 7), resize=False)
        assert images.shape == (200, 3, 5, 7)
        assert images[:, 1, 2, 3].tolist() == [int(path.stem) for path in order]
    assert read_images(paths[:2], (2, 2), channels=1).shape == (2, 1, 2, 2)


def test_no_pictures_are_an_empty_array():
    assert read_images([], (5, 7)).shape == (0, 3, 5, 7)


def test_one_damaged_picture_among_many_is_named(tmp_path: Path):
    paths = [save(tmp_path / f"{number}.png") for number in range(100)]
    paths[70].write_bytes(b"")
    with pytest.raises(DamagedDataError, match=re.escape(str(paths[70]))):
        read_images(paths, (6, 4))


def test_an_image_folder_gives_pictures_and_labels_by_name(tmp_path: Path):
    for name in ("b/1.png", "b/0.PPM", "a/0.bmp", "Z/5.webp", ".hidden/0.png", "__MACOSX/0.png"):
        save(tmp_path / name)
    for name in ("a/readme.txt", "a/.DS_Store", "list.csv"):
        (tmp_path / name).write_text("no picture")
    save(tmp_path / "b" / "._0.png")
    files = image_folder(tmp_path)
    assert files.classes == ("Z", "a", "b")
    assert [path.relative_to(tmp_path).as_posix() for path in files.paths] == [
        "Z/5.webp",
        "a/0.bmp",
        "b/0.PPM",
        "b/1.png",
    ]
    assert files.labels.tolist() == [0, 1, 2, 2]
    assert files.labels.dtype == np.int64


def test_expected_classes_set_the_order_of_the_labels(tmp_path: Path):
    for name in ("a", "b", "c"):
        save(tmp_path / name / "0.png")
    files = image_folder(tmp_path, ("c", "a", "b"))
    assert files.classes == ("c", "a", "b")
    assert [path.parent.name for path in files.paths] == ["c", "a", "b"]


def test_folders_other_than_the_expected_classes_are_refused(tmp_path: Path):
    for name in ("a", "b"):
        save(tmp_path / name / "0.png")
    with pytest.raises(DamagedDataError, match=r"unknown: b"):
        image_folder(tmp_path, ("a", "c"))
    with pytest.raises(DamagedDataError, match=r"missing: c, d"):
        image_folder(tmp_path, ("a", "b", "c", "d"))


def test_an_empty_folder_and_an_empty_class_are_named(tmp_path: Path):
    with pytest.raises(DataUnavailableError, match=re.escape(f"{tmp_path} is empty")):
        image_folder(tmp_path)
    save(tmp_path / "a" / "0.png")
    (tmp_path / "b").mkdir()
    with pytest.raises(DataUnavailableError, match=re.escape(f"{tmp_path / 'b'} holds no pictures")):
        image_folder(tmp_path)


@pytest.mark.parametrize("place", ["train", "Train", "outer/TRAIN"])
def test_a_split_is_found_in_the_root_or_one_folder_down_case_aside(tmp_path: Path, place: str):
    (tmp_path / place).mkdir(parents=True)
    assert find_split(tmp_path, "train") == tmp_path / place
    assert find_split(tmp_path, "learn", "train") == tmp_path / place


def test_a_split_that_is_not_there_is_named_with_its_folder(tmp_path: Path):
    (tmp_path / "a" / "b" / "test").mkdir(parents=True)
    (tmp_path / "valid").write_text("a file")
    for names, words in ((("test",), "'test'"), (("valid", "val"), "'valid' or 'val'")):
        with pytest.raises(DataUnavailableError, match=re.escape(f"{tmp_path} holds no folder {words}")):
            find_split(tmp_path, *names)


def test_a_split_that_lies_deeper_is_named_with_its_root(tmp_path: Path):
    for name in ("a/b/Train", "other"):
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(DataUnavailableError, match=re.escape(f"Train: give --data-root {tmp_path / 'a/b'}")):
        find_split(tmp_path, "train")


@pytest.mark.parametrize(
    ("one", "other", "remedy"),
    [
        ("val", "aug/val", "move one of them out of {root}, or remove it"),
        ("val", "aug/VALID", "move one of them out of {root}, or remove it"),
        ("val", "Val", "rename or remove one"),
        ("val", "valid", "rename or remove one"),
        ("a/val", "a/valid", "rename or remove one"),
        ("a/val", "b/val", "give --data-root the folder of one of them, or remove one"),
    ],
)
def test_two_folders_of_one_split_are_refused(tmp_path: Path, one: str, other: str, remedy: str):
    for name in (one, other):
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(DamagedDataError, match=re.escape(f": {remedy.format(root=tmp_path)}")) as caught:
        find_split(tmp_path, "val", "valid")
    assert all(str(tmp_path / name) in str(caught.value) for name in (one, other))


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")
@pytest.mark.parametrize("place", ["b_link", "a/valid"])
def test_a_link_to_the_folder_of_a_split_is_no_second_one(tmp_path: Path, place: str):
    (tmp_path / "a/val").mkdir(parents=True)
    (tmp_path / place).symlink_to(tmp_path / ("a/val" if "/" in place else "a"))
    assert find_split(tmp_path, "val", "valid") == tmp_path / "a/val"


def test_two_copies_one_folder_down_are_refused_and_a_class_called_train_is_none(tmp_path: Path):
    for name in ("new/train", "new/test/train"):
        (tmp_path / name).mkdir(parents=True)
    assert find_split(tmp_path / "new", "train") == tmp_path / "new/train"
    (tmp_path / "old/train").mkdir(parents=True)
    with pytest.raises(DamagedDataError, match=re.escape(f"{tmp_path / 'new/train'} and {tmp_path / 'old/train'}")):
        find_split(tmp_path, "train")


def test_a_folder_of_one_class_is_refused(tmp_path: Path):
    save(tmp_path / "a" / "0.png")
    with pytest.raises(DamagedDataError, match="has one class, a, so nothing can be learned"):
        image_folder(tmp_path)


def test_classes_of_macos_match_composed_names(tmp_path: Path):
    for name in ("train/caf\u00e9", "train/b", "test/cafe\u0301", "test/b"):
        save(tmp_path / name / "0.png")
    classes = image_folder(tmp_path / "train").classes
    assert classes == ("b", "caf\u00e9")
    assert image_folder(tmp_path / "test", classes).paths[1] == tmp_path / "test/cafe\u0301/0.png"
    save(tmp_path / "train/cafe\u0301/1.png")
    with pytest.raises(DamagedDataError, match="in two Unicode forms: join them"):
        image_folder(tmp_path / "train")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_not_utf8_is_an_error_that_can_be_printed(tmp_path: Path):
    for name in ("a", "b"):
        save(tmp_path / name / "0.png")
    (tmp_path / "a/0.png").rename(os.fsdecode(os.fsencode(tmp_path / "a") + b"/\xf1\xee\xe1.png"))
    with pytest.raises(DamagedDataError, match=r"a/\\xf1\\xee\\xe1\.png is not UTF-8: rename it") as caught:
        image_folder(tmp_path)
    assert str(caught.value).encode()


def test_a_picture_of_too_many_pixels_says_what_to_do(tmp_path: Path):
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")
    with pytest.raises(DamagedDataError, match=r"huge\.png .*too many pixels.*: make it smaller, or remove it"):
        read_images([tmp_path / "huge.png"], (2, 2))


def test_a_warning_of_pillow_becomes_one_line_that_names_the_file(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    save(tmp_path / "good.png")
    damaged = b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01"
    Image.new("RGB", (4, 4)).save(tmp_path / "exif.jpg", exif=damaged)
    Image.new("L", (10_000, 9_000)).save(tmp_path / "large.jpg")
    read_images([tmp_path / name for name in ("good.png", "exif.jpg", "large.jpg")], (2, 2))
    assert [str(tmp_path / "exif.jpg") in message for message in caplog.messages] == [True]
