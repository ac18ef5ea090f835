"""Features of frozen backbones: a backbone without trainable parameters runs once over a split, not once per epoch.

This works for models with `backbone` and `head` and `forward(x) == head(backbone(x))`. The head is trained on the
features, the backbone's outputs. They are cached on disk as float16. The cache key is a hash of weights, code, data,
inputs and precision, so that the next seed reuses the features. Cached trials report the full cost.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import cast

import numpy as np
import psutil
import torch
from torch import Tensor, nn

from zoo_core.columns import Array, Ragged, Split
from zoo_core.data.batches import Batch, DeviceSplit
from zoo_core.files import new_folder
from zoo_core.protocols import Context

MAX_FREE_SHARE = 0.5  # of the free disk or memory: the limit for the features of one split
MAKING_PREFIX, COST_FILE = ".making-", "cost.json"


def frozen_backbone(model: nn.Module) -> nn.Module | None:
    """Return the model's backbone if the model also has a head, and the backbone has parameters but trains none."""
    backbone, head = getattr(model, "backbone", None), getattr(model, "head", None)
    if not isinstance(backbone, nn.Module) or not isinstance(head, nn.Module):
        return None
    parameters = list(backbone.parameters())
    return backbone if parameters and not any(item.requires_grad for item in parameters) else None


def is_head_of_backbone(model: nn.Module, example: Tensor) -> bool:
    """Whether forward(example) is head(backbone(example)), up to rounding."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        with torch.no_grad():
            model.eval()
            backbone, head = cast(nn.Module, model.backbone), cast(nn.Module, model.head)
            whole, parts = model(example), head(backbone(example))
    finally:
        for module, training in modes:
            module.training = training
    return whole.shape == parts.shape and bool(torch.allclose(whole, parts, rtol=1e-2, atol=1e-3))


def freeze_norm_and_dropout(model: nn.Module) -> None:
    """Put modules whose parameters are all frozen into evaluation mode, so that their norms and dropout stay fixed."""
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(item.requires_grad for item in parameters):
            module.eval()


@dataclass(frozen=True, slots=True)
class SplitFeatures:
    """The features of one split as column `x`, with its other columns.

    spent_s: the seconds that it took to compute the features, if they come from the cache; otherwise 0.
    """

    split: DeviceSplit
    spent_s: float


class Features:
    """Computes and caches the features of a data set's splits.

    inputs: makes the backbone's argument from a batch of columns. identity: a text that differs for other inputs.
    """

    def __init__(
        self, ctx: Context, backbone: nn.Module, inputs: Callable[[Batch], Tensor], identity: str, batch_size: int
    ) -> None:
        self._ctx, self._backbone, self._inputs, self._batch_size = ctx, backbone, inputs, batch_size
        self._key = _digest(backbone, f"{identity} {ctx.device} {ctx.dtype} {ctx.threads} torch {torch.__version__}")

    def of_split(self, name: str, split: Split) -> SplitFeatures | None:
        """Return the features of a split, computed or from the cache.

        None if disk and memory are too small, or float16 cannot hold the values.
        """
        rows = hashlib.sha256(b"all" if split.rows is None else np.ascontiguousarray(split.rows).tobytes()).hexdigest()
        folder = self._ctx.cache / "features" / f"{self._key}-{name}-{rows[:12]}"
        if not folder.is_dir():
            features = self._compute(split, folder)
            return None if features is None else SplitFeatures(self._with_columns(split, features), 0.0)
        cost = json.loads((folder / COST_FILE).read_bytes())
        return SplitFeatures(self._with_columns(split, _open(folder)), float(cost["seconds"]))

    def _with_columns(self, split: Split, features: Array) -> DeviceSplit:
        rows = slice(None) if split.rows is None else split.rows
        others = {
            name: column[rows]
            for name, column in split.columns.items()
            if name != "x" and not isinstance(column, Ragged)
        }
        return DeviceSplit(Split({"x": features, **others}), self._ctx.device)

    def _compute(self, split: Split, folder: Path) -> Array | None:
        """Compute the features into the cache, or into memory if the disk is too full. None as in `of_split`."""
        began = time.perf_counter()
        source = DeviceSplit(split, self._ctx.device)
        batches: Iterator[Array] = self._batches(source)
        first = next(batches)
        shape, batches = (len(source), *first.shape[1:]), chain([first], batches)
        need_bytes = int(np.prod(shape)) * 2
        folder.parent.mkdir(parents=True, exist_ok=True)
        if need_bytes <= MAX_FREE_SHARE * shutil.disk_usage(folder.parent).free:
            return self._write(folder, shape, batches, began)
        self._ctx.log.warning("features of %.0f MiB have no room in %s", need_bytes / (1 << 20), folder.parent)
        if need_bytes > MAX_FREE_SHARE * psutil.virtual_memory().available:
            return None
        features = np.empty(shape, np.float16)
        try:
            _fill(features, batches)
        except _Float16OverflowError:
            return None
        return features

    def _write(self, folder: Path, shape: tuple[int, ...], batches: Iterable[Array], began: float) -> Array | None:
        """Write the cache folder atomically: the features, and the seconds since `began`."""
        try:
            with new_folder(folder, MAKING_PREFIX) as inside:
                features = np.lib.format.open_memmap(inside / "features.npy", "w+", np.float16, shape)
                _reserve(inside / "features.npy")
                _fill(features, batches)
                features.flush()
                (inside / COST_FILE).write_text(json.dumps({"seconds": time.perf_counter() - began}))
        except _Float16OverflowError:
            return None
        return _open(folder)

    def _batches(self, source: DeviceSplit) -> Iterator[Array]:
        """Yield the features of each batch: float16 (batch, ...)."""
        self._backbone.eval()
        for batch in source.in_order(self._batch_size):
            with torch.no_grad():
                yield self._backbone(self._inputs(batch)).half().cpu().numpy()


def _open(folder: Path) -> Array:
    features: Array = np.load(folder / "features.npy", mmap_mode="c", allow_pickle=False)
    return features


def _reserve(path: Path) -> None:
    """Reserve the space of a file. Raises OSError; a write to a mapped file on a full disk would kill the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


class _Float16OverflowError(Exception):
    """A feature is too large for float16, or not a finite number."""


def _fill(features: Array, batches: Iterable[Array]) -> None:
    """Write all batches into `features`. Raises _Float16OverflowError."""
    start = 0
    for batch in batches:
        if not np.isfinite(batch).all():
            raise _Float16OverflowError
        features[start : start + len(batch)] = batch
        start += len(batch)


def _digest(backbone: nn.Module, identity: str) -> str:
    """Hash the backbone's weights, structure and source files, and `identity`."""
    digest = hashlib.sha256(f"{identity}\0{backbone!r}".encode())
    for name, tensor in backbone.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().flatten().view(torch.uint8).numpy())
    for path in sorted({inspect.getfile(type(module)) for module in backbone.modules()}):
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()[:32]
