"""Batches on the device."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
import torch
from torch import nn

from zoo_core.columns import Ragged, Split
from zoo_core.data import batches
from zoo_core.data.batches import DeviceSplit


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


def test_batches_hold_only_the_rows_of_the_split_in_order() -> None:
    split = DeviceSplit(numbers(6, rows=[1, 3, 5]), "cpu")
    assert len(split) == 3
    assert [batch["x"].tolist() for batch in split.in_order(2)] == [[1, 3], [5]]
    assert split.first(5)["x"].tolist() == [1, 3, 5, 1, 3]


def test_ragged_columns_are_padded_and_come_with_their_lengths() -> None:
    ragged = Ragged(np.arange(6.0), np.array([0, 1, 3, 6]))
    batch = DeviceSplit(Split({"x": ragged, "y": np.arange(3)}), "cpu").first(3)
    assert batch["x"].tolist() == [[0, 0, 0], [1, 2, 0], [3, 4, 5]]
    assert batch["x_lengths"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("free", [1e9, 0.0])
def test_on_another_device_nothing_is_indexed_across_devices(monkeypatch: pytest.MonkeyPatch, free: float) -> None:
    """`meta` stands in for an accelerator: torch refuses to mix it with the CPU."""
    monkeypatch.setattr(batches, "free_bytes", lambda device: free)
    split = DeviceSplit(numbers(6, rows=[1, 3, 5]), "meta")
    for batch in (split.first(2), next(split.in_order(2))):
        assert (batch["x"].device.type, len(batch["x"])) == ("meta", 2)


@pytest.mark.parametrize(("size", "batches"), [(8, [4, 4]), (9, [4, 5]), (10, [4, 4, 2]), (1, [1]), (3, [3])])
def test_the_last_batch_of_an_epoch_is_never_a_single_example_unless_there_is_but_one(
    size: int, batches: list[int]
) -> None:
    split = DeviceSplit(Split({"x": np.arange(size)}), "cpu")
    assert split.steps(4) == len(batches)
    shuffled = split.shuffled(4, torch.Generator().manual_seed(0))
    epoch = [next(shuffled)["x"] for _ in batches]
    assert [len(batch) for batch in epoch] == batches
    assert sorted(torch.cat(epoch).tolist()) == list(range(size))


def test_in_batches_of_one_every_example_comes_alone() -> None:
    split = DeviceSplit(Split({"x": np.arange(3)}), "cpu")
    assert split.steps(1) == 3
    shuffled = split.shuffled(1, None)
    assert sorted(next(shuffled)["x"].item() for _ in range(3)) == [0, 1, 2]


def test_a_device_without_float64_gets_float32_and_another_gets_what_the_data_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    columns = {"x": np.arange(4.0), "y": np.arange(4), "z": Ragged(np.arange(6.0), np.array([0, 1, 3, 4, 6]))}
    here = DeviceSplit(Split(columns), "cpu").first(2)
    assert [here[name].dtype for name in "xyz"] == [torch.float64, torch.int64, torch.float64]
    monkeypatch.setattr(batches, "has_float64", lambda device: False)
    there = DeviceSplit(Split(columns), "cpu").first(2)
    assert [there[name].dtype for name in "xyz"] == [torch.float32, torch.int64, torch.float32]
    assert there["x"].tolist() == here["x"].tolist()


# Blocks: many batches are gathered at once


def images(count: int, size: int = 28) -> Split:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (count, 1, size, size), np.uint8)
    return Split({"x": pixels, "y": random.integers(0, 10, count), "t": pixels[:, 0, :3, 0].astype(np.float32)})


@pytest.mark.parametrize("batch_size", [32, 7])
def test_the_batches_of_a_block_are_those_that_are_gathered_one_by_one(batch_size: int) -> None:
    data = images(200)
    shuffled = DeviceSplit(data, "cpu").shuffled(batch_size, torch.Generator().manual_seed(1))
    order = torch.randperm(200, generator=torch.Generator().manual_seed(1))
    for index in order.split(batch_size):
        batch = next(shuffled)
        for name, column in data.columns.items():
            assert torch.equal(batch[name], torch.from_numpy(column)[index])


def test_a_batch_in_a_block_begins_where_a_tensor_of_its_own_could(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a matrix product could sum in another order. 7 rows of 3 float32 are 84 bytes, which fit no alignment."""
    for batch in DeviceSplit(images(200), "cpu").in_order(7):
        for values in batch.values():
            block = values.untyped_storage().data_ptr()
            assert (values.data_ptr() - block) % batches.ALIGNMENT == 0


def test_a_block_has_a_limited_size(monkeypatch: pytest.MonkeyPatch) -> None:
    gathered = []
    gather = DeviceSplit.batch

    def spy(self: DeviceSplit, index: torch.Tensor, *rest: object) -> batches.Batch:
        gathered.append(len(index))
        return gather(self, index, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(DeviceSplit, "batch", spy)
    row = 28 * 28 + 8 + 3 * 4  # bytes
    for limit, sizes in ((100 * row, [90, 90, 20]), (row, [30] * 6 + [20]), (10**9, [200])):
        monkeypatch.setattr(batches, "BLOCK_BYTES", limit)
        gathered.clear()
        assert [len(batch["y"]) for batch in DeviceSplit(images(200), "cpu").in_order(30)] == [30] * 6 + [20]
        assert gathered == sizes
    monkeypatch.setattr(batches, "BLOCK_BYTES", 100 * row)
    gathered.clear()
    doubled = DeviceSplit(images(200), "cpu").converted(lambda block: {**block, "again": block["x"]})
    assert len(list(doubled.in_order(30))) == 7
    assert gathered == [1, 30, 30, 30, 30, 30, 30, 20]  # the first tells the size


def test_a_converted_split_gives_what_the_conversion_makes_of_each_batch() -> None:
    split = DeviceSplit(images(100), "cpu")
    halves = split.converted(lambda block: {"half": block["x"] / 2})
    for batch, raw in zip(halves.in_order(32), split.in_order(32), strict=True):
        assert batch.keys() == {"half"}
        assert torch.equal(batch["half"], raw["x"] / 2)


def test_a_model_may_change_its_inputs_in_place_by_a_parameter() -> None:
    """Batches of a block share memory: for autograd they must be strangers."""
    weight = nn.Parameter(torch.ones(3))
    for batch in DeviceSplit(images(100), "cpu").in_order(32):
        x = batch["t"]
        before = x.clone()
        x += weight
        x.sum().backward()
        assert torch.equal(x.detach(), before + 1)
    assert weight.grad is not None
    assert weight.grad.tolist() == [100.0] * 3
