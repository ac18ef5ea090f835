"""MNIST and the drawn digits: what they hold, and what is said of damaged files."""

from __future__ import annotations

import hashlib
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zoo_autoencoder.data import DrawnDigits, Mnist
from zoo_autoencoder.drawn import STROKES, draw_digits
from zoo_autoencoder.plugin import DRAWN_CHANCE, MNIST_CHANCE, zoo_datasets

from zoo_core import Context, DamagedDataError, DataUnavailableError, UnknownSplitError
from zoo_core.data.open import data_context

MNIST = zoo_datasets()[0]
DRAWN_TEST_SHA256 = (
    "4f72c28c3312c528565a7fb9db120bbef1d740a58b0b311f3b113cd431b6ac7a"  # another hash needs another version in the spec
)
IMAGES = np.zeros((2, 28, 28))


def mnist(root: Path) -> Mnist:
    return Mnist(data_context(MNIST, Context(data_root=root)))


@pytest.fixture(scope="module")
def drawn() -> dict[str, dict[str, Any]]:
    return {split: DrawnDigits(Context()).load(split) for split in ("train", "test")}


# drawn digits


def test_drawn_digits_are_the_same_everywhere(drawn: dict[str, dict[str, Any]]) -> None:
    assert hashlib.sha256(drawn["test"]["x"].tobytes()).hexdigest() == DRAWN_TEST_SHA256


def test_drawn_digits_have_mnists_form_and_no_image_twice(drawn: dict[str, dict[str, Any]]) -> None:
    images = np.concatenate([columns["x"] for columns in drawn.values()])
    assert images.shape == (9000, 1, 28, 28)
    assert images.dtype == np.uint8
    assert len(np.unique(images, axis=0)) == len(images)
    for columns in drawn.values():
        assert len(columns["x"]) == len(columns["y"])
        assert np.bincount(columns["y"], minlength=10).min() > 0.08 * len(columns["y"])


def test_drawn_digits_are_white_on_black_and_their_strokes_are_whole(drawn: dict[str, dict[str, Any]]) -> None:
    from scipy.ndimage import label

    images, digits = drawn["test"]["x"][:, 0], drawn["test"]["y"]
    assert 0.05 < images.mean() / 255 < 0.25
    assert (images.max((1, 2)) == 255).all()
    pieces = np.array([label(image > 0, np.ones((3, 3)))[1] for image in images])
    assert (pieces[digits != 4] == 1).all()
    assert (pieces[digits == 4] <= 2).all()


def test_a_pen_at_one_place_draws_a_disc_of_its_radius(monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo_autoencoder import drawn as module

    image = module._inked(np.full((1, 2, 2), 13.0), np.array([3.0]))[0]
    assert (image > 127).sum() == pytest.approx(np.pi * 3**2, rel=0.1)
    assert image[13, 13] == 255
    assert image[13, 20] == 0


def test_every_digit_has_strokes_in_the_box() -> None:
    assert len(STROKES) == 10
    assert all(abs(place) <= 1 for strokes in STROKES for stroke in strokes for point in stroke for place in point)


def test_another_seed_draws_other_images() -> None:
    one, other = (draw_digits(3, np.random.default_rng(seed))[0] for seed in (0, 1))
    assert not np.array_equal(one, other)


# chance levels


def mean_image_scores(train: Any, test: Any) -> tuple[float, float]:
    """MSE and expected negative log-likelihood in nats of the mean image of train, on test."""
    mean = train.reshape(len(train), -1).mean(axis=0) / 255
    pixels = test.reshape(len(test), -1) / 255
    p = mean.clip(1e-4, 1 - 1e-4)
    nats = -(pixels * np.log(p) + (1 - pixels) * np.log(1 - p)).sum(axis=1).mean()
    return float(((pixels - mean) ** 2).mean()), float(nats)


def test_the_chance_levels_of_drawn_digits_are_those_of_the_mean_image(drawn: dict[str, dict[str, Any]]) -> None:
    mse, nats = mean_image_scores(drawn["train"]["x"], drawn["test"]["x"])
    assert mse == pytest.approx(DRAWN_CHANCE["mse"], abs=5e-5)
    assert nats == pytest.approx(DRAWN_CHANCE["negative_elbo"], abs=0.1)


@pytest.mark.data
def test_the_whole_of_mnist_is_read_at_any_depth_and_its_chance_levels_are_stated(mnist_root: Path) -> None:
    train, test = (mnist(mnist_root).load(split) for split in ("train", "test"))
    assert train["x"].shape == (60_000, 1, 28, 28)
    assert np.bincount(test["y"]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    mse, nats = mean_image_scores(train["x"], test["x"])
    assert mse == pytest.approx(MNIST_CHANCE["mse"], abs=5e-5)
    assert nats == pytest.approx(MNIST_CHANCE["negative_elbo"], abs=0.1)


# damaged files


def idx(values: Any) -> bytes:
    """An IDX file of bytes, written by its definition."""
    array = np.asarray(values, np.uint8)
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write(folder: Path, images: bytes, labels: bytes) -> None:
    (folder / "t10k-images-idx3-ubyte").write_bytes(images)
    (folder / "t10k-labels-idx1-ubyte").write_bytes(labels)


DAMAGED = {
    "a cut file": (idx(IMAGES)[:-1], idx([1, 2]), "it is cut"),
    "another size": (idx(np.zeros((2, 8, 8))), idx([1, 2]), "not images of 28x28"),
    "labels in place of images": (idx([1, 2]), idx([1, 2]), "not images of 28x28"),
    "no images": (idx(np.zeros((0, 28, 28))), idx([]), "not images of 28x28"),
    "sizes beyond the file": (bytes([0, 0, 8, 3]) + b"\xff" * 12, idx([1, 2]), "it is cut"),
    "a label too few": (idx(IMAGES), idx([1]), "labels for 2 images"),
    "images in place of labels": (idx(IMAGES), idx(IMAGES), "labels for 2 images"),
    "a label that is no digit": (idx(IMAGES), idx([1, 10]), "label 10"),
    "labels of one class": (idx(IMAGES), idx([1, 1]), "all 2 labels are class 1"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_files_are_an_error_that_names_the_file(tmp_path: Path, damage: str) -> None:
    images, labels, words = DAMAGED[damage]
    write(tmp_path, images, labels)
    with pytest.raises(DamagedDataError, match=re.escape(words)) as caught:
        mnist(tmp_path).load("test")
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_in_two_folders_is_refused(tmp_path: Path) -> None:
    write(tmp_path, idx(IMAGES), idx([1, 2]))
    assert mnist(tmp_path).load("test")["y"].tolist() == [1, 2]
    (tmp_path / "backup").mkdir()
    write(tmp_path / "backup", idx(IMAGES), idx([1, 2]))
    with pytest.raises(DamagedDataError, match="holds the same file twice"):
        mnist(tmp_path).load("test")


def test_a_missing_file_says_what_the_folder_must_hold(tmp_path: Path) -> None:
    write(tmp_path, idx(IMAGES), idx([1, 2]))
    with pytest.raises(DataUnavailableError, match=r"train-images-idx3-ubyte\.gz is not below"):
        mnist(tmp_path).load("train")


def test_neither_data_set_has_a_val_split_of_its_own(tmp_path: Path) -> None:
    for dataset in (mnist(tmp_path), DrawnDigits(Context())):
        with pytest.raises(UnknownSplitError):
            dataset.load("val")
