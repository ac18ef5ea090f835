"""What an author writes: a data set, a task; and the small objects that pass between them and the runner.

Annotations name torch and numpy types, but importing this module imports neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from zoo_core.errors import DataError

if TYPE_CHECKING:
    import logging

    import numpy as np
    import torch
    from torch import nn

    from zoo_core.columns import Columns, Split
    from zoo_core.recipe import Recipe
    from zoo_core.specs import DatasetSpec, Signature


def _logger() -> logging.Logger:
    import logging

    return logging.getLogger("zoo")


def _no_progress() -> float:
    return 0.0


class Files(Protocol):
    """Finds the files of one data set; what `Context.file` and `Context.folder` ask."""

    def file(self, name: str) -> Path: ...

    def folder(self, archive: str = "") -> Path: ...


@dataclass(kw_only=True, slots=True)
class Context:
    """Where and how a trial runs; one object handed to everything. Fields may be added, signatures stay.

    device: as torch spells it (`cpu`, `cuda:1`); dtype: of autocast (`float32`: none).
    generator: on `device`, seeded by the runner; the only source of randomness of a task.
    cache: a folder of this data set's or trial's own, for what is worth keeping between runs.
    data_root: the folder or archive a person named for the data set, or None.
    budget_s: training seconds, or None where the recipe gives the length.
    dataset, files: the data set that is being opened, and what finds its files; None in a task.
    progress: how much of the training is done, in [0, 1], also under a time budget; schedules follow it.
    """

    device: str = "cpu"
    dtype: str = "float32"
    seed: int = 0
    threads: int = 1
    cache: Path = field(default_factory=Path)
    data_root: Path | None = None
    offline: bool = False
    budget_s: float | None = None
    generator: torch.Generator | None = None
    progress: Callable[[], float] = _no_progress
    log: logging.Logger = field(default_factory=_logger)
    dataset: DatasetSpec | None = None
    files: Files | None = None

    def file(self, name: str) -> Path:
        """The path of the data set's file `name`: below `data_root`, else downloaded and checked.

        Raises DataUnavailableError (not here, not to be had now) and DamagedDataError (wrong checksum).
        """
        return self._open_files().file(name)

    def folder(self, archive: str = "") -> Path:
        """The folder a person named for the data set, unpacked if an archive; else the download `archive`, unpacked.

        Raises DataUnavailableError saying what it must hold, if there is neither.
        """
        return self._open_files().folder(archive)

    def _open_files(self) -> Files:
        if self.files is None:
            raise DataError("no data set's files belong to this context: `zoo_core.data.open.data_context` makes one")
        return self.files


@dataclass(slots=True)
class Step:
    """One optimizer step (or `steps` of them), yielded after it.

    n: how many of the task's units it used. logs: scalar tensors on the device, never `.item()`: `loss`, and `score`
    in the task's metric for the running train score; they are averaged with weight n.
    eval_model: the model to evaluate, where it is not the one that is trained (an average of weights).
    """

    n: int
    logs: Mapping[str, torch.Tensor] = field(default_factory=dict)
    steps: int = 1
    eval_model: nn.Module | None = None


@dataclass(slots=True)
class Phase:
    """Yielded before work that is not a step (computing features).

    spent_s: what the work cost when its result was made, where it now comes from a cache; it is added to the
    training time, so that a cached trial is not praised for its luck.
    """

    name: str
    spent_s: float = 0.0


@dataclass(slots=True)
class Table:
    """A table of a score's parts: per class, a confusion matrix. `rows` hold one value a column."""

    columns: list[str]
    rows: list[list[Any]]


@dataclass(slots=True)
class Evaluation:
    """What `Task.evaluate` found.

    scores: by metric name; the task's metric is among them. tables: by name. per_example: by name, one entry an
    example in the split's order (`score` is what the metric averages, where it is an average).
    """

    scores: dict[str, float]
    tables: dict[str, Table] = field(default_factory=dict)
    per_example: dict[str, np.ndarray] = field(default_factory=dict)


class Dataset(Protocol):
    """Reads one data set; made by `entry(ctx)`.

    signature: concrete, once the object exists.
    load(split): the columns of `train`, `val` or `test`, decoded. Raises UnknownSplitError for a split it does not
    have: without `val`, a tenth of train is held out by the rule in `zoo_core.data.splits`.
    """

    signature: Signature

    def load(self, split: str) -> Columns: ...


class Data(Protocol):
    """Open data, as a task sees them.

    signature: concrete, and as the model sees the examples. spec: the data set's. sizes: examples by split.
    identity: a text that changes with the data set, its version, its files and its loader.
    """

    signature: Signature
    spec: DatasetSpec
    sizes: dict[str, int]
    identity: str

    def split(self, name: str, *, holdout: bool = True) -> Split:
        """The examples of `train`, `val` or `test`.

        `holdout=False` leaves in train what would be held out of it; a val split of the data's own is not touched.
        Raises UnknownSplitError, and SealedSplitError for `test` before the final score.
        """


class Task(Protocol):
    """Trains and scores a model on open data; made by `entry(spec)`.

    A task may also have:
        epoch_steps(recipe) -> int: optimizer steps of one pass over train; without it a recipe gives `steps`.
        example_input(ctx, batch_size) -> the argument of the model's forward, for latency and FLOPs.
        pictures(ctx, model) -> dict of name -> uint8 array (height, width, 3).
        predict(ctx, model, signature, shape, recipe, files, top) -> Table of the model's answers to a person's files,
        for `zoo predict`; no data are open. `signature` is what the model was built for, `shape` that of the data's
        examples, `top` how many answers a file gets.
    """

    def prepare(self, ctx: Context, data: Data, recipe: Recipe) -> None:
        """Get the data onto the device. Untimed."""

    def train(self, ctx: Context, model: nn.Module, recipe: Recipe) -> Iterator[Step | Phase]:
        """Take `recipe.steps` optimizer steps, yielding after each; the runner clocks, evaluates and stops."""

    def evaluate(self, ctx: Context, model: nn.Module, split: str) -> Evaluation:
        """Score the model on `val` or `test`; the model is in eval mode and gradients are off."""
