"""The data sets: Omniglot's real pictures and official form, folders of classes, damaged files, and drawn glyphs."""

from __future__ import annotations

import shutil
import tarfile
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from zoo_metric_learning.classes import ClassFolder, chance_recall, hold_out, without
from zoo_metric_learning.data import ClassFolders, Omniglot
from zoo_metric_learning.datasets import DATASETS
from zoo_metric_learning.drawn import DrawnGlyphs, Size, invent_alphabet

from zoo_core import Context, DamagedDataError, DataUnavailableError, UnknownSplitError
from zoo_core.data.images import read_image
from zoo_core.data.open import data_context, open_data

SPECS = {spec.name: replace(spec, plugin="zoo-metric-learning") for spec in DATASETS}


def context(root: Path, name: str = "class-folders") -> Context:
    return data_context(SPECS[name], Context(data_root=root, offline=True))


def write_picture(path: Path, seed: int, *, side: int = 40, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(levels).convert(mode).save(path)


def write_classes(root: Path, counts: dict[str, int]) -> Path:
    for number, (name, count) in enumerate(counts.items()):
        for picture in range(count):
            write_picture(root / name / f"{picture}.png", seed=1000 * number + picture)
    return root


@pytest.fixture(scope="module")
def omniglot(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("omniglot")
    with tarfile.open(test_data / "omniglot.tar") as archive:
        archive.extractall(folder, filter="data")
    yield folder / "omniglot"
    shutil.rmtree(folder)


# Omniglot


def test_the_small_omniglot_is_split_by_alphabet(omniglot: Path) -> None:
    data = Omniglot(context(omniglot, "omniglot"))
    assert data.signature.extra == {
        "turns": 4,
        "train_classes": 4 * (22 + 24 + 40),
        "chance": {"recall_at_1": pytest.approx(19 / 519)},
    }
    splits = {split: data.load(split) for split in ("train", "val", "test")}
    counts = {split: len(columns["x"]) for split, columns in splits.items()}
    assert counts == {"train": 440 + 480 + 800, "val": 480, "test": 520}  # val: Balinese; test: Latin, the last one
    for columns in splits.values():
        assert columns["x"].shape[1:] == (1, 35, 35)
        assert np.bincount(columns["label"]).tolist() == [20] * len(np.unique(columns["label"]))
    home = omniglot / "omniglot-py" / "images_background"
    second = splits["test"]["x"][splits["test"]["label"] == 1, 0]
    files = [read_image(_latin(home, row), (35, 35), channels=1)[0] for row in range(20, 40)]
    assert sorted(image.tobytes() for image in second) == sorted(image.tobytes() for image in files)
    assert len(np.unique(splits["train"]["group"])) == 3
    with pytest.raises(UnknownSplitError):
        data.load("validation")


def _latin(home: Path, row: int) -> Path:
    return sorted((home / "Latin" / f"character{row // 20 + 1:02}").iterdir())[row % 20]


def test_an_official_evaluation_set_is_test(tmp_path: Path) -> None:
    for alphabet in range(4):
        write_classes(tmp_path / "omniglot-py/images_background" / f"A{alphabet}", {"character01": 3, "character02": 3})
    write_classes(tmp_path / "omniglot-py/images_evaluation/B0", {"character01": 2, "character02": 4})
    data = Omniglot(context(tmp_path, "omniglot"))
    sizes = {split: len(data.load(split)["x"]) for split in ("train", "val", "test")}
    assert sizes == {"train": 18, "val": 6, "test": 6}
    assert data.signature.extra["chance"]["recall_at_1"] == pytest.approx((2 * 1 + 4 * 3) / (6 * 5))


def test_an_alphabet_of_train_that_is_also_in_the_evaluation_set_is_refused(tmp_path: Path) -> None:
    for home in ("images_background/Greek", "images_background/Latin", "images_evaluation/Greek"):
        write_classes(tmp_path / home, {"character01": 3, "character02": 3})
    with pytest.raises(DamagedDataError, match="alphabet Greek is in images_background and in images_evaluation"):
        Omniglot(context(tmp_path, "omniglot"))


def test_the_order_of_the_examples_tells_nothing_about_their_classes(tmp_path: Path) -> None:
    for alphabet in range(3):
        write_classes(tmp_path / f"images_background/A{alphabet}", {f"character{n:02}": 4 for n in range(1, 9)})
    labels = Omniglot(context(tmp_path, "omniglot")).load("train")["label"]
    assert sorted(labels.tolist()) != labels.tolist()
    assert (labels[1:] == labels[:-1]).mean() < 0.3


def test_omniglot_without_its_folder_or_with_an_empty_character_is_refused(tmp_path: Path) -> None:
    write_picture(tmp_path / "notes.png", seed=0)
    with pytest.raises(DataUnavailableError, match="holds no images_background at any depth; it must hold, unpacked"):
        Omniglot(context(tmp_path, "omniglot"))
    write_classes(tmp_path / "images_background/Greek", {"character01": 2})
    (tmp_path / "images_background/Greek/character02").mkdir()
    with pytest.raises(DataUnavailableError, match=r"character02 holds no pictures: fill or remove it"):
        Omniglot(context(tmp_path, "omniglot"))


def test_without_files_and_without_a_network_omniglot_says_what_to_do() -> None:
    ctx = data_context(SPECS["omniglot"], Context(offline=True))
    with pytest.raises(DataUnavailableError, match=r"images_background\.zip.*give --data-root with a folder holding"):
        Omniglot(ctx)


def test_omniglot_with_too_few_alphabets_says_what_each_split_needs(tmp_path: Path) -> None:
    for alphabet in ("A", "B"):
        write_classes(tmp_path / "images_background" / alphabet, {"character01": 3, "character02": 3})
    with pytest.raises(DataUnavailableError, match="val would have 0 such classes of 0"):
        Omniglot(context(tmp_path, "omniglot"))


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    for alphabet in ("A", "B", "C"):
        write_classes(tmp_path / "images_background" / alphabet, {"character01": 3, "character02": 3})
    broken = tmp_path / "images_background/C/character02/1.png"
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(DamagedDataError, match=r"C/character02/1\.png cannot be read as a picture"):
        Omniglot(context(tmp_path, "omniglot")).load("test")


# folders of classes


def test_a_folder_is_split_by_class_the_same_way_whatever_the_order(tmp_path: Path) -> None:
    names = [f"person {number}" for number in range(12)]
    root = write_classes(tmp_path / "one", dict.fromkeys(names, 3))
    data = ClassFolders(context(root))
    splits = {split: data.load(split) for split in ("train", "val", "test")}
    assert {split: len(columns["x"]) for split, columns in splits.items()} == {"train": 21, "val": 6, "test": 9}
    assert splits["test"]["x"].shape[1:] == (3, 64, 64)
    pictures = [picture.tobytes() for columns in splits.values() for picture in columns["x"]]
    assert len(set(pictures)) == 36
    root = write_classes(tmp_path / "outer" / "inner", dict.fromkeys(names, 3)).parent  # an archive's outer folder
    assert np.array_equal(ClassFolders(context(root)).load("test")["x"], splits["test"]["x"])


def test_classes_with_one_picture_are_kept_and_never_counted_as_enough(tmp_path: Path) -> None:
    many = {f"alone {number}": 1 for number in range(30)} | {f"twice {number}": 2 for number in range(8)}
    data = ClassFolders(context(write_classes(tmp_path, many)))
    sizes = {}
    for split in ("train", "val", "test"):
        counts = np.bincount(data.load(split)["label"])
        sizes[split] = len(counts)
        assert split == "train" or (counts > 1).sum() >= 2
    assert sum(sizes.values()) == 38
    assert data.signature.extra["train_classes"] == sizes["train"]


def test_folders_of_splits_are_used_and_a_class_in_two_of_them_is_an_error(tmp_path: Path) -> None:
    write_classes(tmp_path / "Train", {f"a{number}": 2 for number in range(8)})
    write_classes(tmp_path / "test", {"z1": 2, "z2": 2, "z3": 1})
    data = ClassFolders(context(tmp_path))
    assert {split: len(data.load(split)["x"]) for split in ("train", "val", "test")} == {
        "train": 12,
        "val": 4,
        "test": 5,
    }
    write_classes(tmp_path / "valid", {"v1": 2, "v2": 3})
    assert len(ClassFolders(context(tmp_path)).load("val")["x"]) == 5
    write_classes(tmp_path / "test", {"a3": 1})
    with pytest.raises(DamagedDataError, match="class a3 is in train and in test; every class must be in one split"):
        ClassFolders(context(tmp_path))


def test_a_class_in_two_unicode_forms_is_the_same_class(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", {f"a{number}": 2 for number in range(8)} | {"Zo\u00eb": 2})
    write_classes(tmp_path / "test", {unicodedata.normalize("NFD", "Zo\u00eb"): 2, "z": 2})
    with pytest.raises(DamagedDataError, match="is in train and in test"):
        ClassFolders(context(tmp_path))


def test_too_few_classes_say_what_is_needed(tmp_path: Path) -> None:
    root = write_classes(tmp_path, {"one": 3, "two": 3, "three": 3})
    with pytest.raises(DataUnavailableError, match="holds too few classes for train, val and test: each needs 2"):
        ClassFolders(context(root))
    (root / "four").mkdir()
    with pytest.raises(DataUnavailableError, match="four holds no pictures: fill or remove it"):
        ClassFolders(context(root))


def test_what_is_no_picture_of_a_class_is_counted(tmp_path: Path) -> None:
    root = write_classes(tmp_path / "faces", {f"person {number}": 3 for number in range(12)})
    (root / "readme.txt").write_text("faces")
    (root / "person 1" / "name.txt").write_text("Anna")
    write_picture(root / "person 2" / "old" / "1.png", seed=9)
    opened = open_data(SPECS["class-folders"], context(root), "0" * 32)
    assert {item.reason: item.count for item in opened.left_out()} == {
        "a file beside the folders of the classes": 1,
        "no extension of a picture": 1,
        "in a folder inside the folder of a class": 1,
    }


SIZES = st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), max_size=8)  # of the classes of each group


@settings(max_examples=60)
@given(SIZES, st.sampled_from([0.1, 0.2]))
def test_held_out_groups_are_whole_and_enough_or_nothing_is_held_out(sizes: list[list[int]], share: float) -> None:
    classes = [
        ClassFolder(f"{group} {number}", [Path("picture.png")] * count, f"group {group}")
        for group, counts in enumerate(sizes)
        for number, count in enumerate(counts)
    ]
    held_out = hold_out(classes, share)
    assert held_out == hold_out(classes[::-1], share)
    names = {one.group for one in held_out}
    assert names.isdisjoint(one.group for one in without(classes, held_out))
    if held_out:
        assert len(names) < len(sizes)
        assert sum(len(one.paths) for one in held_out) >= share * sum(len(one.paths) for one in classes)
        assert sum(len(one.paths) > 1 for one in held_out) >= 2


def test_the_chance_level_is_the_share_of_right_pictures_among_all_others() -> None:
    assert chance_recall([2, 3, 1]) == pytest.approx((2 * 1 / 5 + 3 * 2 / 5) / 5)
    assert chance_recall([1, 1]) == 0.0


# drawn glyphs


class FewGlyphs(DrawnGlyphs):
    sizes = {
        "train": Size(alphabets=2, characters=4, hands=3),
        "val": Size(alphabets=1, characters=3, hands=3),
        "test": Size(alphabets=1, characters=5, hands=4),
    }


def test_glyphs_are_the_same_every_time_and_in_one_split_only() -> None:
    data: Any = FewGlyphs(Context())
    splits = {split: data.load(split) for split in data.sizes}
    assert {split: columns["x"].shape for split, columns in splits.items()} == {
        "train": (24, 1, 35, 35),
        "val": (9, 1, 35, 35),
        "test": (20, 1, 35, 35),
    }
    assert np.bincount(splits["test"]["label"]).tolist() == [4] * 5
    assert sorted(np.unique(splits["train"]["label"][splits["train"]["group"] == 1])) == [4, 5, 6, 7]
    assert np.array_equal(data.load("test")["x"], splits["test"]["x"])
    pictures = [picture.tobytes() for columns in splits.values() for picture in columns["x"]]
    assert len(set(pictures)) == 53
    assert data.signature.extra["train_classes"] == 4 * 8
    with pytest.raises(UnknownSplitError):
        data.load("train2")


def test_an_alphabet_has_different_characters_that_fill_their_box() -> None:
    found = invent_alphabet(np.random.default_rng(0), 12)
    assert len(found) == 12
    assert {len(strokes) for strokes in found} == {2, 3}
    for strokes in found:
        assert np.abs(strokes).max() == pytest.approx(0.8)
        assert strokes.max((0, 1)) == pytest.approx(-strokes.min((0, 1)))
