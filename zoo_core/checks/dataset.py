"""Checks of data sets: what the spec says, and what the loader gives. Torch-free; numpy is imported on use."""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from zoo_core.checks import CheckFailedError, NotApplicableError, SkipCheckError
from zoo_core.checks.table import unknown
from zoo_core.checks.watch import Watch
from zoo_core.data.downloads import is_published
from zoo_core.data.locate import download_folder, own_root
from zoo_core.entries import resolve_entry
from zoo_core.errors import UnknownSplitError
from zoo_core.files import own_cache
from zoo_core.protocols import Context, Dataset
from zoo_core.specs import DatasetSpec, Origin, Signature

if TYPE_CHECKING:
    from zoo_core.columns import Column, Columns

MADE_HERE = ("exact", "synthetic")  # origins that have no homepage
NO_SPLIT = "no-such-split"
DIGITS = {"sha256": re.compile(r"[0-9a-f]{64}"), "md5": re.compile(r"[0-9a-f]{32}")}


@dataclass(slots=True)
class DatasetSubject:
    spec: DatasetSpec
    data_root: Path | None = None
    watch: Watch | None = None
    _dataset: Dataset | None = None
    _splits: dict[str, Columns] = field(default_factory=dict)

    def make(self) -> Dataset:
        """A new loader. Raises SkipCheckError where the data are not here."""
        spec = self.spec
        root = own_root(spec, self.data_root)
        here = all((download_folder(spec) / item.name).is_file() for item in spec.downloads)
        if root is None and not spec.offline and not (spec.downloads and here):
            way = f"`zoo data fetch {spec.name}`, or give" if spec.downloads else "give"
            raise SkipCheckError(f"its data are not here: {way} --data-root")
        from zoo_core.data.open import data_context

        ctx = data_context(spec, Context(cache=own_cache(spec.qualified), data_root=root, offline=True))
        made: Dataset = resolve_entry(spec.entry)(ctx)
        return made

    @property
    def dataset(self) -> Dataset:
        if self._dataset is None:
            self._dataset = self.make()
        return self._dataset

    @property
    def splits(self) -> dict[str, Columns]:
        """All splits it has, loaded once."""
        if not self._splits:
            self._splits = load_all(self.dataset)
        return self._splits


def load_all(dataset: Dataset) -> dict[str, Columns]:
    """Train and test, and val where there is one."""
    found = {"train": dataset.load("train")}
    with contextlib.suppress(UnknownSplitError):
        found["val"] = dataset.load("val")
    found["test"] = dataset.load("test")
    return found


def metadata(subject: DatasetSubject) -> None:
    spec = subject.spec
    missing = [name for name in ("title", "licence") if not getattr(spec, name).strip()]
    if spec.origin not in MADE_HERE and not spec.homepage and (spec.offline or spec.downloads):
        missing.append(f"homepage (its origin is {spec.origin})")
    if not spec.offline and not spec.downloads and not spec.layout:
        missing.append("layout (a person has to bring the files)")
    if missing:
        raise CheckFailedError(f"the spec states no {', no '.join(missing)}")
    if spec.origin not in get_args(Origin):
        raise CheckFailedError(f"origin {spec.origin!r} is not one of {', '.join(get_args(Origin))}")
    refuse_unknown_marks("dataset", spec.expected_failures)


def refuse_unknown_marks(what: Any, marks: Any) -> None:
    names = unknown(what, marks)
    if names:
        raise CheckFailedError(f"expected_failures names no check of a {what}: {', '.join(names)}")


def checksums(subject: DatasetSubject) -> None:
    if not subject.spec.downloads:
        raise NotApplicableError("it downloads nothing")
    for download in subject.spec.downloads:
        for algorithm, form in DIGITS.items():
            digest = getattr(download, algorithm)
            if digest and not form.fullmatch(digest):
                raise CheckFailedError(f"{download.name}: {digest!r} is no whole {algorithm}")
        path = download_folder(subject.spec) / download.name
        if path.is_file() and not is_published(path, download):
            raise CheckFailedError(f"{path} has another checksum than {download.name} was published with")


def entry(subject: DatasetSubject) -> None:
    dataset: Any = subject.dataset
    if not isinstance(getattr(dataset, "signature", None), Signature):
        raise CheckFailedError(f"what {subject.spec.entry} makes has no `signature` that is a Signature")
    if not callable(getattr(dataset, "load", None)):
        raise CheckFailedError(f"what {subject.spec.entry} makes has no method `load`")


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
        subject.dataset.load(NO_SPLIT)
    except UnknownSplitError:
        return
    raise CheckFailedError(f"load({NO_SPLIT!r}) gave data where it should raise UnknownSplitError")


def signature(subject: DatasetSubject) -> None:
    pattern, found = subject.spec.signature, subject.dataset.signature
    for name in ("input_shape", "outputs", "classes"):
        stated, is_so = getattr(pattern, name), getattr(found, name)
        fits = fits_shape(is_so, stated) if name == "input_shape" else stated in (None, (), is_so)
        if not fits:
            raise CheckFailedError(f"the spec says {name}={stated}, the data {is_so}")
    if found.classes and len(found.classes) != found.outputs:
        raise CheckFailedError(f"{len(found.classes)} classes are named, outputs is {found.outputs}")
    for name, columns in subject.splits.items():
        shape = example_shape(columns["x"]) if "x" in columns else None
        if shape is not None and not fits_shape(shape, found.input_shape):
            raise CheckFailedError(f"examples of {name} are {shape}, the signature says {found.input_shape}")


def fits_shape(shape: tuple[int | None, ...], pattern: tuple[int | None, ...]) -> bool:
    """Whether sizes are as stated; None in the pattern takes any."""
    return len(shape) == len(pattern) and all(
        wanted in (None, size) for size, wanted in zip(shape, pattern, strict=True)
    )


def example_shape(column: Column) -> tuple[int, ...]:
    return tuple(column[0].shape)


def splits_disjoint(subject: DatasetSubject) -> None:
    seen: dict[bytes, tuple[str, int]] = {}
    for name, columns in subject.splits.items():
        own: dict[bytes, tuple[str, int]] = {}
        column = columns["x"] if "x" in columns else next(iter(columns.values()))
        copies = []
        for row in range(len(column)):
            digest = hashlib.blake2b(column[row].tobytes(), digest_size=16).digest()
            own[digest] = (name, row)
            if digest in seen:
                copies.append((row, *seen[digest]))
        if copies:
            row, other, other_row = copies[0]
            raise CheckFailedError(
                f"{len(copies)} of {len(column)} examples of {name} are in {other} too, "
                f"such as number {row}, which is number {other_row} there"
            )
        seen |= own


def labels_in_range(subject: DatasetSubject) -> None:
    import numpy as np

    outputs, train = subject.dataset.signature.outputs, subject.splits["train"]
    labels = train.get("y")
    if outputs is None or not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iu":
        raise NotApplicableError("its answers are no classes")
    allowed = {subject.dataset.signature.extra.get("ignore_index")} - {None}
    for name, columns in subject.splits.items():
        found = set(np.unique(np.asarray(columns["y"])).tolist())
        outside = sorted(found - set(range(outputs)) - allowed)
        if outside:
            raise CheckFailedError(f"{name} has the label {outside[0]}, the signature {outputs} classes from 0")
        if name == "train" and set(range(outputs)) - found:
            missing = sorted(set(range(outputs)) - found)
            raise CheckFailedError(f"train has no example of {len(missing)} classes, such as {missing[0]}")


def finite(subject: DatasetSubject) -> None:
    import numpy as np

    from zoo_core.columns import Ragged

    for name, columns in subject.splits.items():
        for key, column in columns.items():
            values = column.values if isinstance(column, Ragged) else column
            if values.dtype.kind != "f":
                continue
            bad = np.argwhere(~np.isfinite(values))
            if len(bad):
                raise CheckFailedError(f"{name}: column {key!r} is not finite at {tuple(map(int, bad[0]))}")


def order(subject: DatasetSubject) -> None:
    again = load_all(subject.make())
    for name, columns in subject.splits.items():
        for key, column in columns.items():
            if key not in again[name] or not same_column(column, again[name][key]):
                raise CheckFailedError(f"{name}: column {key!r} is another one when it is loaded again")


def same_column(one: Column, other: Column) -> bool:
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
