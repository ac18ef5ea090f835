"""The loader of signs on real digits, on small folders in each public form, and on damaged ones."""

from __future__ import annotations

import io
import re
import shutil
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from zoo_classics.data import KAGGLE_TEST, KAGGLE_TRAIN, NO_TEST, SignPictures, asl_alphabet, runs_of
from zoo_classics.sign_language import DATASETS

from zoo_core import Context, DamagedDataError, DataUnavailableError, UnknownSplitError, ZooError
from zoo_core.data.locate import fingerprint
from zoo_core.data.open import data_context, open_data

SPECS = {spec.name: replace(spec, plugin="zoo-classics") for spec in DATASETS}
SPEC = SPECS["sign-digits"]
SIZE = (100, 100)
SPLITS = ("train", "test")


def context(root: Path, name: str = "sign-digits") -> Context:
    return data_context(SPECS[name], Context(data_root=root))


def signs(root: Path) -> SignPictures:
    return SignPictures(context(root))


def save(path: Path, colour: tuple[int, int, int] = (200, 0, 0), size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def numbered(home: Path, counts: dict[str, int]) -> Path:
    """Pictures of signs whose green channel is their number; the red one that of the sign."""
    for label, (sign, count) in enumerate(counts.items()):
        for number in range(count):
            save(home / sign / f"{sign}{number + 1}.png", (50 * label, number, 0), (8, 8))
    return home


def numbers_of(columns: dict[str, Any]) -> list[tuple[int, int]]:
    """The label and the number of each picture of `numbered`."""
    return [(int(y), int(x[1, 0, 0])) for x, y in zip(columns["x"], columns["y"], strict=True)]


# The real digits


@pytest.fixture(scope="module")
def real_digits(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    with tarfile.open(test_data / "signdigits.tar") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.mark.data
@pytest.mark.parametrize(("split", "count"), [("train", 400), ("test", 100)])
def test_digits_are_read_as_torchvision_reads_them(real_digits: Path, split: str, count: int) -> None:
    from torchvision.datasets import ImageFolder

    reference = ImageFolder(str(real_digits / "signdigits" / split))
    ours = signs(real_digits).load(split)
    assert (ours["x"].shape, ours["x"].dtype) == ((count, 3, *SIZE), np.uint8)
    assert ours["y"].dtype == np.int64
    assert ours["y"].tolist() == reference.targets
    assert list(signs(real_digits).signature.classes) == reference.classes == list("0123456789")
    for row in range(0, count, 20):
        assert np.array_equal(ours["x"][row].transpose(1, 2, 0), np.asarray(reference[row][0]))


@pytest.mark.data
def test_digits_open_from_the_archive_with_val_held_out_and_each_left_out_file_counted(test_data: Path) -> None:
    archive = test_data / "signdigits.tar"
    data = open_data(SPEC, Context(data_root=archive), fingerprint(SPEC, archive))
    assert data.examples() == {"train": 360, "val": 40, "test": 100}
    assert sum(item.count for item in data.left_out()) == 3  # README, licence and checksums
    assert (data.signature.outputs, data.signature.input_shape) == (10, (3, *SIZE))


# The public form of the digits, and of the alphabet


def test_the_repository_of_the_digits_has_no_test_split_so_every_tenth_run_is_held_out(tmp_path: Path) -> None:
    """Of 40 pictures of a sign, each is a run of its own; of 60, runs have three pictures."""
    numbered(tmp_path / "Dataset", {"0": 40, "1": 60})
    save(tmp_path / "Examples" / "example_0.JPG")
    (tmp_path / "README.md").write_text("digits")
    dataset = signs(tmp_path)
    assert dataset.signature.classes == ("0", "1")
    train, test = dataset.load("train"), dataset.load("test")
    assert numbers_of(test) == [
        *((0, number) for number in (18, 19, 38, 39)),
        *((1, number) for number in (27, 28, 29, 57, 58, 59)),
    ]
    assert not set(numbers_of(train)) & set(numbers_of(test))
    assert len(train["x"]) + len(test["x"]) == 100
    assert len(np.unique(train["group"])) == 2 * 18  # twenty runs of each, without two
    assert not set(train["group"]) & set(test["group"])
    with pytest.raises(UnknownSplitError, match="no split 'val', only train, test"):
        dataset.load("val")


@given(st.integers(10, 5000))
def test_runs_are_in_order_and_about_a_tenth_of_the_pictures_is_test(count: int) -> None:
    runs = runs_of(count)
    assert runs[0] == 0
    assert set(np.diff(runs)) <= {0, 1}
    assert np.bincount(runs).max() <= 100
    share = np.mean(runs % 10 == 9)
    assert 0.05 <= share <= 0.11


def test_numbers_of_pictures_are_sorted_by_value(tmp_path: Path) -> None:
    """So the last run of 3,000 frames is that of the last frames; as text, 1000 would come before 2."""
    numbered(tmp_path / "signs", {"A": 120, "B": 120})
    test = numbers_of(signs(tmp_path).load("test"))
    assert [number for label, number in test if label == 0] == [*range(54, 60), *range(114, 120)]


def alphabet(root: Path, counts: dict[str, int] | None = None) -> Path:
    """A small alphabet in the folders of Kaggle's archive, with one picture of each sign to test."""
    counts = counts or {"A": 20, "del": 20, "space": 20}
    numbered(root / KAGGLE_TRAIN / KAGGLE_TRAIN, counts)
    for sign in counts:
        save(root / KAGGLE_TEST / KAGGLE_TEST / f"{sign}_test.jpg")
    return root


@pytest.mark.parametrize("place", ["", KAGGLE_TRAIN, f"{KAGGLE_TRAIN}/{KAGGLE_TRAIN}"])
def test_the_alphabet_is_found_from_each_of_its_folders(tmp_path: Path, place: str) -> None:
    dataset = asl_alphabet(context(alphabet(tmp_path) / place, "asl-alphabet"))
    assert dataset.signature.classes == ("A", "del", "space")
    assert dataset.load("train")["x"].shape == (54, 3, 96, 96)
    assert numbers_of(dataset.load("test")) == [(label, number) for label in range(3) for number in (9, 19)]


def test_the_few_pictures_of_kaggles_test_folder_are_left_out_with_the_reason(tmp_path: Path) -> None:
    spec, root = SPECS["asl-alphabet"], alphabet(tmp_path)
    data = open_data(spec, Context(data_root=root), fingerprint(spec, root))
    assert [(item.reason, item.count) for item in data.left_out()] == [(NO_TEST, 3)]


def test_no_run_is_divided_between_train_and_val(tmp_path: Path) -> None:
    """Of 100 pictures of a sign, 90 are not test, in runs of five; val gets a tenth of all 270, rounded up to runs."""
    spec, root = SPECS["asl-alphabet"], alphabet(tmp_path, {"A": 100, "B": 100, "C": 100})
    data = open_data(spec, Context(data_root=root), fingerprint(spec, root))
    assert data.examples() == {"train": 240, "val": 30, "test": 30}
    groups = [set(np.asarray(split.columns["group"])[split.rows]) for split in map(data.split, ("train", "val"))]
    assert not groups[0] & groups[1]


def test_other_signs_are_no_alphabet(tmp_path: Path) -> None:
    numbered(tmp_path / "Dataset", {"0": 20, "1": 20})
    with pytest.raises(DamagedDataError, match="not in the alphabet, such as 0: give --dataset sign-digits"):
        asl_alphabet(context(tmp_path, "asl-alphabet"))


def test_fewer_than_ten_pictures_of_a_sign_and_no_test_folder_are_refused(tmp_path: Path) -> None:
    numbered(tmp_path / "Dataset", {"0": 20, "1": 9})
    with pytest.raises(DamagedDataError, match="holds 9 pictures of 1: test is held out of them, which needs 10"):
        signs(tmp_path).load("train")


def test_two_copies_of_the_alphabet_are_refused(tmp_path: Path) -> None:
    alphabet(tmp_path / "one")
    alphabet(tmp_path / "two")
    with pytest.raises(DamagedDataError, match="two data sets"):
        asl_alphabet(context(tmp_path, "asl-alphabet"))


# Pictures of any form


def write(root: Path, names: Sequence[str] = ("fist", "palm")) -> Path:
    """Three pictures of each sign in `train` and `test`; red is 50 times the sign's place."""
    for split in SPLITS:
        for label, sign in enumerate(sorted(names)):
            for number in range(3):
                save(root / split / sign / f"{number}.png", (50 * label, 0, 0))
    return root


def first_of(root: Path) -> Any:
    """The first picture of the first sign of train, uint8 (3, 100, 100)."""
    return signs(root).load("train")["x"][0]


def test_a_picture_that_lies_on_its_side_is_turned_as_its_exif_tag_says(tmp_path: Path) -> None:
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, :40, 0] = 255  # red on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: the left becomes the top
    Image.fromarray(pixels).save(write(tmp_path) / "train" / "fist" / "0.jpg", exif=exif, quality=95)
    (tmp_path / "train" / "fist" / "0.png").unlink()
    picture = first_of(tmp_path)
    assert picture[0, :40].mean() > 240
    assert picture[0, 60:].mean() < 15


@pytest.mark.parametrize("mode", ["L", "P", "1", "RGBA", "LA", "CMYK"])
def test_pictures_of_any_mode_become_rgb(tmp_path: Path, mode: str) -> None:
    suffix = "jpg" if mode == "CMYK" else "png"
    path = write(tmp_path) / "train" / "fist" / f"0.{suffix}"
    (tmp_path / "train" / "fist" / "0.png").unlink()
    Image.new("RGB", SIZE, (255, 255, 255)).convert(mode).save(path)
    assert first_of(tmp_path).min() >= 250


def test_names_may_have_spaces_and_cyrillic_letters(tmp_path: Path) -> None:
    write(tmp_path, ["thumb up", "кулак", "ладонь"])
    save(tmp_path / "train" / "thumb up" / "моя рука (1).png", (9, 9, 9))
    dataset = signs(tmp_path)
    assert dataset.signature.classes == (
        "thumb up",
        "кулак",
        "ладонь",
    )
    assert len(dataset.load("train")["x"]) == 10


def test_files_that_are_no_pictures_are_left_out_with_the_reason(tmp_path: Path) -> None:
    (write(tmp_path) / "train" / "fist" / "notes.txt").write_text("n")
    (tmp_path / "train" / "labels.csv").write_text("a,b")
    data = open_data(SPEC, Context(data_root=tmp_path), fingerprint(SPEC, tmp_path))
    assert {(item.reason, item.example) for item in data.left_out()} == {
        ("no extension of a picture", "train/fist/notes.txt"),
        ("a file beside the folders of the classes", "train/labels.csv"),
    }


# Damaged folders


def truncated(root: Path) -> Path:
    path = root / "train" / "fist" / "0.jpg"
    buffer = io.BytesIO()
    Image.effect_noise(SIZE, 90).convert("RGB").save(buffer, "JPEG")
    path.write_bytes(buffer.getvalue()[:900])
    return path


def a_web_page(root: Path) -> Path:
    path = root / "train" / "palm" / "0.png"
    path.write_text("<html>not found</html>")
    return path


def an_empty_file(root: Path) -> Path:
    path = root / "train" / "palm" / "0.png"
    path.write_bytes(b"")
    return path


def one_sign(root: Path) -> Path:
    for split in SPLITS:
        shutil.rmtree(root / split / "palm")
    return root / "train"


def an_empty_sign(root: Path) -> Path:
    for path in (root / "train" / "palm").iterdir():
        path.unlink()
    return root / "train" / "palm"


def another_sign_in_test(root: Path) -> Path:
    (root / "test" / "palm").rename(root / "test" / "wave")
    return root / "test"


def no_test(root: Path) -> Path:
    shutil.rmtree(root / "test")
    return root


def nothing(root: Path) -> Path:
    for split in SPLITS:
        shutil.rmtree(root / split)
    return root


def only_kaggles_test(root: Path) -> Path:
    save(nothing(root) / KAGGLE_TEST / "A_test.jpg")
    return root


DAMAGED: dict[str, tuple[Callable[[Path], Path], type[ZooError], str]] = {
    "a truncated JPEG": (truncated, DamagedDataError, "cannot be read as a picture"),
    "a web page": (a_web_page, DamagedDataError, "cannot be read as a picture"),
    "an empty file": (an_empty_file, DamagedDataError, "cannot be read as a picture"),
    "one sign": (one_sign, DamagedDataError, "has one class, fist"),
    "a sign without pictures": (an_empty_sign, DataUnavailableError, "holds no pictures"),
    "another sign in test": (another_sign_in_test, DamagedDataError, "unknown: wave"),
    "no test": (no_test, DataUnavailableError, "holds no folder 'test'; it must hold asl_alphabet_train/<sign>/"),
    "nothing": (nothing, DataUnavailableError, "holds no folders of signs; it must hold asl_alphabet_train/<sign>/"),
    "Kaggle's test alone": (only_kaggles_test, DataUnavailableError, "holds no folders of signs; it must hold"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_folders_are_an_error_that_names_the_place(tmp_path: Path, damage: str) -> None:
    do, kind, words = DAMAGED[damage]
    place = do(write(tmp_path))
    with pytest.raises(kind, match=re.escape(words)) as caught:
        load_all(tmp_path)
    assert str(place) in str(caught.value)


def load_all(root: Path) -> list[Any]:
    dataset = signs(root)
    return [dataset.load(split) for split in SPLITS]
