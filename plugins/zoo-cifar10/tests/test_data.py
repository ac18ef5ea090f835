"""The loaders on files in the official forms, on real pictures and on damaged files."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from zoo_cifar10.data import CLASSES, Cifar10, Cifar10Images, read_batch

from zoo_core import Context, DamagedDataError, DatasetSpec, DataUnavailableError, Signature, UnknownSplitError
from zoo_core.data.open import data_context

SPEC = DatasetSpec(
    name="cifar10-of-a-test",
    title="a test's",
    origin="copy",
    licence="none",
    signature=Signature(input_shape=(3, 32, 32), outputs=10),
    entry="zoo_cifar10.data:Cifar10",
)
NAMES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
OFFICIAL = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def official(root: Path) -> Cifar10:
    return Cifar10(data_context(SPEC, Context(data_root=root)))


def pictures(root: Path) -> Cifar10Images:
    return Cifar10Images(data_context(SPEC, Context(data_root=root)))


def drawn(count: int, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 3072), dtype=np.uint8), rng.integers(0, 10, count).tolist()


def records(pixels: np.ndarray, labels: list[int]) -> bytes:
    """The binary form by its definition: a byte of label, then red, green and blue planes."""
    return b"".join(bytes([label]) + row.tobytes() for row, label in zip(pixels, labels, strict=True))


def text(value: str) -> bytes:
    return b"U" + bytes([len(value)]) + value.encode()


def python_2_pickle(pixels: np.ndarray, labels: list[int]) -> bytes:
    """Python's form, opcode by opcode as Python 2 wrote the official files (dtype('u1', 0, 1) and all)."""
    shape = b"M" + struct.pack("<H", len(labels)) + b"M" + struct.pack("<H", 3072)
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01" + shape + b"\x86"
    kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN" + 2 * b"J\xff\xff\xff\xff" + b"K\x00tb"
    data = kind + b"\x89T" + struct.pack("<I", pixels.size) + pixels.tobytes() + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return (
        b"\x80\x02}("
        + text("batch_label")
        + text("batch")
        + text("labels")
        + numbers
        + text("data")
        + array
        + data
        + b"u."
    )


def write_all(folder: Path, form: Callable[[np.ndarray, list[int]], bytes], suffix: str = "") -> Path:
    folder.mkdir(parents=True)
    for seed, name in enumerate(NAMES):
        (folder / f"{name}{suffix}").write_bytes(form(*drawn(4 + seed, seed)))
    return folder


def torchvisions(root: Path, *, train: bool) -> Any:
    """torchvision's reader, with the checksums of a test's files."""
    from torchvision.datasets import CIFAR10

    folder = root / "cifar-10-batches-py"
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": OFFICIAL}))

    def listed(name: str) -> list[str]:
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    class Reader(CIFAR10):
        train_list = [listed(name) for name in NAMES[:-1]]
        test_list = [listed(NAMES[-1])]
        meta = {"filename": "batches.meta", "key": "label_names", "md5": listed("batches.meta")[1]}

    return Reader(str(root), train=train)


@pytest.mark.filterwarnings("ignore:dtype")  # torchvision's, under numpy 2.4.0 to 2.4.4
@pytest.mark.parametrize("split", ["train", "test"])
def test_both_official_forms_are_read_as_torchvision_reads_pythons(tmp_path: Path, split: str) -> None:
    write_all(tmp_path / "py" / "cifar-10-batches-py", python_2_pickle)
    write_all(tmp_path / "bin" / "cifar-10-batches-bin", records, ".bin")
    reference = torchvisions(tmp_path / "py", train=split == "train")
    for root in (tmp_path / "py", tmp_path / "bin"):
        ours = official(root).load(split)
        assert ours["x"].dtype == np.uint8
        assert ours["y"].dtype == np.int64
        assert np.array_equal(ours["x"].transpose(0, 2, 3, 1), reference.data)
        assert ours["y"].tolist() == reference.targets
    assert list(CLASSES) == reference.classes


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("bytes_keys", [False, True])
def test_a_batch_pickled_again_by_python_3_is_read(tmp_path: Path, protocol: int, bytes_keys: bool) -> None:
    pixels, labels = drawn(3)
    batch = {b"data": pixels, b"labels": labels} if bytes_keys else {"data": pixels, "labels": np.asarray(labels)}
    (tmp_path / "test_batch").write_bytes(pickle.dumps(batch, protocol=protocol))
    ours = official(tmp_path).load("test")
    assert np.array_equal(ours["x"].reshape(3, -1), pixels)
    assert ours["y"].tolist() == labels


def test_an_archive_is_read_like_its_folder(tmp_path: Path) -> None:
    folder = write_all(tmp_path / "deep" / "cifar-10-batches-bin", records, ".bin")
    with zipfile.ZipFile(tmp_path / "cifar.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"a/b/{path.name}")
    for split in ("train", "test"):
        ours, packed = official(folder).load(split), official(tmp_path / "cifar.zip").load(split)
        assert all(np.array_equal(ours[name], packed[name]) for name in ("x", "y"))


class Runs:
    """What a pickle can make happen: it asks for `function(*arguments)` when it is read."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


@pytest.mark.parametrize(
    "function", [exec, eval, __import__, np.fromfile, np.save], ids=lambda function: function.__name__
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_run_code_is_refused_and_nothing_is_run(
    tmp_path: Path, function: Callable[..., Any], protocol: int
) -> None:
    marker = tmp_path / "it-ran"
    attack = Runs(function, f"__import__('pathlib').Path({str(marker)!r}).touch()")
    (tmp_path / "test_batch").write_bytes(pickle.dumps({"data": attack, "labels": []}, protocol=protocol))
    with pytest.raises(DamagedDataError, match="test_batch was refused because it would run code"):
        official(tmp_path).load("test")
    assert not marker.exists()


def test_a_name_in_a_pickle_cannot_break_the_line_of_the_error(tmp_path: Path) -> None:
    (tmp_path / "test_batch").write_bytes(pickle.PROTO + b"\x04\x8c\x09os\n\x1b[31m!\x8c\x06system\x93.")
    with pytest.raises(DamagedDataError, match="would run code") as caught:
        official(tmp_path).load("test")
    assert str(caught.value).isprintable()


def test_a_pickle_damaged_anywhere_is_read_or_refused_and_never_a_traceback(tmp_path: Path) -> None:
    good = pickle.dumps(dict(zip(("data", "labels"), drawn(2), strict=True)), protocol=2)
    head, rng, path = 400, np.random.default_rng(0), tmp_path / "data_batch_1"
    refused: list[str] = []
    for _ in range(400):
        damaged = bytearray(good)
        for place in rng.integers(-40, head, 2):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read_batch(path)
        except DamagedDataError as error:
            refused.append(str(error))
    assert len(refused) > 100
    assert all(str(path) in message for message in refused)


PIXELS, LABELS = drawn(2)
PICKLED = python_2_pickle(PIXELS, LABELS)


def pickled(**batch: Any) -> bytes:
    return pickle.dumps(batch, protocol=4)


DAMAGED = {
    "a cut binary file": (".bin", records(PIXELS, LABELS)[:-1], "6145 bytes, not whole records of 3073"),
    "an empty binary file": (".bin", b"", "0 bytes"),
    "a binary file with a wrong label": (".bin", records(PIXELS, [3, 10]), "record 1 has the label 10"),
    "a web page": (".bin", b"<html>not found</html>", "not whole records"),
    "a cut pickle": ("", PICKLED[:-100], "is no batch of CIFAR-10"),
    "an empty pickle": ("", b"", "is no batch of CIFAR-10"),
    "a web page as pickle": ("", b"<html>not found</html>", "is no batch of CIFAR-10"),
    "no dict": ("", pickle.dumps([1, 2]), "is no batch of CIFAR-10"),
    "no labels": ("", pickled(data=PIXELS), "'labels'"),
    "fine labels alone, of CIFAR-100": ("", pickled(data=PIXELS, fine_labels=LABELS), "'labels'"),
    "a label too few": ("", pickled(data=PIXELS, labels=LABELS[:1]), "does not hold data uint8 (n, 3072) and n labels"),
    "labels of a wrong form": ("", pickled(data=PIXELS, labels=[[1], [2]]), "and n labels"),
    "labels of two lengths": ("", pickled(data=PIXELS, labels=[[1], [2, 3]]), "and n labels"),
    "one number for labels": ("", pickled(data=PIXELS[:1], labels=1), "and n labels"),
    "labels that are no whole numbers": ("", pickled(data=PIXELS, labels=[0.5, 1.5]), "and n labels"),
    "labels that are words": ("", pickled(data=PIXELS, labels=["cat", "dog"]), "and n labels"),
    "no records": ("", pickled(data=PIXELS[:0], labels=[]), "and n labels"),
    "a negative label": ("", pickled(data=PIXELS, labels=[0, -1]), "record 1 has the label -1"),
    "too great a label": ("", pickled(data=PIXELS, labels=[10, 0]), "record 0 has the label 10"),
    "pixels of another type": ("", pickled(data=PIXELS.astype(np.float32), labels=LABELS), "data uint8"),
    "pixels of another size": ("", pickled(data=PIXELS[:, :784], labels=LABELS), "(n, 3072)"),
    "pixels as a list": ("", pickled(data=PIXELS.tolist(), labels=LABELS), "data uint8"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_batches_are_an_error_that_names_the_file(tmp_path: Path, damage: str) -> None:
    suffix, content, words = DAMAGED[damage]
    path = tmp_path / f"test_batch{suffix}"
    path.write_bytes(content)
    with pytest.raises(DamagedDataError, match=re.escape(words)) as caught:
        official(tmp_path).load("test")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(("suffix", "form"), [("", python_2_pickle), (".bin", records)])
def test_a_missing_batch_is_named(tmp_path: Path, suffix: str, form: Callable[..., bytes]) -> None:
    folder = write_all(tmp_path / "batches", form, suffix)
    (folder / f"data_batch_3{suffix}").unlink()
    (folder / f"test_batch{suffix}").unlink()
    with pytest.raises(DataUnavailableError, match=re.escape(f"{folder / 'data_batch_3'}{suffix} not found")):
        official(tmp_path).load("train")
    with pytest.raises(DataUnavailableError, match=r"holds no test_batch\.bin \(nor test_batch"):
        official(tmp_path).load("test")


def test_batches_in_two_folders_are_refused_also_if_one_lacks_a_batch(tmp_path: Path) -> None:
    (write_all(tmp_path / "a", records, ".bin") / "data_batch_3.bin").unlink()
    whole = write_all(tmp_path / "b", python_2_pickle)
    with pytest.raises(
        DamagedDataError, match=r"holds two data sets, .*a/data_batch_1\.bin and .*b/data_batch_1: give"
    ):
        official(tmp_path).load("train")
    assert len(official(whole).load("train")["y"])


def test_batches_of_one_class_are_refused(tmp_path: Path) -> None:
    for number in range(1, 6):
        pixels = np.full((2, 3072), number, np.uint8)
        (tmp_path / f"data_batch_{number}.bin").write_bytes(records(pixels, [7, 7]))
    with pytest.raises(DamagedDataError, match="train: all 10 labels are class 7, so nothing can be learned"):
        official(tmp_path).load("train")


def test_pictures_of_cifar_are_turned_upright_and_a_folder_validation_is_val(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "validation", "test"):
        for name in CLASSES:
            (tmp_path / split / name).mkdir(parents=True)
            Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(tmp_path / split / name / "0.png")
    turned, exif = tmp_path / "validation/airplane/0.png", Image.Exif()
    exif[0x0112] = 6
    upright = np.asarray(Image.open(turned))
    Image.fromarray(np.ascontiguousarray(np.rot90(upright))).save(turned, exif=exif)
    columns = pictures(tmp_path).load("val")
    assert columns["y"].tolist() == list(range(10))
    assert np.array_equal(columns["x"][0], upright.transpose(2, 0, 1))


def test_links_that_lead_in_a_circle_are_no_trap(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(DataUnavailableError, match="at any depth"):
        official(tmp_path).load("test")


def test_a_batch_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_all(tmp_path / "batches", records, ".bin")

    def refuse(path: str, *_: object) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)  # root may read all files, so modes would not do
    with pytest.raises(DataUnavailableError, match=re.escape(f"{folder / 'data_batch_1.bin'} may not be read")):
        official(tmp_path).load("train")


def test_an_empty_folder_says_what_it_must_hold(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match=r"data_batch_1\.bin, .*data_batch_5\.bin, test_batch\.bin"):
        official(tmp_path).load("train")
    with pytest.raises(DataUnavailableError, match=r"must hold \{train,test\}/<class>"):
        pictures(tmp_path).load("train")


def test_each_form_sends_the_other_to_its_data_set(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    with pytest.raises(DataUnavailableError, match="use --dataset cifar10-images"):
        official(tmp_path).load("train")
    with pytest.raises(DataUnavailableError, match="use --dataset cifar10"):
        pictures(write_all(tmp_path / "batches", records, ".bin")).load("train")


def test_there_is_no_val_split_of_the_datas_own(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    for dataset in (official(tmp_path), pictures(tmp_path)):
        with pytest.raises(UnknownSplitError):
            dataset.load("val")


def write_pictures(root: Path, size: tuple[int, int] = (32, 32)) -> None:
    """One picture for each split and class, of one colour: red is ten times the class's number."""
    for split in ("train", "test"):
        for label, name in enumerate(OFFICIAL):
            (root / split / name).mkdir(parents=True)
            Image.new("RGB", size, (10 * label, 0, 7)).save(root / split / name / "0.png")


def test_pictures_are_labelled_in_the_official_order(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    ours = pictures(tmp_path).load("train")
    assert ours["x"].shape == (10, 3, 32, 32)
    assert ours["x"][:, 0, 5, 5].tolist() == [10 * label for label in range(10)]
    assert ours["y"].tolist() == list(range(10))


def test_a_picture_of_another_size_is_named(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    odd = tmp_path / "test" / "frog" / "1.png"
    Image.new("RGB", (32, 31)).save(odd)
    pictures(tmp_path).load("train")
    with pytest.raises(DamagedDataError, match=re.escape(f"{odd} is 32x31 pixels, not 32x32")):
        pictures(tmp_path).load("test")


def test_a_cut_picture_is_named(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    cut = tmp_path / "test" / "frog" / "0.png"
    cut.write_bytes(cut.read_bytes()[:60])
    with pytest.raises(DamagedDataError, match=re.escape(f"{cut} cannot be read as a picture")):
        pictures(tmp_path).load("test")


def test_other_classes_than_the_ten_are_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    (tmp_path / "train" / "frog").rename(tmp_path / "train" / "toad")
    (tmp_path / "test" / "ship" / "0.png").unlink()
    with pytest.raises(DamagedDataError, match="unknown: toad"):
        pictures(tmp_path).load("train")
    with pytest.raises(DataUnavailableError, match="ship holds no pictures"):
        pictures(tmp_path).load("test")


@pytest.mark.data
def test_real_pictures_are_read_as_torchvision_reads_them(test_data: Path, tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder

    with zipfile.ZipFile(test_data / "cifar10.zip") as archive:
        for split in ("train", "test"):
            for name in OFFICIAL:
                for number in range(0, 500, 50):
                    archive.extract(f"cifar10/{split}/{name}/{number:04}.jpg", tmp_path)
    for split in ("train", "test"):
        reference = ImageFolder(str(tmp_path / "cifar10" / split))
        ours = pictures(tmp_path).load(split)
        assert len(reference) == len(ours["x"]) == 100
        assert np.array_equal(ours["x"].transpose(0, 2, 3, 1), np.stack([np.asarray(image) for image, _ in reference]))
        assert ours["y"].tolist() == reference.targets
        assert reference.classes == list(CLASSES)


@pytest.mark.data
def test_the_real_archive_holds_the_official_counts(test_data: Path) -> None:
    with zipfile.ZipFile(test_data / "cifar10.zip") as archive:
        folders = [tuple(name.split("/")[1:3]) for name in archive.namelist() if name.endswith(".jpg")]
    for name in OFFICIAL:
        assert (folders.count(("train", name)), folders.count(("test", name))) == (5000, 1000)
