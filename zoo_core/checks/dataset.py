"""Checks of data sets: their specs and the loaded examples. Torch-free; functions import numpy."""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from zoo_core.checks import CheckFailedError, NotApplicableError, SkipCheckError
from zoo_core.checks.table import require_known_checks
from zoo_core.checks.watch import Watch
from zoo_core.data.downloads import is_published
from zoo_core.data.locate import dataset_root, download_folder
from zoo_core.entries import resolve_entry
from zoo_core.errors import UnknownSplitError
from zoo_core.files import own_cache
from zoo_core.protocols import Context, Dataset
from zoo_core.specs import DatasetSpec, Origin, Signature

if TYPE_CHECKING:
    from zoo_core.columns import Column, Columns

ORIGINS_WITHOUT_HOMEPAGE = ("exact", "synthetic")
UNKNOWN_SPLIT = "no-such-split"
CHECKSUM_PATTERNS = {"sha256": re.compile(r"[0-9a-f]{64}"), "md5": re.compile(r"[0-9a-f]{32}")}


@dataclass(slots=True)
class DatasetSubject:
    """A data set under test, prepared for its checks."""

    spec: DatasetSpec
    data_root: Path | None = None
    watch: Watch | None = None
    _dataset: Dataset | None = None
    _splits: dict[str, Columns] = field(default_factory=dict)

    def make_loader(self) -> Dataset:
        """Call the entry. Raises SkipCheckError if the data are not on this machine."""
        spec = self.spec
        root = dataset_root(spec, self.data_root)
        downloaded = all((download_folder(spec) / item.name).is_file() for item in spec.downloads)
        if root is None and not spec.offline and not (spec.downloads and downloaded):
            fetch = f"run `zoo data fetch {spec.name}`, or " if spec.downloads else ""
            raise SkipCheckError(f"its data are not on this machine: {fetch}give --data-root")
        from zoo_core.data.open import data_context

        ctx = data_context(spec, Context(cache=own_cache(spec.qualified), data_root=root, offline=True))
        loader: Dataset = resolve_entry(spec.entry)(ctx)
        return loader

    @property
    def dataset(self) -> Dataset:
        if self._dataset is None:
            self._dataset = self.make_loader()
        return self._dataset

    @property
    def splits(self) -> dict[str, Columns]:
        """All splits, loaded once."""
        if not self._splits:
            self._splits = load_splits(self.dataset)
        return self._splits


def load_splits(dataset: Dataset) -> dict[str, Columns]:
    """Load train and test, and val if the data set has one."""
    splits = {"train": dataset.load("train")}
    with contextlib.suppress(UnknownSplitError):
        splits["val"] = dataset.load("val")
    splits["test"] = dataset.load("test")
    return splits


def metadata(subject: DatasetSubject) -> None:
    spec = subject.spec
    missing = [name for name in ("title", "licence") if not getattr(spec, name).strip()]
    if spec.origin not in ORIGINS_WITHOUT_HOMEPAGE and not spec.homepage and (spec.offline or spec.downloads):
        missing.append(f"homepage (its origin is {spec.origin})")
    if not spec.offline and not spec.downloads and not spec.layout:
        missing.append("layout (users must provide the files)")
    if missing:
        raise CheckFailedError(f"the spec states no {', no '.join(missing)}")
    if spec.origin not in get_args(Origin):
        raise CheckFailedError(f"origin {spec.origin!r} is not one of {', '.join(get_args(Origin))}")
    require_known_checks("dataset", spec.expected_failures)


def checksums(subject: DatasetSubject) -> None:
    if not subject.spec.downloads:
        raise NotApplicableError("it has no downloads")
    for download in subject.spec.downloads:
        for algorithm, pattern in CHECKSUM_PATTERNS.items():
            digest = getattr(download, algorithm)
            if digest and not pattern.fullmatch(digest):
                raise CheckFailedError(f"{download.name}: {digest!r} is not a complete {algorithm}")
        path = download_folder(subject.spec) / download.name
        if path.is_file() and not is_published(path, download):
            raise CheckFailedError(f"the checksum of {path} is not the published one")


def entry(subject: DatasetSubject) -> None:
    dataset: Any = subject.dataset
    if not isinstance(getattr(dataset, "signature", None), Signature):
        raise CheckFailedError(f"{subject.spec.entry} returns an object without a `signature` of type Signature")
    if not callable(getattr(dataset, "load", None)):
        raise CheckFailedError(f"{subject.spec.entry} returns an object without a method `load`")


def splits(subject: DatasetSubject) -> None:
    import numpy as np

    from zoo_core.columns import Ragged, length

    for name, columns in subject.splits.items():
        for key, column in columns.items():
            if not isinstance(column, np.ndarray | Ragged):
                raise CheckFailedError(f"{name}: column {key!r} is a {type(column).__name__}, not an array")
        if not length(columns):
            raise CheckFailedError(f"{name} is empty")
    try:
        subject.dataset.load(UNKNOWN_SPLIT)
    except UnknownSplitError:
        return
    raise CheckFailedError(f"load({UNKNOWN_SPLIT!r}) returned data but must raise UnknownSplitError")


def signature(subject: DatasetSubject) -> None:
    in_spec, in_loader = subject.spec.signature, subject.dataset.signature
    for name in ("input_shape", "outputs", "classes"):
        expected, actual = getattr(in_spec, name), getattr(in_loader, name)
        fits = _fits_shape(actual, expected) if name == "input_shape" else expected in (None, (), actual)
        if not fits:
            raise CheckFailedError(f"the spec says {name}={expected}, the loader {actual}")
    if in_loader.classes and len(in_loader.classes) != in_loader.outputs:
        raise CheckFailedError(f"classes has {len(in_loader.classes)} names, but outputs is {in_loader.outputs}")
    for name, columns in subject.splits.items():
        shape = tuple(columns["x"][0].shape) if "x" in columns else None
        if shape is not None and not _fits_shape(shape, in_loader.input_shape):
            raise CheckFailedError(f"examples of {name} have shape {shape}, the signature says {in_loader.input_shape}")


def _fits_shape(shape: tuple[int | None, ...], pattern: tuple[int | None, ...]) -> bool:
    """Return whether the sizes match. None in the pattern matches any size."""
    return len(shape) == len(pattern) and all(
        expected in (None, size) for size, expected in zip(shape, pattern, strict=True)
    )


def splits_disjoint(subject: DatasetSubject) -> None:
    seen: dict[bytes, tuple[str, int]] = {}  # digest of an example -> its split and row
    for name, columns in subject.splits.items():
        column = columns["x"] if "x" in columns else next(iter(columns.values()))
        digests = [hashlib.blake2b(column[row].tobytes(), digest_size=16).digest() for row in range(len(column))]
        duplicates = [(row, *seen[digest]) for row, digest in enumerate(digests) if digest in seen]
        if duplicates:
            row, other, other_row = duplicates[0]
            raise CheckFailedError(
                f"{len(duplicates)} of {len(column)} examples of {name} are also in {other}, "
                f"such as row {row}, which is row {other_row} of {other}"
            )
        seen |= {digest: (name, row) for row, digest in enumerate(digests)}


def labels_in_range(subject: DatasetSubject) -> None:
    import numpy as np

    outputs, train = subject.dataset.signature.outputs, subject.splits["train"]
    labels = train.get("y")
    if outputs is None or not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iu":
        raise NotApplicableError("its targets are not class labels")
    allowed = {subject.dataset.signature.extra.get("ignore_index")} - {None}
    for name, columns in subject.splits.items():
        present = set(np.unique(np.asarray(columns["y"])).tolist())
        outside = sorted(present - set(range(outputs)) - allowed)
        if outside:
            raise CheckFailedError(f"{name} has the label {outside[0]}, outside of the {outputs} classes from 0")
        if name == "train" and set(range(outputs)) - present:
            missing = sorted(set(range(outputs)) - present)
            raise CheckFailedError(f"train has no example of {len(missing)} classes, such as class {missing[0]}")


def finite(subject: DatasetSubject) -> None:
    import numpy as np

    from zoo_core.columns import Ragged

    for name, columns in subject.splits.items():
        for key, column in columns.items():
            values = column.values if isinstance(column, Ragged) else column
            if values.dtype.kind != "f":
                continue
            places = np.argwhere(~np.isfinite(values))
            if len(places):
                raise CheckFailedError(f"{name}: column {key!r} is not finite at {tuple(map(int, places[0]))}")


def order(subject: DatasetSubject) -> None:
    again = load_splits(subject.make_loader())
    for name, columns in subject.splits.items():
        for key, column in columns.items():
            if key not in again[name] or not _equal_columns(column, again[name][key]):
                raise CheckFailedError(f"{name}: column {key!r} changes when it is loaded again")


def _equal_columns(one: Column, other: Column) -> bool:
    import numpy as np

    from zoo_core.columns import Ragged

    if isinstance(one, Ragged) or isinstance(other, Ragged):
        return (
            isinstance(one, Ragged)
            and isinstance(other, Ragged)
            and np.array_equal(one.offsets, other.offsets)
            and np.array_equal(one.values, other.values)
        )
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
