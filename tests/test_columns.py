"""Columns on disk: what is saved is loaded, without pickle, and a reader cannot change the files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from zoo_core.columns import Columns, Ragged, Split, length, load, save
from zoo_core.errors import DataError

DTYPES = st.sampled_from([np.uint8, np.int32, np.int64, np.float16, np.float32, np.float64, np.bool_, "U3"])
SHAPES = arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)
STACKED = arrays.arrays(DTYPES, SHAPES)
SOME = settings(max_examples=25, deadline=None)


def saved_and_loaded(columns: Columns) -> Columns:
    with tempfile.TemporaryDirectory() as folder:
        save(columns, Path(folder) / "split")
        loaded = load(Path(folder) / "split")
        return {
            name: Ragged(column.values.copy(), column.offsets) if isinstance(column, Ragged) else column.copy()
            for name, column in loaded.items()
        }


def ragged(*examples: list[float]) -> Ragged:
    values = np.asarray([value for example in examples for value in example], dtype=np.float32)
    return Ragged(values, np.cumsum([0, *map(len, examples)]))


@SOME
@given(STACKED)
def test_a_stacked_column_is_loaded_as_it_was_saved(array: np.ndarray[Any, Any]):
    loaded = saved_and_loaded({"x": array})["x"]
    assert isinstance(loaded, np.ndarray)
    assert (loaded.dtype, loaded.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(loaded, array)


@SOME
@given(arrays.arrays(np.float32, st.tuples(st.integers(0, 20), st.integers(1, 3))), st.lists(st.integers(0, 20)))
def test_a_ragged_column_is_loaded_as_it_was_saved(values: np.ndarray[Any, Any], cuts: list[int]):
    offsets = np.asarray([0, *sorted(min(cut, len(values)) for cut in cuts), len(values)], dtype=np.int64)
    loaded = saved_and_loaded({"boxes": Ragged(values, offsets)})["boxes"]
    assert isinstance(loaded, Ragged)
    np.testing.assert_array_equal(loaded.values, values)
    np.testing.assert_array_equal(loaded.offsets, offsets)


def test_columns_of_both_forms_are_kept_apart_by_name():
    loaded = saved_and_loaded({"x": np.arange(2), "boxes": ragged([1.0], [2.0, 3.0]), "y": np.ones((2, 1))})
    assert set(loaded) == {"x", "boxes", "y"}
    assert isinstance(loaded["boxes"], Ragged)


def test_a_column_whose_name_has_a_dot_is_kept_or_refused():
    try:
        loaded = saved_and_loaded({"a.b": np.arange(3), "a": np.arange(4, 7)})
    except DataError:
        return
    assert {name: list(column) for name, column in loaded.items()} == {"a.b": [0, 1, 2], "a": [4, 5, 6]}


def test_the_examples_of_a_ragged_column_have_their_own_lengths():
    column = ragged([1.0, 2.0], [], [3.0])
    assert len(column) == 3
    assert [list(column[index]) for index in range(3)] == [[1.0, 2.0], [], [3.0]]


def test_a_loaded_column_is_a_memory_map(tmp_path: Path):
    save({"x": np.arange(5)}, tmp_path / "split")
    assert isinstance(load(tmp_path / "split")["x"], np.memmap)


def test_writing_to_a_loaded_column_does_not_change_the_files(tmp_path: Path):
    save({"x": np.arange(5)}, tmp_path / "split")
    loaded = load(tmp_path / "split")["x"]
    assert isinstance(loaded, np.memmap)
    loaded[:] = 9
    loaded.flush()
    assert list(load(tmp_path / "split")["x"]) == [0, 1, 2, 3, 4]


def test_objects_are_not_saved(tmp_path: Path):
    with pytest.raises((ValueError, DataError)):
        save({"x": np.asarray([{"a": 1}, None], dtype=object)}, tmp_path / "split")


def test_a_pickle_on_disk_is_not_loaded(tmp_path: Path):
    np.save(tmp_path / "x.npy", np.asarray([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises((ValueError, DataError)):
        load(tmp_path)


def test_a_folder_that_is_there_is_not_written_into(tmp_path: Path):
    with pytest.raises(FileExistsError):
        save({"x": np.arange(3)}, tmp_path)


def test_the_length_is_that_of_every_column():
    assert length({"x": np.zeros((4, 2)), "boxes": ragged([], [], [1.0], [])}) == 4
    assert length({"x": np.zeros((0, 2))}) == 0


@given(st.lists(st.integers(0, 6), min_size=2, max_size=4))
@SOME
def test_columns_of_unequal_length_are_refused_with_their_lengths(sizes: list[int]):
    columns = {f"c{number}": np.zeros(size) for number, size in enumerate(sizes)}
    if len(set(sizes)) == 1:
        assert length(columns) == sizes[0]
        return
    with pytest.raises(DataError, match=f"'c0': {sizes[0]}, 'c1': {sizes[1]}"):
        length(columns)


def test_no_columns_are_refused():
    with pytest.raises(DataError, match="these have none"):
        length({})


def test_a_split_is_as_long_as_its_rows_or_else_its_columns():
    columns = {"x": np.arange(10)}
    assert len(Split(columns)) == 10
    assert len(Split(columns, np.asarray([1, 5]))) == 2
