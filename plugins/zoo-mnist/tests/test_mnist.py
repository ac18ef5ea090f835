"""The loaders on real and on damaged files, and the models on their signature."""

from __future__ import annotations

import gzip
import json
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from zoo_mnist.data import DIGITS, Digits, Mnist
from zoo_mnist.models.cnn import cnn, cnn_fast
from zoo_mnist.models.mlp import mlp
from zoo_mnist.plugin import zoo_datasets

from zoo_core import Context, DamagedDataError, DataUnavailableError, Signature, UnknownSplitError
from zoo_core.data.open import data_context

MNIST = zoo_datasets()[0]


def mnist(root: Path) -> Mnist:
    return Mnist(data_context(MNIST, Context(data_root=root)))


@pytest.mark.data
def test_mnist_is_read_as_torchvision_reads_it(mnist_root: Path) -> None:
    from torchvision import datasets

    for split in ("train", "test"):
        reference = datasets.MNIST(str(mnist_root), train=split == "train", download=True)
        ours = mnist(mnist_root).load(split)
        assert np.array_equal(ours["x"][:, 0], reference.data.numpy())
        assert np.array_equal(ours["y"], reference.targets.numpy())


@pytest.mark.data
def test_unpacked_files_are_read_like_packed_ones(mnist_root: Path, tmp_path: Path) -> None:
    for packed in mnist_root.rglob("t10k*.gz"):
        (tmp_path / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    assert np.array_equal(mnist(tmp_path).load("test")["x"], mnist(mnist_root).load("test")["x"])


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
    "a label too few": (idx(IMAGES), idx([1]), "labels for 2 images"),
    "a label that is no digit": (idx(IMAGES), idx([1, 10]), "label 10"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_files_are_an_error_that_names_the_file(tmp_path: Path, damage: str) -> None:
    images, labels, words = DAMAGED[damage]
    write(tmp_path, images, labels)
    with pytest.raises(DamagedDataError, match=re.escape(words)) as caught:
        mnist(tmp_path).load("test")
    assert str(tmp_path) in str(caught.value)


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
    (tmp_path / second).unlink()  # as the message says
    assert mnist(tmp_path).load("test")["y"].tolist() == [1, 2]


@pytest.mark.parametrize("folders", [("images", "labels"), ("test/images", "test/labels"), ("", "deep/er")])
def test_files_may_lie_in_several_folders_if_each_is_there_once(tmp_path: Path, folders: tuple[str, str]) -> None:
    write(tmp_path, idx(IMAGES), idx([1, 2]))
    for folder, name in zip(folders, ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"), strict=True):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / name).rename(tmp_path / folder / name)
    (tmp_path / "train").mkdir()
    (tmp_path / "train/train-images-idx3-ubyte.gz").write_bytes(b"")
    assert mnist(tmp_path).load("test")["y"].tolist() == [1, 2]


@pytest.mark.parametrize("folder", ["__MACOSX", ".trash"])
def test_a_file_that_lies_only_in_a_folder_left_out_is_missing(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    write(tmp_path / folder, idx(IMAGES), idx([1, 2]))
    with pytest.raises(DataUnavailableError, match=rf"gz is not below .*, and {folder} is left out \(hidden or system"):
        mnist(tmp_path).load("test")


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


def test_there_is_no_val_split_of_the_datas_own(tmp_path: Path) -> None:
    for dataset in (mnist(tmp_path), Digits(Context())):
        with pytest.raises(UnknownSplitError):
            dataset.load("val")


def test_the_digits_are_scikit_learns_enlarged_three_times() -> None:
    digits = Digits(Context())
    train, test = digits.load("train"), digits.load("test")
    assert train["x"].shape == (1438, 1, 28, 28)
    assert test["x"].shape == (359, 1, 28, 28)
    bunch = load_digits()
    both = np.concatenate([train["x"], test["x"]])[:, 0, 3:-2:3, 3:-2:3]
    assert np.array_equal(both, np.minimum(bunch.images * 16, 255))
    assert np.array_equal(np.concatenate([train["y"], test["y"]]), bunch.target)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 9, 28, 33])
def test_every_model_answers_images_of_any_size_from_8(channels: int, size: int) -> None:
    signature = Signature(input_shape=(channels, size, size + 1), outputs=7)
    models = [mlp(signature, [5, 4], 0.3), cnn(signature, [2, 3, 4], 0.25), cnn_fast(signature, [2, 2, 3, 4])]
    for model in models:
        assert model.eval()(torch.zeros(2, channels, size, size + 1)).shape == (2, 7)


def test_the_courses_net_has_its_79510_parameters() -> None:
    net = mlp(Signature(input_shape=(1, 28, 28), outputs=10, classes=DIGITS), [100], 0.0)
    assert sum(parameter.numel() for parameter in net.parameters()) == 784 * 100 + 100 + 100 * 10 + 10


@pytest.mark.data
@pytest.mark.slow
def test_the_first_epochs_of_the_courses_net_are_those_of_the_course(zoo: Callable[..., Any], mnist_root: Path) -> None:
    command = ("bench", "mnist", "--model", "mlp-100", "--dataset", "mnist", "--device", "cpu", "--epochs", "2")
    (record,) = json.loads(zoo(*command, "--set", "eval_every=1", "--data-root", mnist_root, "--json").out)
    accuracy_pct = [100 * point["train_score"] for point in record["curve"]]
    assert accuracy_pct == pytest.approx([89.59, 95.17], abs=0.4)
    assert record["dataset"]["examples"] == {"train": 60000, "test": 10000}


@pytest.mark.slow
def test_offline_the_convolution_beats_the_dense_net(zoo: Callable[..., Any]) -> None:
    command = ("bench", "mnist", "--offline", "--preset", "quick", "--device", "cpu", "--json")
    records = json.loads(zoo(*command, "--model", "cnn-fast", "--model", "mlp-100").out)
    scores = {record["model"]["name"]: record["measured"]["scores"]["accuracy"] for record in records}
    assert scores["zoo-mnist:cnn-fast"] > scores["zoo-mnist:mlp-100"] > 0.8
