"""Batches on the device: a split is moved there once where it fits, else each batch is gathered and copied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from zoo_core.columns import Ragged, Split

Batch: TypeAlias = dict[str, Tensor]

SHARE = 0.5  # of the device's free memory that a split may take
UNKNOWN_FREE = 1 << 30  # bytes taken as free where a device does not tell


class DeviceSplit:
    """A split as tensors; on the CPU they share the memory-mapped files, so a large split costs no memory."""

    def __init__(self, split: Split, device: str) -> None:
        self.device = torch.device(device)
        self.size = len(split)
        stacked = {name: column for name, column in split.columns.items() if not isinstance(column, Ragged)}
        self._ragged = {name: column for name, column in split.columns.items() if isinstance(column, Ragged)}
        columns = {name: torch.from_numpy(column) for name, column in stacked.items() if column.dtype.kind in "biuf"}
        need = sum(column.numel() * column.element_size() for column in columns.values())
        self._home = self.device if need <= SHARE * _free_bytes(self.device) else torch.device("cpu")
        self._columns = {name: column.to(self._home) for name, column in columns.items()}
        self._rows = None if split.rows is None else torch.from_numpy(split.rows).to(self._home)

    def __len__(self) -> int:
        return self.size

    def batch(self, index: Tensor) -> Batch:
        """The examples at `index`, rows of the columns and where they are, as tensors on the device.

        A ragged column `x` becomes `x` (batch, longest, ...), padded with zeros, and `x_lengths` (batch,).
        """
        batch = {name: column.index_select(0, index) for name, column in self._columns.items()}  # 6x column[index]
        for name, column in self._ragged.items():
            examples = [torch.from_numpy(column[row]) for row in index.tolist()]
            batch[name] = pad_sequence(examples, batch_first=True)
            batch[f"{name}_lengths"] = torch.tensor([len(example) for example in examples])
        if self._home == self.device and not self._ragged:
            return batch
        return {name: values.to(self.device, non_blocking=True) for name, values in batch.items()}

    def first(self, count: int) -> Batch:
        """The first `count` examples, from the start again where there are fewer."""
        return self.at(torch.arange(count) % self.size)

    def at(self, numbers: Tensor) -> Batch:
        """The examples with these numbers, int (n,), in the split's order."""
        return next(self._batches(numbers.to(self._home), len(numbers)))

    def shuffled(self, batch_size: int, generator: torch.Generator | None) -> Iterator[Batch]:
        """Batches without end, a new order each epoch; an epoch's last batch may be short, but is never one example.

        BatchNorm cannot train on one: it then joins the batch before it.
        """
        while True:
            order = torch.randperm(self.size, generator=generator, device=self.device).to(self._home)
            whole = (self.steps(batch_size) - 1) * batch_size
            if whole:
                yield from self._batches(order[:whole], batch_size)
            yield self.at(order[whole:])

    def steps(self, batch_size: int) -> int:
        """How many batches an epoch of `shuffled` has."""
        alone = self.size % batch_size == 1 and 1 < batch_size < self.size
        return self.size // batch_size if alone else -(-self.size // batch_size)

    def in_order(self, batch_size: int) -> Iterator[Batch]:
        """Every example once, in the split's order."""
        yield from self._batches(torch.arange(self.size, device=self._home), batch_size)

    def _batches(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        rows = order if self._rows is None else self._rows[order]
        for index in torch.split(rows, batch_size):
            yield self.batch(index)


def _free_bytes(device: torch.device) -> float:
    if device.type == "cpu":
        return float("inf")  # nothing is copied
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    return UNKNOWN_FREE
