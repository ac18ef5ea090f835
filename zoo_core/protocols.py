"""The interfaces that a plugin author implements, data sets and tasks, and the objects they exchange with the runner.

Annotations name torch and numpy types, but importing this module imports neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from zoo_core.errors import DataError
from zoo_core.stopwatch import Timing, time_calls

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
    """Finds the files of one data set, for `Context.file` and `Context.folder`."""

    def file(self, name: str) -> Path:
        """Return the path of a file; see `Context.file`."""

    def folder(self, archive: str = "") -> Path:
        """Return the path of a folder; see `Context.folder`."""

    def leave_out(self, path: Path, reason: str) -> None:
        """Count a file or folder as left out; see `Context.leave_out`."""

    def count_as_read(self, path: Path) -> None:
        """Count a file as read; see `Context.count_as_read`."""


@dataclass(kw_only=True, slots=True)
class Context:
    """Where and how a trial runs: the one object that data sets and tasks get. Later versions may add fields.

    device: as torch spells it, such as `cpu` or `cuda:1`.
    dtype: the precision of autocast; `float32` means no autocast.
    seed, generator: the runner seeds `generator`, which is on `device`. A task draws all random numbers from it.
    threads: the number of CPU threads.
    cache: a folder for files that this data set or task keeps between runs.
    data_root: the folder or archive that the user named for the data set, or None.
    offline: whether the network must not be used.
    budget_s: the training time in seconds, or None if the recipe gives the length.
    progress: returns the finished share of the training, in [0, 1], also under a time budget; schedules follow it.
    log: the logger `zoo`.
    dataset, files: the data set that is being opened, and its files. Both are None in a task, and `file` and `folder`
        then raise DataError.

    >>> Context(device="cpu", seed=3).progress()
    0.0
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
        """Return the path of the data set's file `name`: below `data_root`, or else downloaded and verified.

        Raises DataUnavailableError (missing, and cannot be fetched now) and DamagedDataError (wrong checksum).
        """
        return self._require_files().file(name)

    def folder(self, archive: str = "") -> Path:
        """Return the user's folder for the data set, or else the unpacked download `archive`.

        An archive as `data_root` is unpacked too. If the user's folder holds the published `archive`, this one is
        unpacked, because it identifies the data. Raises DataUnavailableError if there is neither; the message says
        what the folder must hold.
        """
        return self._require_files().folder(archive)

    def leave_out(self, path: Path, reason: str) -> None:
        """Report a file, or a folder with all files below it, that the loader leaves out.

        reason: in words, without the path, such as "no row in labels.csv". The first reason for a path counts. Users
        see how many files are left out for each reason, in the terminal at each run and in every record. Files that
        the loader does not open are reported without this call, with a general reason.
        """
        self._require_files().leave_out(path, reason)

    def count_as_read(self, path: Path) -> None:
        """State that the loader reads a file by other means than Python's `open`, such as with h5py or OpenCV."""
        self._require_files().count_as_read(path)

    def time_calls(self, call: Callable[[], object], *, repeats: int = 7, at_least_s: float = 0.001) -> Timing:
        """Time a call by the runner's clock, for a task whose score is a time, such as a benchmark without training.

        The device is synchronised at both edges of each of the `repeats`. A repeat has as many calls as take
        `at_least_s`; calls before the first repeat warm up and do not count.

        >>> len(Context().time_calls(lambda: sum(range(100)), repeats=3).seconds)
        3
        """
        return time_calls(call, self.device, repeats=repeats, at_least_s=at_least_s)

    def _require_files(self) -> Files:
        if self.files is None:
            raise DataError("this context belongs to no data set: make one with `zoo_core.data.open.data_context`")
        return self.files


@dataclass(frozen=True, slots=True)
class Deferred:
    """A log that is computed later, for many steps at once: small operations in each step would slow it down.

    compute: takes the tensors of several steps, stacked to (steps, ...), and returns a value for each step, (steps,).
        Steps with another function are computed apart, so give the same one in each step.
    tensors: those of this step, without gradients. They are kept until then, so they must be small.
    """

    compute: Callable[..., torch.Tensor]
    tensors: tuple[torch.Tensor, ...]

    def value(self) -> torch.Tensor:
        """Compute the log of this step alone: a scalar."""
        return self.compute(*(tensor[None] for tensor in self.tensors))[0]

    def __float__(self) -> float:
        return float(self.value())


@dataclass(slots=True)
class Step:
    """Reports one optimizer step to the runner, or `steps` of them; `Task.train` yields it after the step.

    n: the number of the task's units that the step used, such as examples.
    logs: scalar tensors on the device, without `.item()`, which would wait for the device. `loss` and `score` (the
        task's metric) become the train curve; the runner averages each log with weight n.
    eval_model: the model to evaluate if it is not the trained one, such as an average of weights. The task updates it
        in place; with `select="best"` the runner copies its state after an evaluation.

    >>> Step(n=32).steps
    1
    """

    n: int
    logs: Mapping[str, torch.Tensor | Deferred] = field(default_factory=dict)
    steps: int = 1
    eval_model: nn.Module | None = None


@dataclass(slots=True)
class Phase:
    """Announces work that is not an optimizer step, such as computing features; `Task.train` yields it before.

    spent_s: if the result comes from a cache, the seconds that it took to compute. They are added to the training
        time, so that cached trials report the full cost.
    """

    name: str
    spent_s: float = 0.0


@dataclass(slots=True)
class Stop:
    """Ends the training before the recipe's length; `Task.train` yields it instead of the next Step.

    reason: why, in words, for the record. Without it, a training that ends early is an error.

    >>> Stop("the discriminator has converged").reason
    'the discriminator has converged'
    """

    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Exportable:
    """A model with all that a file of it must do by itself, and examples to check the file: for `zoo export`.

    module: takes the columns of the data, as the data set gives them, and returns one tensor.
    inputs: the module's inputs by name, in order, each with the names of its axes that may have any length, such as
        `{"x": {0: "batch"}}`. Without a name for axis 0, a file takes one example at a time.
    outputs: the same of its one output, such as `{"logits": {0: "batch"}}`.
    count: the number of examples of test. examples: returns the module's inputs for the examples with these numbers.
    expected: returns what the model returns for them in an evaluation. It does not use `module`, so that the check
        also covers the preprocessing.
    """

    module: nn.Module
    inputs: Mapping[str, Mapping[int, str]]
    outputs: Mapping[str, Mapping[int, str]]
    count: int
    examples: Callable[[Sequence[int]], tuple[torch.Tensor, ...]]
    expected: Callable[[Sequence[int]], torch.Tensor]


@dataclass(slots=True)
class Table:
    """A table that details a score, such as scores per class or a confusion matrix. A row has one value per column.

    >>> Table(["class", "recall"], [["zero", 0.5], ["one", 1.0]]).columns
    ['class', 'recall']
    """

    columns: list[str]
    rows: list[list[Any]]


@dataclass(slots=True)
class Evaluation:
    """The result of `Task.evaluate`.

    scores: by metric name, among them the task's metric.
    tables: by name.
    per_example: arrays by name, with one entry per example in the order of the split. `score` holds values whose mean
        is the metric: for a ratio of sums, such as an IoU, the score plus the influence of each example (see
        `zoo_core.metrics`). `group` numbers examples that belong together.
    """

    scores: dict[str, float]
    tables: dict[str, Table] = field(default_factory=dict)
    per_example: dict[str, np.ndarray] = field(default_factory=dict)


class Dataset(Protocol):
    """Reads one data set; `DatasetSpec.entry` makes it from a Context.

    signature: has no unknown sizes once the object exists.
    """

    signature: Signature

    def load(self, split: str) -> Columns:
        """Decode `train`, `val` or `test` into columns: arrays by name, with one entry per example.

        A shared kind states the names, shapes and types that it needs, such as `x` (n, ...) and `y` (n,);
        see its interface in the reference. A column `group` (n,) keeps its examples together when val is held out.
        Raises UnknownSplitError for a split that the data do not have. Without a `val` split, the zoo holds out a
        tenth of train by the rule in `zoo_core.data.splits`.
        """


class Data(Protocol):
    """Opened data, as `Task.prepare` gets them.

    signature: without unknown sizes, and adapted to the model: its channels, size and normalisation.
    spec: the spec of the data set. sizes: number of examples by split.
    identity: a text that differs for another data set, version, set of files or loader. It identifies the data in the
        cache of features.
    """

    signature: Signature
    spec: DatasetSpec
    sizes: dict[str, int]
    identity: str

    def split(self, name: str, *, holdout: bool = True) -> Split:
        """Return the examples of `train`, `val` or `test`.

        With `holdout=False`, train keeps the examples that would be held out for val. A val split that the data set
        itself has stays as it is. Raises UnknownSplitError, and SealedSplitError for `test` before the final score.
        """


class Task(Protocol):
    """Trains and scores a model on opened data; `TaskSpec.entry` makes it from the spec.

    `zoo_core.optional` has the optional methods: `epoch_steps`, `pictures`, `texts`, `predict` and others.
    """

    def prepare(self, ctx: Context, data: Data, recipe: Recipe) -> None:
        """Move the data to the device and prepare everything else. Not timed."""

    def train(self, ctx: Context, model: nn.Module, recipe: Recipe) -> Iterator[Step | Phase | Stop]:
        """Take `recipe.steps` optimizer steps and yield a Step after each.

        Fewer steps are an error, unless the last thing yielded is a Stop, and so are more. Under a time budget,
        `recipe.steps` is `sys.maxsize`, and the runner stops the generator when the time is over. The runner measures
        the time and evaluates between steps.
        """

    def evaluate(self, ctx: Context, model: nn.Module, split: str) -> Evaluation:
        """Score the model on `val` or `test`. The model is in evaluation mode and gradients are off."""
