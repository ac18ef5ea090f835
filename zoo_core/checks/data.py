"""The data that checks work on: a few examples of a data set, or drawn ones for each shared kind. Numpy inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo_core.checks import SkipCheckError
from zoo_core.columns import Split
from zoo_core.data.locate import fingerprint, own_root
from zoo_core.data.open import OpenData, open_data
from zoo_core.entries import resolve_entry
from zoo_core.errors import UnknownSplitError
from zoo_core.files import own_cache
from zoo_core.kinds import KINDS
from zoo_core.kinds.examples import with_statistics
from zoo_core.protocols import Context
from zoo_core.registry import Registry
from zoo_core.specs import DatasetSpec, Signature, TaskSpec

COUNTS: Mapping[str, int] = {"train": 24, "val": 12, "test": 12}
DRAWN = 24  # examples of a drawn split
OUTPUTS = 3


class SmallData:
    """A few examples of a data set, all splits open; `asked` lists the splits that were asked for."""

    def __init__(self, spec: DatasetSpec, signature: Signature, splits: Mapping[str, Split]) -> None:
        self.signature, self.spec = signature, spec
        self.sizes = {name: len(split) for name, split in splits.items()}
        self.identity = f"part of {spec.qualified} {self.sizes}"
        self.asked: list[str] = []
        self._splits = splits

    def split(self, name: str, *, holdout: bool = True) -> Split:
        self.asked.append(name)
        if name not in self._splits:
            raise UnknownSplitError(f"dataset {self.spec.qualified} has no split {name!r}")
        return self._splits[name]

    def examples(self, *, holdout: bool = True) -> dict[str, int]:
        return dict(self.sizes)

    def unseal(self) -> None:
        """They are open."""

    def anew(self, train: int = 0) -> SmallData:
        """The same examples, of train only the first `train` if that is not 0; nothing was asked for yet."""
        splits = dict(self._splits)
        if train:
            splits["train"] = few(splits["train"], train)
        return SmallData(self.spec, self.signature, splits)


def few(split: Split, count: int) -> Split:
    """At most `count` examples, spread over all of the split."""
    rows = np.arange(len(split)) if split.rows is None else split.rows
    return Split(split.columns, rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64)])


def small_data(data: OpenData, train: int = COUNTS["train"]) -> SmallData:
    """A few examples of every split of open data."""
    data.unseal()
    splits = {name: few(data.split(name), count) for name, count in {**COUNTS, "train": train}.items()}
    return SmallData(data.spec, data.signature, splits)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tiny:
    """A drawn task of a shared kind, with its data."""

    task: TaskSpec
    data: SmallData


def tiny(kind: str, shape: tuple[int, ...] = (), outputs: int = 0, train: int = DRAWN) -> Tiny:
    """A few drawn examples of a shared kind, easy to learn; without a shape and outputs those that suit most models."""
    described, outputs = KINDS[kind], outputs or OUTPUTS
    shape = shape or described.example_shape
    draw = resolve_entry(described.draw)
    signature = Signature(input_shape=shape, outputs=outputs)
    sizes = {**dict.fromkeys(COUNTS, DRAWN), "train": train}
    splits = {name: Split(draw(signature, count, seed)) for seed, (name, count) in enumerate(sizes.items())}
    signature = with_statistics(signature, splits["train"].columns)
    spec = DatasetSpec(
        name=f"tiny-{kind}",
        title="A few drawn examples",
        origin="synthetic",
        licence="CC0-1.0",
        signature=signature,
        entry="zoo_core.checks.data:tiny",
        plugin="zoo-core",
    )
    task = TaskSpec(
        name=f"tiny-{kind}",
        title="A few drawn examples",
        summary="What checks use where there are no other data.",
        kind=kind,
        datasets=(spec.name,),
        metric=described.metric,
        higher_is_better=described.higher_is_better,
        plugin="zoo-core",
    )
    return Tiny(task=task, data=SmallData(spec, signature, splits))


def few_examples(registry: Registry, task: TaskSpec, data_root: Path | None, train: int = COUNTS["train"]) -> SmallData:
    """A few examples of the task's offline data set, of a person's, or drawn ones where the kind is shared.

    `train`: how many of these are for training.
    """
    datasets = registry.datasets_of(task)
    offline = [dataset for dataset in datasets if dataset.offline]
    if offline:
        return _small_data(offline[0], None, train)
    for dataset in datasets:
        root = own_root(dataset, data_root)
        if root is not None:
            return _small_data(dataset, root, train)
    if task.kind in KINDS:
        return tiny(task.kind, train=train).data
    raise SkipCheckError("its task has no data set that works offline: give --data-root")


def _small_data(dataset: DatasetSpec, root: Path | None, train: int) -> SmallData:
    ctx = Context(cache=own_cache(dataset.qualified), data_root=root, offline=True)
    return small_data(open_data(dataset, ctx, fingerprint(dataset, root)), train)
