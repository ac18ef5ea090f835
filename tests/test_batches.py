"""Batches on the device."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
import torch

from zoo_core.data import batches
from zoo_core.data.batches import DeviceSplit
from zoo_core.data.columns import Ragged, Split


def numbers(count: int, rows: list[int] | None = None) -> Split:
    columns = {"x": np.arange(count), "name": np.array(["text"] * count)}
    return Split(columns, None if rows is None else np.array(rows))


def test_an_epoch_is_every_example_once_in_a_new_order_with_a_short_last_batch() -> None:
    split = DeviceSplit(numbers(10), "cpu")
    stream = split.shuffled(4, torch.Generator().manual_seed(0))
    epochs = [[next(stream)["x"].tolist() for _ in range(3)] for _ in range(2)]
    for epoch in epochs:
        assert [len(batch) for batch in epoch] == [4, 4, 2]
        assert sorted(chain.from_iterable(epoch)) == list(range(10))
    assert epochs[0] != epochs[1]


def test_only_the_splits_own_rows_are_seen_and_in_order() -> None:
    split = DeviceSplit(numbers(6, rows=[1, 3, 5]), "cpu")
    assert len(split) == 3
    assert [batch["x"].tolist() for batch in split.in_order(2)] == [[1, 3], [5]]
    assert split.first(5)["x"].tolist() == [1, 3, 5, 1, 3]


def test_ragged_columns_are_padded_with_their_lengths_beside_them() -> None:
    ragged = Ragged(np.arange(6.0), np.array([0, 1, 3, 6]))
    batch = DeviceSplit(Split({"x": ragged, "y": np.arange(3)}), "cpu").first(3)
    assert batch["x"].tolist() == [[0, 0, 0], [1, 2, 0], [3, 4, 5]]
    assert batch["x_lengths"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("free", [1e9, 0.0])
def test_on_another_device_nothing_is_indexed_across_devices(monkeypatch: pytest.MonkeyPatch, free: float) -> None:
    """`meta` stands in for an accelerator: torch refuses to mix it with the CPU."""
    monkeypatch.setattr(batches, "_free_bytes", lambda device: free)
    split = DeviceSplit(numbers(6, rows=[1, 3, 5]), "meta")
    for batch in (split.first(2), next(split.in_order(2))):
        assert (batch["x"].device.type, len(batch["x"])) == ("meta", 2)
