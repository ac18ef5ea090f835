"""The curve and the digits: what they hold, and what is said of damaged files."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F
from zoo_gan.curve import SIZES, Curve, height
from zoo_gan.data import Digits, Mnist, to_mnist_form
from zoo_gan.plugin import zoo_datasets

from zoo_core import Context, DamagedDataError, DataUnavailableError, UnknownSplitError
from zoo_core.data.open import data_context

MNIST = next(spec for spec in zoo_datasets() if spec.name == "gan-mnist")


def mnist(root: Path) -> Mnist:
    return Mnist(data_context(MNIST, Context(data_root=root)))


def test_every_point_lies_on_the_curve_also_where_x_is_0() -> None:
    assert height(np.array([0.0, np.pi, -np.pi])) == pytest.approx([1, -np.pi / 10, np.pi / 10])
    for split in ("train", "val", "test"):
        x, y = Curve(Context()).load(split)["x"].astype(np.float64).T
        assert np.abs(x).max() <= 10
        assert y == pytest.approx(np.sin(x) / x - x / 10, abs=1e-5)


def test_the_points_that_models_are_compared_with_are_in_order_and_equally_spaced() -> None:
    x = Curve(Context()).load("test")["x"][:, 0]
    assert np.diff(x) == pytest.approx(20 / len(x), abs=1e-5)


def test_no_point_of_the_curve_is_in_two_splits() -> None:
    splits = {split: Curve(Context()).load(split)["x"] for split in SIZES}
    assert {split: len(points) for split, points in splits.items()} == SIZES
    distinct = np.unique(np.concatenate([splits["val"], splits["test"], np.unique(splits["train"], axis=0)]), axis=0)
    assert len(distinct) == SIZES["val"] + SIZES["test"] + len(np.unique(splits["train"], axis=0))


def test_the_curves_mean_and_std_are_those_of_its_points() -> None:
    points = Curve(Context()).load("test")["x"]
    assert points.mean(axis=0) == pytest.approx(Curve.signature.mean, abs=1e-3)
    assert points.std(axis=0) == pytest.approx(Curve.signature.std, abs=1e-3)


def test_the_digits_are_scikit_learns_brought_to_20x20_as_torch_does_it() -> None:
    digits = Digits(Context())
    train, test = digits.load("train"), digits.load("test")
    images = np.concatenate([train["x"], test["x"]])
    bunch = load_digits()
    enlarged = F.interpolate(torch.from_numpy(bunch.images)[:, None] / 16, (20, 20), mode="bilinear")
    assert images.shape == (1797, 1, 28, 28)
    assert np.abs(images[:, :, 4:-4, 4:-4] - enlarged.numpy() * 255).max() <= 0.5 + 1e-9
    assert images.sum() == images[:, :, 4:-4, 4:-4].sum()
    assert np.array_equal(np.concatenate([train["y"], test["y"]]), bunch.target)
    assert len(test["x"]) == 450


def test_the_brightest_level_is_white() -> None:
    assert to_mnist_form(np.full((1, 8, 8), 16.0)).max() == 255


def test_there_is_no_val_split_of_the_digits_own_and_none_of_another_name(tmp_path: Path) -> None:
    for dataset in (mnist(tmp_path), Digits(Context())):
        with pytest.raises(UnknownSplitError):
            dataset.load("val")
    with pytest.raises(UnknownSplitError, match="train, val, test"):
        Curve(Context()).load("all")


def idx(values: Any) -> bytes:
    """An IDX file of bytes, written by its definition."""
    array = np.asarray(values, np.uint8)
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write(folder: Path, images: bytes, labels: bytes) -> None:
    (folder / "t10k-images-idx3-ubyte").write_bytes(images)
    (folder / "t10k-labels-idx1-ubyte").write_bytes(labels)


IMAGES = np.zeros((2, 28, 28))

DAMAGED = {
    "a cut file": (idx(IMAGES)[:-1], idx([1, 2]), "it is cut"),
    "another size": (idx(np.zeros((2, 8, 8))), idx([1, 2]), "not images of 28x28"),
    "labels in place of images": (idx([1, 2]), idx([1, 2]), "not images of 28x28"),
    "no images": (idx(np.zeros((0, 28, 28))), idx([]), "not images of 28x28"),
    "a label too few": (idx(IMAGES), idx([1]), "labels for 2 images"),
    "images in place of labels": (idx(IMAGES), idx(IMAGES), "labels for 2 images"),
    "a label that is no digit": (idx(IMAGES), idx([1, 10]), "label 10"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_files_are_an_error_that_names_the_file(tmp_path: Path, damage: str) -> None:
    images, labels, words = DAMAGED[damage]
    write(tmp_path, images, labels)
    with pytest.raises(DamagedDataError, match=re.escape(words)) as caught:
        mnist(tmp_path).load("test")
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_labels_of_one_class_are_refused(tmp_path: Path) -> None:
    write(tmp_path, idx(IMAGES), idx([1, 1]))
    with pytest.raises(DamagedDataError, match=r"t10k-labels-idx1-ubyte: all 2 labels are class 1"):
        mnist(tmp_path).load("test")


@pytest.mark.parametrize("second", ["backup/t10k-labels-idx1-ubyte.gz", "a/b/train-images-idx3-ubyte"])
def test_a_file_in_two_folders_is_refused(tmp_path: Path, second: str) -> None:
    write(tmp_path, idx(IMAGES), idx([1, 2]))
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"")
    (tmp_path / second).parent.mkdir(parents=True)
    (tmp_path / second).write_bytes(b"")
    with pytest.raises(
        DamagedDataError, match=r"holds the same file twice, .*: give --data-root the folder of one of them, or remove"
    ) as caught:
        mnist(tmp_path).load("test")
    assert str(tmp_path / second) in str(caught.value)


def test_files_in_folders_of_their_own_names_and_hidden_copies_are_no_two_data_sets(tmp_path: Path) -> None:
    for name in ("outer", "outer/.trash", "outer/__MACOSX"):
        (tmp_path / name).mkdir()
    write(tmp_path / "outer/.trash", b"", b"")
    write(tmp_path, idx(IMAGES), idx([1, 2]))
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (tmp_path / "outer" / name).mkdir()
        (tmp_path / name).rename(tmp_path / "outer" / name / name)
    assert mnist(tmp_path).load("test")["y"].tolist() == [1, 2]


def test_a_missing_file_says_what_the_folder_must_hold(tmp_path: Path) -> None:
    write(tmp_path, idx(IMAGES), idx([1, 2]))
    with pytest.raises(DataUnavailableError, match=r"train-images-idx3-ubyte\.gz is not below"):
        mnist(tmp_path).load("train")


@pytest.mark.data
def test_the_whole_of_mnist_is_read_at_any_depth(mnist_root: Path) -> None:
    test = mnist(mnist_root).load("test")
    assert test["x"].shape == (10_000, 1, 28, 28)
    assert np.bincount(test["y"]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
