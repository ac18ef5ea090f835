"""The data that checks work on: a few examples of a data set, or synthetic ones of a shared kind. Numpy inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo_core.checks import SkipCheckError
from zoo_core.columns import Split
from zoo_core.data.locate import dataset_root, fingerprint
from zoo_core.data.open import OpenData, open_data
from zoo_core.entries import resolve_entry
from zoo_core.errors import UnknownSplitError
from zoo_core.files import own_cache
from zoo_core.kinds import KINDS
from zoo_core.kinds.examples import with_statistics
from zoo_core.protocols import Context
from zoo_core.registry import Registry
from zoo_core.specs import DatasetSpec, Signature, TaskSpec

EXAMPLES_PER_SPLIT: Mapping[str, int] = {"train": 24, "val": 12, "test": 12}
SYNTHETIC_EXAMPLES_PER_SPLIT = 24
SYNTHETIC_OUTPUTS = 3


class SmallData:
    """A few examples of each split, with no split sealed. `requested` lists the splits in order of access."""

    def __init__(self, spec: DatasetSpec, signature: Signature, splits: Mapping[str, Split]) -> None:
        self.signature, self.spec = signature, spec
        self.sizes = {name: len(split) for name, split in splits.items()}
        self.identity = f"part of {spec.qualified} {self.sizes}"
        self.requested: list[str] = []
        self._splits = splits

    def split(self, name: str, *, holdout: bool = True) -> Split:
        self.requested.append(name)
        if name not in self._splits:
            raise UnknownSplitError(f"dataset {self.spec.qualified} has no split {name!r}")
        return self._splits[name]

    def examples(self, *, holdout: bool = True) -> dict[str, int]:
        return dict(self.sizes)

    def unseal(self) -> None:
        """Do nothing: no split is sealed."""

    def fresh_copy(self, train: int = 0) -> SmallData:
        """Return the same data with no split requested yet. A positive `train` limits the training examples."""
        splits = dict(self._splits)
        if train:
            splits["train"] = _take_spread(splits["train"], train)
        return SmallData(self.spec, self.signature, splits)


@dataclass(frozen=True, kw_only=True, slots=True)
class SyntheticTask:
    """A task of a shared kind together with its synthetic data."""

    task: TaskSpec
    data: SmallData


def make_synthetic_task(
    kind: str, shape: tuple[int, ...] = (), outputs: int = 0, *, train: int = SYNTHETIC_EXAMPLES_PER_SPLIT
) -> SyntheticTask:
    """Make a task of a shared kind with a few examples that are easy to learn.

    The default input shape and number of outputs suit most models. `train` is the number of training examples.
    """
    described, outputs = KINDS[kind], outputs or SYNTHETIC_OUTPUTS
    shape = shape or described.example_shape
    draw = resolve_entry(described.draw_entry)
    signature = Signature(input_shape=shape, outputs=outputs)
    sizes = {**dict.fromkeys(EXAMPLES_PER_SPLIT, SYNTHETIC_EXAMPLES_PER_SPLIT), "train": train}
    splits = {name: Split(draw(signature, count, seed)) for seed, (name, count) in enumerate(sizes.items())}
    signature = with_statistics(signature, splits["train"].columns)
    dataset = DatasetSpec(
        name=f"tiny-{kind}",
        title="A few synthetic examples",
        origin="synthetic",
        licence="CC0-1.0",
        signature=signature,
        entry="zoo_core.checks.data:make_synthetic_task",
        plugin="zoo-core",
    )
    task = TaskSpec(
        name=f"tiny-{kind}",
        title="A few synthetic examples",
        summary="Data for checks if no other data are available.",
        kind=kind,
        datasets=(dataset.name,),
        metric=described.metric,
        higher_is_better=described.higher_is_better,
        plugin="zoo-core",
    )
    return SyntheticTask(task=task, data=SmallData(dataset, signature, splits))


def load_few_examples(
    registry: Registry, task: TaskSpec, data_root: Path | None, train: int = EXAMPLES_PER_SPLIT["train"]
) -> SmallData:
    """Load a few examples for the task, `train` of them for training.

    The source is the first of: an offline data set of the task, local files below `data_root`, synthetic data if the
    kind is shared. Raises SkipCheckError if none of these exists.
    """
    datasets = registry.datasets_of(task)
    offline = [dataset for dataset in datasets if dataset.offline]
    if offline:
        return _open_few_examples(offline[0], None, train)
    for dataset in datasets:
        root = dataset_root(dataset, data_root)
        if root is not None:
            return _open_few_examples(dataset, root, train)
    if task.kind in KINDS:
        return make_synthetic_task(task.kind, train=train).data
    raise SkipCheckError("the task has no data set that works offline: give --data-root")


def _open_few_examples(dataset: DatasetSpec, root: Path | None, train: int) -> SmallData:
    ctx = Context(cache=own_cache(dataset.qualified), data_root=root, offline=True)
    data: OpenData = open_data(dataset, ctx, fingerprint(dataset, root))
    data.unseal()
    counts = {**EXAMPLES_PER_SPLIT, "train": train}
    splits = {name: _take_spread(data.split(name), count) for name, count in counts.items()}
    return SmallData(data.spec, data.signature, splits)


def _take_spread(split: Split, count: int) -> Split:
    """Take at most `count` examples, evenly spread over the split."""
    rows = np.arange(len(split)) if split.rows is None else split.rows
    return Split(split.columns, rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64)])
