"""Opening data: decoded once, val by the rule, test sealed, and no half-made folder after an error."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from zoo_core.data import accounting
from zoo_core.data import open as opening
from zoo_core.data.locate import fingerprint
from zoo_core.data.open import OpenData, open_data
from zoo_core.data.splits import held_out_rows
from zoo_core.errors import DamagedDataError, DataError, SealedSplitError, UnknownSplitError
from zoo_core.protocols import Context
from zoo_core.specs import DatasetSpec, Download, Signature

Splits = Mapping[str, Any]
POINT = Signature(input_shape=(2,), outputs=1, classes=("a", "b"), extra={"unit": "m"})
SPEC = DatasetSpec(
    name="d", title="", origin="exact", licence="", signature=POINT, entry="fake:Fake", version=3, plugin="zoo-x"
)
REAL = replace(SPEC, origin="real")


class Fake:
    """A data set of given splits that counts how often it is made and read; an exception in place of one is raised."""

    def __init__(self, splits: Splits, signature: Signature = POINT) -> None:
        self.splits, self.signature = splits, signature
        self.made: list[Context] = []
        self.loaded: list[str] = []

    def __call__(self, ctx: Context) -> Fake:
        self.made.append(ctx)
        return self

    def load(self, split: str) -> Any:
        self.loaded.append(split)
        if split not in self.splits:
            raise UnknownSplitError(split)
        if isinstance(self.splits[split], Exception):
            raise self.splits[split]
        return self.splits[split]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Fake]:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))

    def put(splits: Splits, signature: Signature = POINT) -> Fake:
        fake = Fake(splits, signature)
        monkeypatch.setattr(opening, "resolve_entry", lambda entry: {"fake:Fake": fake}[entry])
        return fake

    return put


def numbers(count: int, first: int = 0) -> dict[str, Any]:
    x = np.arange(first, first + 2 * count, dtype=np.float32).reshape(count, 2)
    return {"x": x, "y": x.sum(axis=1)}


def opened(fingerprint: str = "f" * 32, **changes: Any) -> OpenData:
    return open_data(SPEC, Context(**changes), fingerprint)


def column(data: OpenData, split: str, name: str = "x", *, holdout: bool = True) -> Any:
    found = data.split(split, holdout=holdout)
    return found.columns[name] if found.rows is None else found.columns[name][found.rows]


OWN_VAL = {"train": numbers(20), "val": numbers(4, 100), "test": numbers(6, 200)}
NO_VAL = {"train": numbers(20), "test": numbers(6, 200)}


def test_data_are_decoded_once_and_opened_from_the_cache_then(install: Callable[..., Fake]):
    fake = install(OWN_VAL)
    first = opened()
    again = opened()
    assert (len(fake.made), fake.loaded) == (1, ["train", "val", "test"])
    assert again.signature == first.signature
    assert again.sizes == first.sizes == {"train": 20, "val": 4, "test": 6}
    np.testing.assert_array_equal(column(again, "train"), OWN_VAL["train"]["x"])


def test_other_data_are_decoded_anew(install: Callable[..., Fake]):
    fake = install(OWN_VAL)
    opened("a" * 32)
    opened("b" * 32)
    assert len(fake.made) == 2


def test_a_change_in_a_module_that_the_loader_imports_decodes_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "zoo_decoded").mkdir()
    formats, loader = (tmp_path / "zoo_decoded" / f"{name}.py" for name in ("formats", "data"))
    loader.write_text("from zoo_decoded.formats import read\n")
    formats.write_text("read = 1\n")
    spec = replace(SPEC, entry="zoo_decoded.data:Loader")
    fake = Fake(OWN_VAL)
    monkeypatch.setattr(opening, "resolve_entry", lambda entry: fake)
    for times, text in ((1, "read = 1\n"), (2, "read = 2\n"), (2, "read = 1\n")):
        formats.write_text(text)
        open_data(spec, Context(), "f" * 32)
        assert len(fake.made) == times


def test_the_loader_gets_its_dataset_and_root(install: Callable[..., Fake], tmp_path: Path):
    fake = install(OWN_VAL)
    opened(data_root=tmp_path, offline=True)
    [ctx] = fake.made
    assert (ctx.dataset, ctx.data_root, ctx.offline) == (SPEC, tmp_path, True)


def test_the_signature_of_a_dataset_survives_the_cache(install: Callable[..., Fake]):
    install(OWN_VAL)
    assert opened().signature == opened().signature == POINT


def test_datas_own_val_is_used_where_there_is_one(install: Callable[..., Fake]):
    install(OWN_VAL)
    data = opened()
    for holdout in (True, False):
        np.testing.assert_array_equal(column(data, "train", holdout=holdout), OWN_VAL["train"]["x"])
        np.testing.assert_array_equal(column(data, "val", "y", holdout=holdout), OWN_VAL["val"]["y"])
        assert data.examples(holdout=holdout) == {"train": 20, "val": 4, "test": 6}


def test_otherwise_val_is_held_out_of_train(install: Callable[..., Fake]):
    install(NO_VAL)
    data = opened()
    rows = held_out_rows(NO_VAL["train"])
    np.testing.assert_array_equal(column(data, "val"), NO_VAL["train"]["x"][rows])
    np.testing.assert_array_equal(column(data, "train"), np.delete(NO_VAL["train"]["x"], rows, axis=0))
    assert data.examples() == {"train": 18, "val": 2, "test": 6}
    assert len(data.split("train")) == 18
    assert len(data.split("val")) == 2


def test_without_a_holdout_all_rows_are_trained_on_and_there_is_no_val(install: Callable[..., Fake]):
    install(NO_VAL)
    data = opened()
    np.testing.assert_array_equal(column(data, "train", holdout=False), NO_VAL["train"]["x"])
    assert data.examples(holdout=False) == {"train": 20, "test": 6}


def test_the_test_split_is_sealed_until_it_is_unsealed(install: Callable[..., Fake]):
    install(OWN_VAL)
    data = opened()
    with pytest.raises(SealedSplitError, match="opened once, for the final score"):
        data.split("test")
    data.unseal()
    np.testing.assert_array_equal(column(data, "test"), OWN_VAL["test"]["x"])


def test_unsealing_one_view_leaves_another_sealed(install: Callable[..., Fake]):
    install(OWN_VAL)
    opened().unseal()
    with pytest.raises(SealedSplitError):
        opened().split("test")


@pytest.mark.parametrize("splits", [OWN_VAL, NO_VAL])
@pytest.mark.parametrize("name", ["valid", "", "TEST", "held_out", "../train"])
def test_the_error_for_an_unknown_split_lists_the_splits(name: str, splits: Splits, install: Callable[..., Fake]):
    install(splits)
    data = opened()
    data.unseal()
    with pytest.raises(UnknownSplitError, match=f"zoo-x:d has no split '{name}', only train, val, test"):
        data.split(name)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_an_empty_split_is_refused(split: str, install: Callable[..., Fake], tmp_path: Path):
    install({**OWN_VAL, split: numbers(0)})
    with pytest.raises(DataError, match=f"zoo-x:d: split {split} is empty"):
        opened()
    assert list((tmp_path / "cache" / "columns").iterdir()) == []


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_split_that_every_dataset_needs_may_not_be_missing(split: str, install: Callable[..., Fake]):
    install({name: columns for name, columns in OWN_VAL.items() if name != split})
    with pytest.raises(UnknownSplitError):
        opened()


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("error", [DamagedDataError("images.gz is cut"), RuntimeError("a defect"), MemoryError()])
def test_a_loader_that_raises_leaves_no_half_made_folder_and_can_be_tried_again(
    split: str, error: Exception, install: Callable[..., Fake], tmp_path: Path
):
    install({**OWN_VAL, split: error})
    with pytest.raises(type(error)):
        opened()
    assert list((tmp_path / "cache" / "columns").iterdir()) == []
    install(OWN_VAL)
    assert opened().sizes["train"] == 20


def test_columns_of_unequal_length_are_refused_and_leave_nothing(install: Callable[..., Fake], tmp_path: Path):
    install({**OWN_VAL, "test": {"x": np.zeros((3, 2)), "y": np.zeros(2)}})
    with pytest.raises(DataError, match="need one length"):
        opened()
    assert list((tmp_path / "cache" / "columns").iterdir()) == []


def test_if_another_trial_decodes_the_same_data_first_its_folder_is_used(install: Callable[..., Fake]):
    fake = install(OWN_VAL)

    def load(split: str) -> Any:
        if split == "test" and len(fake.made) == 1:
            opened()
        return OWN_VAL[split]

    fake.load = load  # type: ignore[method-assign]
    assert opened().sizes == {"train": 20, "val": 4, "test": 6}
    assert len(fake.made) == 2


def image_signature(channels: int) -> Signature:
    return Signature(input_shape=(channels, 4, 4), outputs=2)


@settings(max_examples=30, deadline=None)
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5))))
def test_the_channels_mean_and_deviation_are_numpys(images: np.ndarray[Any, Any]):
    found = opening._with_channel_statistics(image_signature(images.shape[1]), {"x": images})
    np.testing.assert_allclose(found.mean, (images / 255).mean(axis=(0, 2, 3)), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.std, (images / 255).std(axis=(0, 2, 3)), rtol=1e-7, atol=1e-9)


def test_the_channels_statistics_are_those_of_train_and_survive_the_cache(install: Callable[..., Fake]):
    black, white = np.zeros((10, 1, 2, 2), np.uint8), np.full((10, 1, 2, 2), 255, np.uint8)
    train = {"x": np.concatenate([black, white]), "group": np.arange(20)}
    install({"train": train, "test": {"x": white}}, image_signature(1))
    for data in (opened(), opened()):
        assert data.signature.mean == pytest.approx((0.5,))
        assert data.signature.std == pytest.approx((0.5,))


def test_statistics_that_a_dataset_states_are_kept(install: Callable[..., Fake]):
    stated = Signature(input_shape=(1, 2, 2), mean=(0.25,), std=(0.75,))
    images = {"x": np.arange(40, dtype=np.uint8).reshape(10, 1, 2, 2)}
    install({"train": images, "test": images}, stated)
    assert (opened().signature.mean, opened().signature.std) == ((0.25,), (0.75,))


def test_numbers_that_are_no_raw_images_have_no_channel_statistics(install: Callable[..., Fake]):
    install(OWN_VAL)
    assert (opened().signature.mean, opened().signature.std) == ((), ())


# what is left out


class Reading:
    """A data set of the text files of a folder that opens some of them by itself, as a plugin's loader may."""

    signature = POINT

    def __init__(self, read: Callable[[Context], None]) -> None:
        self.read = read

    def __call__(self, ctx: Context) -> Reading:
        self.ctx = ctx
        return self

    def load(self, split: str) -> Any:
        if split == "val":
            raise UnknownSplitError(split)
        self.read(self.ctx)
        return NO_VAL[split]


def left_out(
    root: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Context], None], spec: DatasetSpec = REAL
) -> dict[str, tuple[int, str]]:
    """Open a folder or archive twice, and return count and example by reason."""
    monkeypatch.setenv("ZOO_CACHE", str(root.parent / "cache"))
    monkeypatch.setattr(opening, "resolve_entry", lambda entry: Reading(read))
    first, second = (open_data(spec, Context(data_root=root), fingerprint(spec, root)).left_out() for _ in range(2))
    assert first == second  # also from the cache
    return {item.reason: (item.count, item.example) for item in first}


def write_files(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def read_train(ctx: Context) -> None:
    for path in sorted((ctx.folder() / "train").glob("*.txt")):
        path.read_text()


def test_files_that_a_loader_does_not_open_are_counted_by_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = write_files(tmp_path / "root", "train/0.txt", "train/1.txt", "train/a.csv", "more/0.txt", "more/1.txt")
    write_files(root, "train/.DS_Store", "README")
    assert left_out(root, monkeypatch, read_train) == {
        accounting.OTHER_FOLDER: (3, "README"),
        accounting.OTHER_KIND: (1, "train/a.csv"),
        "hidden or system file": (1, "train/.DS_Store"),
    }


def test_an_archive_reports_what_its_folder_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = write_files(tmp_path / "root", "train/0.txt", "train/a.csv", "more/0.txt", "train/.DS_Store")
    with zipfile.ZipFile(tmp_path / "root.zip", "w") as archive:
        for path in sorted(root.rglob("*.*")):
            archive.write(path, path.relative_to(root).as_posix())
    expected = left_out(root, monkeypatch, read_train)
    assert len(expected) == 3
    shutil.rmtree(tmp_path / "cache")
    assert left_out(tmp_path / "root.zip", monkeypatch, read_train) == expected


def test_a_loader_may_give_its_own_reasons_also_for_whole_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def read(ctx: Context) -> None:
        read_train(ctx)
        ctx.leave_out(ctx.folder() / "more", "of no use")
        ctx.leave_out(ctx.folder() / "train/1.txt", "no row in the table")  # opened, and not used
        ctx.leave_out(ctx.folder() / "absent.txt", "in the table, and not here")

    root = write_files(tmp_path / "root", "train/0.txt", "train/1.txt", "more/0.txt", "more/deep/1.txt")
    assert left_out(root, monkeypatch, read) == {
        "of no use": (2, "more/0.txt"),
        "no row in the table": (1, "train/1.txt"),
        "in the table, and not here": (1, "absent.txt"),
    }


def test_files_that_are_read_outside_of_python_are_not_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = write_files(tmp_path / "root", "train/0.txt", "more/a.h5", "named.h5")

    def read(ctx: Context) -> None:
        read_train(ctx)
        ctx.count_as_read(ctx.folder() / "more/a.h5")
        ctx.file("named.h5")

    assert left_out(root, monkeypatch, read) == {}
    shutil.rmtree(tmp_path / "cache")
    assert left_out(root, monkeypatch, lambda ctx: None) == {}


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")
def test_a_file_read_by_the_path_of_its_links_target_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_files(tmp_path / "disk", "0.txt")
    root = write_files(tmp_path / "root", "train/0.txt")
    (root / "far").symlink_to(tmp_path / "disk")
    (root / "again").symlink_to(root / "train")

    def read(ctx: Context) -> None:
        read_train(ctx)
        (ctx.folder() / "far/0.txt").read_text()

    assert left_out(root, monkeypatch, read) == {}


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")
def test_what_is_added_beside_decoded_data_is_reported_at_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = write_files(tmp_path / "root", "train/0.txt")
    assert left_out(root, monkeypatch, read_train) == {}
    (root / "train/1.txt").symlink_to("../.git/annex/1")
    assert left_out(root, monkeypatch, read_train) == {"link whose target is missing": (1, "train/1.txt")}


def test_files_beside_published_ones_are_reported_for_the_root_that_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root = write_files(tmp_path / "root", "a.txt")
    digest = hashlib.sha256(b"a.txt").hexdigest()
    spec = replace(REAL, downloads=(Download(name="a.txt", urls=("https://example.org/a",), sha256=digest),))
    assert left_out(root, monkeypatch, lambda ctx: None, spec) == {}
    write_files(root, "notes/b.txt")
    assert left_out(root, monkeypatch, lambda ctx: None, spec) == {accounting.NOT_PUBLISHED: (1, "notes/b.txt")}


def test_an_error_names_the_users_archive_and_not_where_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def read(ctx: Context) -> None:
        raise DamagedDataError(f"{ctx.folder() / 'train'} is empty")

    with zipfile.ZipFile(tmp_path / "root.zip", "w") as archive:
        archive.writestr("a.txt", "1")
    with pytest.raises(DamagedDataError, match=re.escape(f"{tmp_path / 'root.zip' / 'train'} is empty")):
        left_out(tmp_path / "root.zip", monkeypatch, read)


# A limit on train


def images(count: int, first: int = 0) -> dict[str, Any]:
    """Examples of classes 0, 1, 2 in turn, each with a number of its own."""
    return {"x": np.arange(first, first + count, dtype=np.float32).reshape(-1, 1), "y": np.arange(count) % 3}


def test_a_limit_keeps_a_few_of_each_class_of_train_and_leaves_val_and_test(install: Callable[..., Fake]):
    install({"train": images(60), "val": images(9, 100), "test": images(12, 200)})
    data = opened()
    data.limit_train(4, seed=0)
    data.unseal()
    assert np.bincount(column(data, "train", "y")).tolist() == [4, 4, 4]
    assert [len(data.split(name)) for name in ("val", "test")] == [9, 12]
    assert data.examples() == {"train": 12, "val": 9, "test": 12}
    data.limit_train(0, seed=0)
    assert data.examples() == {"train": 60, "val": 9, "test": 12}


def test_a_limit_never_takes_examples_that_are_held_out(install: Callable[..., Fake]):
    install({"train": images(60), "test": images(12, 200)})
    whole, data = opened(), opened()
    data.limit_train(5, seed=3)
    held_out = set(column(whole, "val").ravel())
    assert set(column(data, "val").ravel()) == held_out
    assert len(held_out) == 6
    assert not held_out & set(column(data, "train").ravel())
    assert set(column(data, "train").ravel()) <= set(column(whole, "train").ravel())
    assert data.examples() == {"train": 15, "val": 6, "test": 12}
    assert data.examples(holdout=False) == {"train": 15, "test": 12}


def test_a_limit_above_the_examples_of_every_class_keeps_train(install: Callable[..., Fake]):
    install({"train": images(60), "test": images(12, 200)})
    whole, data = opened(), opened()
    data.limit_train(1000, seed=0)
    assert np.array_equal(column(data, "train"), column(whole, "train"))


def test_another_seed_has_other_examples_and_the_same_seed_the_same(install: Callable[..., Fake]):
    install({"train": images(60), "test": images(12, 200)})
    chosen = []
    for seed in (0, 0, 1):
        data = opened()
        data.limit_train(5, seed)
        chosen.append(column(data, "train").ravel().tolist())
    assert chosen[0] == chosen[1] != chosen[2]
