"""The loaders on real membranes and road scenes, on small folders and on damaged ones."""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile
from zoo_unet.data import ROAD, CamVid, CamVid480, ImageMasks, IsbiMembranes
from zoo_unet.masks import chance_levels, image_size, read_mask, refuse_other_orientation

from zoo_core import Context, DamagedDataError, DatasetSpec, DataUnavailableError, Signature, UnknownSplitError
from zoo_core.data.images import read_image
from zoo_core.data.open import data_context

SPEC = DatasetSpec(
    name="masks-of-a-test",
    title="a test's",
    origin="real",
    licence="none",
    signature=Signature(input_shape=(3, None, None)),
    entry="zoo_unet.data:ImageMasks",
)
Loader = Callable[[Context], Any]
Damages = dict[str, tuple[Callable[[Path], Any], str]]


def opened(loader: Loader, root: Path) -> Any:
    return loader(data_context(SPEC, Context(data_root=root)))


def unpacked(test_data: Path, name: str, folder: Path) -> Path:
    with tarfile.open(test_data / f"{name}.tar") as archive:
        archive.extractall(folder, filter="data")
    return folder / name


def picture(path: Path, level: int = 0, size: tuple[int, int] = (12, 10), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, (level,) * 3 if mode == "RGB" else level).save(path)
    return path


def coloured(path: Path, size: tuple[int, int] = (12, 10)) -> Path:
    Image.new("RGB", size, (200, 10, 0)).save(path)
    return path


def mask(path: Path, values: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values, np.uint8)).save(path)
    return path


# ISBI 2012


@pytest.mark.data
def test_the_last_five_real_slices_are_test_and_black_is_membrane(test_data: Path, tmp_path: Path) -> None:
    root = unpacked(test_data, "membrane", tmp_path)
    slices = opened(IsbiMembranes, root)
    assert slices.signature.input_shape == (1, 512, 512)
    train, test = slices.load("train"), slices.load("test")
    assert (train["x"].shape, test["x"].shape) == ((15, 1, 512, 512), (5, 1, 512, 512))
    for columns, first in ((train, 0), (test, 15)):
        for row, label in enumerate(columns["y"]):
            number = first + row
            assert np.array_equal(columns["x"][row, 0], np.asarray(Image.open(root / f"train/image/{number}.png")))
            assert np.array_equal(label == 1, np.asarray(Image.open(root / f"train/label/{number}.png")) == 0)
    assert 0.15 < float(test["y"].mean()) < 0.3
    dark = [float(columns["x"][:, 0][columns["y"] == 1].mean()) for columns in (train, test)]
    light = [float(columns["x"][:, 0][columns["y"] == 0].mean()) for columns in (train, test)]
    assert max(dark) < min(light), "membranes are dark"


def write_isbi(root: Path, count: int = 8) -> Path:
    for number in range(count):
        picture(root / f"train/image/{number}.png", number, (8, 8), "L")
        mask(root / f"train/label/{number}.png", [[0] * 8] * 2 + [[255] * 8] * 6)
    return root


def test_slices_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    slices = opened(IsbiMembranes, write_isbi(tmp_path, 12))
    assert slices.load("train")["x"][:, 0, 0, 0].tolist() == list(range(7))
    assert slices.load("test")["x"][:, 0, 0, 0].tolist() == list(range(7, 12))
    assert slices.load("train")["y"][0].sum() == 16
    assert slices.load("test")["group"].tolist() == [0] * 5, "neighbouring slices are one sample"
    assert "group" not in slices.load("train"), "val is held out of train by groups"
    with pytest.raises(UnknownSplitError):
        slices.load("val")


def cut(name: str) -> Callable[[Path], Any]:
    def do(root: Path) -> None:
        content = (root / name).read_bytes()
        (root / name).write_bytes(content[: len(content) * 2 // 3])

    return do


def gone(name: str) -> Callable[[Path], Any]:
    return lambda root: (root / name).unlink()


def text(name: str, content: str) -> Callable[[Path], Any]:
    return lambda root: (root / name).write_text(content)


ISBI: Damages = {
    "a slice without a label": (gone("train/label/7.png"), "7.png has no mask of the same name"),
    "a label without a slice": (gone("train/image/7.png"), "7.png has no picture of the same name"),
    "a label of another size": (
        lambda root: mask(root / "train/label/2.png", [[0] * 9] * 8),
        "2.png is 9x8 pixels, its picture 8x8",
    ),
    "a slice of another size": (
        lambda root: picture(root / "train/image/2.png", 0, (9, 8), "L"),
        "2.png is 9x8 pixels, not 8x8",
    ),
    "a grey label": (lambda root: mask(root / "train/label/0.png", [[7] * 8] * 8), "0.png has level 7"),
    "a label in colour": (lambda root: coloured(root / "train/label/0.png", (8, 8)), "0.png is in colour"),
    "a cut slice": (cut("train/image/1.png"), "1.png cannot be read as a picture"),
    "a cut label": (cut("train/label/1.png"), "1.png cannot be read as a mask"),
    "a strange name": (
        lambda root: [
            (root / f"train/{part}/0.png").rename(root / f"train/{part}/a.png") for part in ("image", "label")
        ],
        "a.png is not named by the number of its slice",
    ),
}


@pytest.mark.parametrize("damage", ISBI)
def test_damaged_slices_are_named(tmp_path: Path, damage: str) -> None:
    do, words = ISBI[damage]
    do(write_isbi(tmp_path))
    with pytest.raises(DamagedDataError, match=re.escape(words)) as caught:
        opened(IsbiMembranes, tmp_path).load("train")
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_too_few_slices_and_an_empty_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match=r"it must hold train/image/N\.png"):
        opened(IsbiMembranes, tmp_path)
    with pytest.raises(DataUnavailableError, match="holds 5 slices"):
        opened(IsbiMembranes, write_isbi(tmp_path, 5))


# CamVid


@pytest.mark.data
def test_real_road_scenes_are_read_at_both_sizes(test_data: Path, tmp_path: Path) -> None:
    root = unpacked(test_data, "camvid", tmp_path)
    names = [line.split() for line in (root / "test.txt").read_text().splitlines()]
    for loader, (height, width) in ((CamVid, (180, 240)), (CamVid480, (360, 480))):
        scenes = opened(loader, root)
        sizes = {split: len(scenes.load(split)["x"]) for split in ("train", "val", "test")}
        assert sizes == {"train": 40, "val": 8, "test": 10}
        test = scenes.load("test")
        assert test["x"].shape == (10, 3, height, width)
        assert test["y"].shape == (10, height, width)
        assert set(np.unique(test["y"])) <= set(range(len(ROAD) + 1))
        for row, (image, mask) in enumerate(names):
            nearest = Image.open(root / mask).resize((width, height), Image.Resampling.NEAREST)
            assert np.array_equal(test["y"][row], np.asarray(nearest))
            smaller = Image.open(root / image).convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
            assert np.array_equal(test["x"][row].transpose(1, 2, 0), np.asarray(smaller))


def write_camvid(root: Path, prefix: str = "") -> Path:
    for split in ("train", "val", "test"):
        lines = []
        for number in range(2):
            picture(root / f"{split}/{number}.png", number)
            mask(root / f"{split}annot/{number}.png", [[number, 11] * 6] * 10)
            lines.append(f"{prefix}{split}/{number}.png {prefix}{split}annot/{number}.png")
        (root / f"{split}.txt").write_text("\n".join(lines))
    return root


@pytest.mark.parametrize("prefix", ["", "/SegNet/CamVid/"])
def test_split_files_name_the_pairs_also_with_the_paths_of_the_original(tmp_path: Path, prefix: str) -> None:
    columns = opened(CamVid, write_camvid(tmp_path / "deep", prefix)).load("val")
    assert columns["x"][:, 0, 0, 0].tolist() == [0, 1]
    assert [np.unique(mask).tolist() for mask in columns["y"]] == [[0, 11], [1, 11]]
    with pytest.raises(UnknownSplitError):
        opened(CamVid, tmp_path).load("holdout")


def test_frames_of_one_drive_are_one_group(tmp_path: Path) -> None:
    root, names = write_camvid(tmp_path), ("Seq05VD_f00210", "0001TP_008550", "Seq05VD_f00240")
    for name in names:
        picture(root / f"test/{name}.png", 1)
        mask(root / f"testannot/{name}.png", [[1, 11] * 6] * 10)
    (root / "test.txt").write_text("".join(f"test/{name}.png testannot/{name}.png\n" for name in names))
    assert opened(CamVid, root).load("test")["group"].tolist() == [1, 0, 1]


@pytest.mark.parametrize("separator", ["\t", "; ", ",", "  "])
def test_paths_of_a_line_may_be_separated_by_spaces_semicolons_or_commas(tmp_path: Path, separator: str) -> None:
    root = write_camvid(tmp_path)
    (root / "test.txt").write_text(f"test/0.png{separator}testannot/0.png\r\n", newline="")
    assert len(opened(CamVid, root).load("test")["x"]) == 1


CAMVID: Damages = {
    "a split file in UTF-16": (
        lambda root: (root / "test.txt").write_text("test/0.png testannot/0.png", encoding="utf-16"),
        "test.txt is not text in UTF-8: save it as UTF-8",
    ),
    "a picture that is not there": (gone("test/1.png"), "test.txt line 2: 'test/1.png' is not in"),
    "a mask that is not there": (gone("testannot/1.png"), "test.txt line 2: 'testannot/1.png' is not in"),
    "a path outside": (text("test.txt", "../a.png b.png"), "test.txt line 1: '../a.png' lies outside the folder"),
    "a path from the root": (text("test.txt", "/etc/passwd b.png"), "line 1: '/etc/passwd' lies outside the folder"),
    "a line without its mask": (text("test.txt", "\ntest/0.png"), "test.txt line 2: it has 1 paths"),
    "an empty split file": (text("test.txt", "\n"), "test.txt is empty"),
    "a binary split file": (lambda root: (root / "test.txt").write_bytes(b"\xff\xfe\xfa"), "test.txt is not text"),
    "a class over the count": (
        lambda root: mask(root / "testannot/1.png", [[0] * 12] * 4 + [[0, 12] * 6] * 6),
        "1.png has class 12 at row 4, column 1, but the classes are 0 to 10",
    ),
    "a mask of another size": (
        lambda root: mask(root / "testannot/1.png", [[0] * 12] * 9),
        "1.png is 12x9 pixels, its picture 12x10",
    ),
    "a mask in colour": (lambda root: coloured(root / "testannot/1.png"), "1.png is in colour"),
    "a cut picture": (cut("test/0.png"), "0.png cannot be read as a picture"),
    "a cut mask": (cut("testannot/0.png"), "0.png cannot be read as a mask"),
}


@pytest.mark.parametrize("damage", CAMVID)
def test_damaged_road_scenes_are_named(tmp_path: Path, damage: str) -> None:
    do, words = CAMVID[damage]
    do(write_camvid(tmp_path))
    with pytest.raises(DamagedDataError, match=re.escape(words)) as caught:
        opened(CamVid, tmp_path).load("test")
    assert "\n" not in str(caught.value)


def test_a_link_that_leads_outside_is_followed_as_its_target_is_in_the_fingerprint(tmp_path: Path) -> None:
    root = write_camvid(tmp_path / "data")
    expected = opened(CamVid, root).load("test")["x"]
    (root / "test/1.png").rename(tmp_path / "outside.png")
    (root / "test/1.png").symlink_to(tmp_path / "outside.png")
    assert np.array_equal(opened(CamVid, root).load("test")["x"], expected)


def test_a_missing_split_file_says_what_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match=r"holds no train\.txt at any depth; it must hold"):
        opened(CamVid, tmp_path)
    gone("test.txt")(write_camvid(tmp_path))
    with pytest.raises(DataUnavailableError, match=r"test\.txt is missing; it must hold"):
        opened(CamVid, tmp_path).load("test")


# any folder


def write_masks(root: Path, values: Any = (0, 1, 2, 255), count: int = 10, split: str = "") -> Path:
    for number in range(count):
        picture(root / split / "images" / f"{number}.jpg", number * 20)
        mask(root / split / "masks" / f"{number}.png", [[values[number % len(values)]] * 6 + [0] * 6] * 10)
    return root


def test_every_fifth_picture_of_a_folder_is_test_and_255_is_ignored(tmp_path: Path) -> None:
    folder = opened(ImageMasks, write_masks(tmp_path))
    assert folder.signature.input_shape == (3, 10, 12)
    assert folder.signature.classes == ("0", "1", "2")
    assert folder.signature.extra["ignore_index"] == 255
    assert len(folder.load("train")["x"]) == 8
    test = folder.load("test")
    assert test["y"][:, 0, 0].tolist() == [0, 1]
    assert np.abs(test["x"][:, 0, 0, 0].astype(int) - [80, 180]).max() <= 2
    with pytest.raises(UnknownSplitError, match="only train, test"):
        folder.load("val")


def test_masks_of_0_and_255_are_two_classes(tmp_path: Path) -> None:
    folder = opened(ImageMasks, write_masks(tmp_path, (0, 255)))
    assert folder.signature.outputs == 2
    assert "ignore_index" not in folder.signature.extra
    assert folder.load("test")["y"][:, 0, 0].tolist() == [0, 1]


def test_folders_of_splits_and_names_of_classes_are_used(tmp_path: Path) -> None:
    for split, count in {"train": 4, "valid": 2, "test": 3}.items():
        write_masks(tmp_path, (0, 1), count, split)
    (tmp_path / "classes.txt").write_text("ground\nroof\nwater\n")
    folder = opened(ImageMasks, tmp_path)
    assert folder.signature.classes == ("ground", "roof", "water")
    assert [len(folder.load(split)["x"]) for split in ("train", "val", "test")] == [4, 2, 3]


def test_a_palette_gives_its_entries_and_large_pictures_are_made_smaller(tmp_path: Path) -> None:
    for number in range(5):
        picture(tmp_path / f"images/{number}.png", size=(1024, 600))
        entries = Image.fromarray(np.full((600, 1024), number % 2, np.uint8), "P")
        entries.putpalette([200, 0, 0, 0, 200, 0])
        (tmp_path / "masks").mkdir(exist_ok=True)
        entries.save(tmp_path / f"masks/{number}.png")
    columns = opened(ImageMasks, tmp_path).load("train")
    assert columns["x"].shape == (4, 3, 300, 512)
    assert columns["y"][:, 0, 0].tolist() == [0, 1, 0, 1]


FOLDER: Damages = {
    "a picture without a mask": (gone("masks/4.png"), "4.jpg has no mask of the same name"),
    "a mask without a picture": (gone("images/4.jpg"), "4.png has no picture of the same name"),
    "two masks of a picture": (
        lambda root: mask(root / "masks/4.bmp", [[0] * 12] * 10),
        "are masks of the same picture",
    ),
    "a mask of another size": (
        lambda root: mask(root / "masks/4.png", [[0] * 12] * 9),
        "4.png is 12x9 pixels, its picture 12x10",
    ),
    "a test mask with a class that train has not": (
        lambda root: mask(root / "masks/4.png", [[3] * 12] * 10),
        "4.png has class 3 at row 0, column 0, but the classes are 0 to 2",
    ),
    "a mask in colour": (lambda root: coloured(root / "masks/4.png"), "4.png is in colour"),
    "a mask of 16 bits": (
        lambda root: Image.fromarray(np.zeros((10, 12), np.uint16)).save(root / "masks/4.png"),
        "4.png has more than 8 bits",
    ),
    "a cut mask": (cut("masks/4.png"), "4.png cannot be read as a mask"),
    "too few names": (text("classes.txt", "a\nb\n"), "has class 2 "),
}


@pytest.mark.parametrize("damage", FOLDER)
def test_damaged_folders_are_named(tmp_path: Path, damage: str) -> None:
    do, words = FOLDER[damage]
    do(write_masks(tmp_path))
    with pytest.raises(DamagedDataError, match=re.escape(words)):
        read_whole(tmp_path)


def read_whole(root: Path) -> None:
    folder = opened(ImageMasks, root)
    folder.load("train")
    folder.load("test")


def test_a_grey_level_between_0_and_255_is_no_class_of_two(tmp_path: Path) -> None:
    write_masks(tmp_path, (0, 255))
    mask(tmp_path / "masks/4.png", [[128] * 12] * 10)
    with pytest.raises(DamagedDataError, match=r"4\.png has level 128"):
        opened(ImageMasks, tmp_path).load("test")


def test_masks_of_0_and_255_in_test_are_refused_if_those_of_train_are_0_and_1(tmp_path: Path) -> None:
    write_masks(tmp_path, (0, 1), split="train")
    write_masks(tmp_path, (0, 255), split="test")
    folder = opened(ImageMasks, tmp_path)
    folder.load("train")
    with pytest.raises(DamagedDataError, match=r"test/masks/1\.png has level 255, but train's .* 0 and 1: save masks"):
        folder.load("test")
    write_masks(tmp_path, (0, 255, 1), split="test")  # 255 is ignored
    assert folder.load("test")["y"][:3, 0, 0].tolist() == [0, 255, 1]


@pytest.mark.parametrize("classes", [(0, 15), (0, 8, 12), (0, 15, 255)])
def test_class_numbers_of_a_palette_may_have_gaps(tmp_path: Path, classes: tuple[int, ...]) -> None:
    write_masks(tmp_path, classes)
    for path in (tmp_path / "masks").iterdir():
        with Image.open(path) as grey:
            entries = Image.fromarray(np.asarray(grey), "P")
        entries.putpalette([level // part % 256 for level in range(256) for part in (1, 2, 4)])
        entries.save(path)
    assert opened(ImageMasks, tmp_path).signature.outputs == max(set(classes) - {255}) + 1


def test_grey_class_numbers_with_gaps_are_read_once_they_are_named(tmp_path: Path) -> None:
    write_masks(tmp_path, (0, 15))
    with pytest.raises(
        DamagedDataError, match=r"\(0, 15\), .*: name the classes 0 to 15 in classes\.txt, or save masks"
    ):
        opened(ImageMasks, tmp_path)
    (tmp_path / "classes.txt").write_text("".join(f"class{number}\n" for number in range(16)))
    assert opened(ImageMasks, tmp_path).signature.outputs == 16


def disc(radius: float, value: int = 255) -> Image.Image:
    y, x = np.mgrid[:48, :64]
    return Image.fromarray((((y - 24) ** 2 + (x - 32) ** 2 < radius**2) * value).astype(np.uint8))


def smoothed(image: Image.Image) -> Image.Image:
    return image.resize((128, 96), Image.Resampling.BILINEAR).resize((64, 48), Image.Resampling.BILINEAR)


def half_grey(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.maximum(np.asarray(image), np.asarray(disc(18, 127))))


def one_bit_palette(image: Image.Image) -> Image.Image:
    entries = Image.fromarray((np.asarray(image) == 0).astype(np.uint8), "P")
    entries.putpalette([255, 255, 255, 0, 0, 0])  # white comes first
    return entries


def write_discs(root: Path, change: Callable[[Image.Image], Image.Image], suffix: str = ".png") -> Path:
    (root / "masks").mkdir(parents=True)
    for number in range(10):
        picture(root / f"images/{number}.png", number, (64, 48))
        change(disc(10 + number % 4)).save(root / f"masks/{number}{suffix}")
    return root


SMOOTH: dict[str, tuple[Callable[[Image.Image], Image.Image], str, str]] = {
    "a JPEG": (
        lambda image: image,
        ".jpg",
        r"masks/\d\.jpg is a JPEG of \d+ grey levels \(0, 1, .*: save masks as PNG",
    ),
    "a colour JPEG": (lambda image: image.convert("RGB"), ".jpg", r"is a JPEG of \d+ grey levels"),
    "smoothed edges": (smoothed, ".png", r"masks/\d\.png has \d+ grey levels \(0, .*, or save masks as PNG"),
    "a level of 127": (half_grey, ".png", r"masks/\d\.png has 3 grey levels \(0, 127, 255\)"),
    "lossy WebP": (lambda image: image, ".webp", r"masks/\d\.webp .*: save masks as PNG"),
}


@pytest.mark.parametrize("kind", SMOOTH)
def test_grey_levels_that_are_no_class_numbers_are_refused(tmp_path: Path, kind: str) -> None:
    change, suffix, words = SMOOTH[kind]
    with pytest.raises(DamagedDataError, match=words):
        opened(ImageMasks, write_discs(tmp_path, change, suffix))


BLACK_AND_WHITE: dict[str, Callable[[Image.Image], Image.Image]] = {
    "RGB": lambda image: image.convert("RGB"),
    "RGBA": lambda image: image.convert("RGBA"),
    "grey and alpha": lambda image: image.convert("LA"),
    "one bit": lambda image: image.convert("1"),
    "a palette": lambda image: image.convert("P"),
    "a palette of white and black": one_bit_palette,
}


@pytest.mark.parametrize("form", BLACK_AND_WHITE)
def test_black_and_white_in_any_format_is_a_binary_mask(tmp_path: Path, form: str) -> None:
    plain = opened(ImageMasks, write_discs(tmp_path / "plain", lambda image: image))
    folder = opened(ImageMasks, write_discs(tmp_path / "other", BLACK_AND_WHITE[form]))
    assert folder.signature == plain.signature
    assert folder.signature.outputs == 2
    for split in ("train", "test"):
        assert np.array_equal(folder.load(split)["y"], plain.load(split)["y"])


def test_a_one_bit_file_among_class_numbers_keeps_0_and_1(tmp_path: Path) -> None:
    write_masks(tmp_path, (2, 1))
    disc(10).resize((12, 10), Image.Resampling.NEAREST).convert("1").save(tmp_path / "masks/0.png")
    folder = opened(ImageMasks, tmp_path)
    assert folder.signature.outputs == 3
    assert set(np.unique(folder.load("train")["y"][0])) == {0, 1}


def test_a_mask_that_is_half_transparent_is_refused(tmp_path: Path) -> None:
    write_discs(tmp_path, lambda image: Image.merge("LA", (image, image)))
    with pytest.raises(DamagedDataError, match=r"\.png has transparent pixels"):
        opened(ImageMasks, tmp_path)


def save_turned(path: Path, image: Image.Image, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)


@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_the_orientation_of_exif_turns_a_picture_and_its_mask_alike(tmp_path: Path, orientation: int) -> None:
    half = Image.fromarray(np.asarray([[255] * 6 + [0] * 6] * 10, np.uint8))
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    for number in range(5):
        save_turned(tmp_path / f"images/{number}.png", half.convert("RGB"), orientation)
        save_turned(tmp_path / f"masks/{number}.png", half, orientation)
    columns = opened(ImageMasks, tmp_path).load("train")
    assert np.array_equal(columns["x"][:, 0] == 255, columns["y"] == 1)


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_the_size_of_a_picture_is_that_of_its_upright_pixels(tmp_path: Path, suffix: str, orientation: int) -> None:
    save_turned(tmp_path / f"a.{suffix}", Image.new("RGB", (12, 10)), orientation)
    assert image_size(tmp_path / f"a.{suffix}") == read_image(tmp_path / f"a.{suffix}").shape[1:]


def test_the_size_and_orientation_of_a_png_are_read_without_its_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, orientation in (("plain.png", 1), ("turned.png", 6)):
        save_turned(tmp_path / name, Image.new("RGB", (12, 10)), orientation)
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)
    assert image_size(tmp_path / "plain.png") == (10, 12)
    assert image_size(tmp_path / "turned.png") == (12, 10)
    refuse_other_orientation(tmp_path / "plain.png", tmp_path / "turned.png")


def test_an_orientation_behind_the_pixels_of_a_png_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "late.png"
    save_turned(path, Image.new("RGB", (12, 10)), 6)
    text = path.read_bytes()
    start = text.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(text[start : start + 4], "big")
    path.write_bytes(text[:start] + text[end:-12] + text[start:end] + text[-12:])  # before the last chunk, of 12 bytes
    assert image_size(path) == read_image(path).shape[1:] == (12, 10)


@pytest.mark.parametrize(("orientation", "size"), [(3, (12, 10)), (2, (12, 10)), (6, (10, 10))])
def test_a_mask_without_the_orientation_of_its_picture_is_refused(
    tmp_path: Path, orientation: int, size: tuple[int, int]
) -> None:
    write_masks(tmp_path, (0, 1))
    save_turned(tmp_path / "images/3.jpg", Image.new("RGB", size), orientation)
    mask(tmp_path / "masks/3.png", [[0] * size[0]] * size[1])
    with pytest.raises(DamagedDataError, match=r"3\.png and its picture .*3\.jpg have different EXIF orientations"):
        opened(ImageMasks, tmp_path)


def test_a_mask_drawn_on_the_upright_picture_needs_no_orientation_if_the_size_shows_it(tmp_path: Path) -> None:
    write_masks(tmp_path, (0, 1))
    save_turned(tmp_path / "images/3.jpg", Image.new("RGB", (10, 12)), 6)  # upright: 12x10
    read_whole(tmp_path)


def test_masks_of_one_class_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedDataError, match=r"the train masks of .* labels are class 0, so nothing"):
        opened(ImageMasks, write_masks(tmp_path, (0,)))


def test_membranes_and_roads_of_one_class_are_refused(tmp_path: Path) -> None:
    write_isbi(tmp_path / "slices")
    for path in (tmp_path / "slices/train/label").iterdir():
        mask(path, [[255] * 8] * 8)
    with pytest.raises(DamagedDataError, match="label: all 192 labels are class 0"):
        opened(IsbiMembranes, tmp_path / "slices").load("train")
    write_camvid(tmp_path / "roads")
    mask(tmp_path / "roads/trainannot/1.png", [[0, 11] * 6] * 10)
    with pytest.raises(DamagedDataError, match=r"train\.txt: all 43200 labels are class 0"):
        opened(CamVid, tmp_path / "roads").load("train")


def test_two_data_sets_below_one_root_are_refused(tmp_path: Path) -> None:
    write_masks(tmp_path / "a_set")
    write_masks(tmp_path / "b_set/deeper")
    with pytest.raises(
        DamagedDataError, match=r"holds two data sets, .*a_set/images and .*b_set/deeper/images: give --data-root"
    ):
        opened(ImageMasks, tmp_path)
    write_camvid(tmp_path / "roads")
    write_camvid(tmp_path / "roads/backup")
    with pytest.raises(DamagedDataError, match=r"holds two data sets, .*roads/train\.txt and .*backup"):
        opened(CamVid, tmp_path / "roads")


def test_two_pictures_of_one_name_are_both_named(tmp_path: Path) -> None:
    picture(write_masks(tmp_path) / "images/0.png")
    with pytest.raises(DamagedDataError, match=r"0\.png and 0\.jpg are two pictures of the same name: remove one"):
        opened(ImageMasks, tmp_path)


def test_names_of_macos_match_composed_names(tmp_path: Path) -> None:
    write_masks(tmp_path)
    (tmp_path / "images/0.jpg").rename(tmp_path / "images/cafe\u0301.jpg")
    (tmp_path / "masks/0.png").rename(tmp_path / "masks/caf\u00e9.png")
    read_whole(tmp_path)
    roads = write_camvid(tmp_path / "roads")
    (roads / "test/1.png").rename(roads / "test/cafe\u0301.png")
    (roads / "test.txt").write_text("test\\caf\u00e9.png testannot\\1.png\n")
    assert len(opened(CamVid, roads).load("test")["x"]) == 1


def test_pictures_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = opened(ImageMasks, write_masks(tmp_path, (0, 1, 2), 12))
    test = folder.load("test")["x"][:, 0, 0, 0].astype(int)
    assert np.abs(test - [80, 180]).max() <= 2  # 4.jpg and 9.jpg


def test_empty_folders_and_missing_splits_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match="it must hold images/ and masks/"):
        opened(ImageMasks, tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(DataUnavailableError, match="holds no folder 'masks'"):
        opened(ImageMasks, tmp_path)
    (tmp_path / "masks").mkdir()
    with pytest.raises(DataUnavailableError, match="holds no pictures"):
        opened(ImageMasks, tmp_path)
    with pytest.raises(DataUnavailableError, match="holds no folder 'test' besides train"):
        opened(ImageMasks, write_masks(tmp_path / "other", split="train"))


def test_a_black_and_white_mask_is_of_two_classes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.eye(4, dtype=bool)).save(path)
    assert np.array_equal(read_mask(path, (4, 4)), np.eye(4))


def test_what_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = opened(CamVid, write_camvid(tmp_path))

    def refuse(path: Path, *_: object, **__: object) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)  # root may read all files, so modes would not do
    with pytest.raises(DataUnavailableError, match=r"test\.txt may not be read: change its permissions"):
        scenes.load("test")


def test_chance_levels_follow_from_the_shares_of_the_classes() -> None:
    shares = np.array([0.8, 0.2])
    assert chance_levels(shares)["dice"] == pytest.approx(1 / 3)
    assert chance_levels(shares)["mean_iou"] == pytest.approx((0.8 / 1.2 + 0.2 / 1.8) / 2)
    assert set(chance_levels(np.array([0.5, 0.5, 0.0]))) == {"mean_iou"}
