"""Batches on the device: a split is moved there once if it fits, otherwise its examples are copied for each batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from zoo_core.columns import Array, Ragged, Split
from zoo_core.measure.devices import free_bytes, has_float64

Batch: TypeAlias = dict[str, Tensor]  # column name -> values (batch, ...)

MAX_FREE_MEMORY_SHARE = 0.5  # of the device, for one split
BLOCK_BYTES = 1 << 20  # of batches gathered at once: they stay in a cache, and their memory is used again
# Where a batch begins in a block. The sums of a matrix product may depend on the alignment of its inputs, and torch
# tells the libraries alignments up to this one.
ALIGNMENT = 256


class DeviceSplit:
    """A split as tensors on a device. On the CPU they share the memory-mapped files, so a large split costs no memory.

    Columns of numbers become tensors, and ragged columns are padded per batch; columns of text are left out.
    size: the number of examples.

    >>> import numpy as np
    >>> split = DeviceSplit(Split({"x": np.arange(10.0).reshape(5, 2), "y": np.arange(5)}), "cpu")
    >>> split.first(2)["y"].tolist()
    [0, 1]
    >>> [len(batch["y"]) for batch in split.in_order(2)]
    [2, 2, 1]
    """

    def __init__(self, split: Split, device: str) -> None:
        self.device = torch.device(device)
        self.size = len(split)
        stacked = {name: column for name, column in split.columns.items() if not isinstance(column, Ragged)}
        self._ragged = {name: column for name, column in split.columns.items() if isinstance(column, Ragged)}
        numbers = {name: column for name, column in stacked.items() if column.dtype.kind in "biuf"}
        columns = {name: _movable(column, self.device) for name, column in numbers.items()}
        need = sum(column.numel() * column.element_size() for column in columns.values())
        self._home = self.device if need <= MAX_FREE_MEMORY_SHARE * free_bytes(self.device) else torch.device("cpu")
        self._columns = {name: column.to(self._home) for name, column in columns.items()}
        self._rows = None if split.rows is None else torch.from_numpy(split.rows).to(self._home)
        self._convert: Callable[[Batch], Batch] | None = None
        self._example_bytes = _example_bytes(columns)

    def converted(self, convert: Callable[[Batch], Batch]) -> DeviceSplit:
        """Return the same split, with batches as `convert` returns them.

        convert: gets several batches as one, because one large operation is faster than many small ones. So it must
            treat each example alone, and keep their order.
        """
        other = copy.copy(self)
        other._convert = convert
        other._example_bytes = _example_bytes(convert(self.first(1)))
        return other

    def __len__(self) -> int:
        return self.size

    def batch(self, index: Tensor, rows: Sequence[int] | None = None) -> Batch:
        """Gather rows of the columns onto the device.

        index: int64 (batch,), on the device that holds the columns; most callers use `at`, which numbers the examples
            of the split instead of rows. rows: the same numbers, where they are known without waiting for the device.
        A ragged column `x` becomes `x` (batch, longest, ...), padded with zeros, and `x_lengths`, int64 (batch,).
        """
        batch = {name: column.index_select(0, index) for name, column in self._columns.items()}  # 6x column[index]
        if self._ragged and rows is None:
            rows = index.tolist()
        for name, column in self._ragged.items():
            examples = [_movable(column[row], self.device) for row in rows or ()]
            batch[name] = pad_sequence(examples, batch_first=True)
            batch[f"{name}_lengths"] = torch.tensor([len(example) for example in examples])
        if self._home == self.device and not self._ragged:
            return batch
        return {name: values.to(self.device, non_blocking=True) for name, values in batch.items()}

    def first(self, count: int) -> Batch:
        """Return a batch of the first `count` examples; a smaller split is repeated."""
        return self.at(torch.arange(count) % self.size)

    def at(self, numbers: Tensor) -> Batch:
        """Return a batch of the examples with these numbers, int64 (batch,), counted in the order of the split."""
        return next(self._batches(numbers.to(self._home), len(numbers)))

    def shuffled(self, batch_size: int, generator: torch.Generator | None) -> Iterator[Batch]:
        """Yield batches without end, in a new random order each epoch.

        The last batch of an epoch may be smaller. It is never a single example, on which BatchNorm cannot train: a
        single last example joins the batch before.
        """
        while True:
            order = torch.randperm(self.size, generator=generator, device=self.device).to(self._home)
            whole = (self.steps(batch_size) - 1) * batch_size
            if whole:
                yield from self._batches(order[:whole], batch_size)
            yield self.at(order[whole:])

    def steps(self, batch_size: int) -> int:
        """Return the number of batches in one epoch of `shuffled`."""
        alone = self.size % batch_size == 1 and 1 < batch_size < self.size
        return self.size // batch_size if alone else -(-self.size // batch_size)

    def in_order(self, batch_size: int) -> Iterator[Batch]:
        """Yield batches with every example once, in the order of the split."""
        yield from self._batches(torch.arange(self.size, device=self._home), batch_size)

    def _batches(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        rows = order if self._rows is None else self._rows[order]
        convert = self._convert or (lambda batch: batch)
        if self._ragged or not self._columns:  # padded to the longest of each batch
            numbers = rows.tolist()  # waits for the device, once instead of for each batch
            for number, index in enumerate(torch.split(rows, batch_size)):
                begin = number * batch_size
                yield convert(self.batch(index, numbers[begin : begin + batch_size]))
            return
        at_once = max(1, BLOCK_BYTES // max(1, self._example_bytes * batch_size))
        for index in torch.split(rows, batch_size * at_once):
            yield from _parts(convert(self.batch(index)), batch_size)


def _parts(block: Batch, batch_size: int) -> Iterator[Batch]:
    """Split a block into its batches, each as aligned as a tensor of its own."""
    columns = [_aligned_parts(values, batch_size) for values in block.values()]
    return (dict(zip(block, parts, strict=True)) for parts in zip(*columns, strict=True))


def _aligned_parts(values: Tensor, batch_size: int) -> Sequence[Tensor]:
    parts = values.unsafe_split(batch_size)  # no views for autograd: a model may change its inputs in place
    if len(parts) > 1 and values.stride(0) * values.element_size() * batch_size % ALIGNMENT:
        return [part.clone() for part in parts]
    return parts


def _example_bytes(columns: Batch) -> int:
    return sum(values[:1].numel() * values.element_size() for values in columns.values())


def _movable(array: Array, device: torch.device) -> Tensor:
    """Return an array as a tensor of the CPU, of a type that the device has."""
    tensor = torch.from_numpy(array)
    return tensor if tensor.dtype != torch.float64 or has_float64(device) else tensor.float()
