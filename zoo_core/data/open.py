"""Opens a data set for a trial: decoded once, cached as memory-mapped columns, with the test split sealed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from zoo_core import columns as column_files
from zoo_core.cached import Stamp, is_whole, new_cached_folder, stamps_of
from zoo_core.columns import Columns, Split, length
from zoo_core.data import accounting
from zoo_core.data.locate import DatasetFiles, columns_home, list_root
from zoo_core.data.locate import fingerprint as identify
from zoo_core.data.splits import choose_per_class, held_out_rows
from zoo_core.data.walk import Tree, walk
from zoo_core.entries import resolve_entry
from zoo_core.entries.codehash import Code, code_of
from zoo_core.errors import DataError, SealedSplitError, UnknownSplitError, ZooError
from zoo_core.files import portable
from zoo_core.protocols import Context, Data, Dataset
from zoo_core.results.records import LeftOut
from zoo_core.specs import DatasetSpec, Signature

__all__ = ["Data", "OpenData", "Opened", "data_context", "open_data"]  # plugins import `Data` from here

DECODING, FACTS = ".decoding-", "opened.json"
FORMAT = 4  # of the cached folder; raise it after a change of its layout


@dataclass(frozen=True, slots=True)
class Opened:
    """The facts stored with decoded data: the signature without unknown sizes, and the number of examples by split.

    left_out: the files that the loader left out, by reason.
    """

    signature: Signature
    sizes: dict[str, int]
    left_out: tuple[LeftOut, ...] = ()


class _Cache:
    """The cached folder of a data set: checked when it is opened and before each use; decoded anew if it changed."""

    def __init__(self, folder: Path, decode: Callable[[], None]) -> None:
        self.folder, self._decode = folder, decode
        self._stamps = self._checked()

    def _checked(self) -> dict[str, Stamp]:
        if not is_whole(self.folder):
            self._decode()
        return stamps_of(self.folder)

    def ensure_unchanged(self) -> None:
        """Decode anew if a file was changed or removed since the last check, also by the trial's own code."""
        try:
            is_same = stamps_of(self.folder) == self._stamps
        except FileNotFoundError:
            is_same = False
        if not is_same:
            self._stamps = self._checked()

    def facts(self) -> Opened:
        """Read the facts that are stored with the data."""
        stored = json.loads((self.folder / FACTS).read_bytes())
        left_out = msgspec.convert(stored["left_out"], tuple[LeftOut, ...])
        return Opened(msgspec.convert(stored["signature"], Signature), stored["sizes"], left_out)


class OpenData:
    """A trial's view of its data: `train` and `val` at any time, `test` only after the runner has unsealed it.

    See `zoo_core.protocols.Data` for the attributes. root: the user's folder or archive. is_published: the data are the
    published ones, whatever lies beside them in `root`.
    """

    def __init__(
        self, cache: _Cache, spec: DatasetSpec, *, root: Path | None = None, is_published: bool = False
    ) -> None:
        opened = cache.facts()
        self.signature = opened.signature
        self.sizes = opened.sizes
        self.spec = spec
        self.identity = cache.folder.name  # made of data set, version, fingerprint and loader
        self._cache, self._folder, self._root = cache, cache.folder, root
        self._decoded_left_out, self._is_published = opened.left_out, is_published
        self._sealed = self._labels_sealed = True
        self._per_class = self._choice_seed = 0

    def left_out(self) -> list[LeftOut]:
        """Count the files below the data root that were not read, by reason.

        This lists the root again, because what lies beside the data may have changed since they were decoded. Raises
        DataUnavailableError, DataError.
        """
        if self._root is None:
            return [*self._decoded_left_out]
        tree = list_root(self._root)
        names = [download.name for download in self.spec.downloads]
        beside = accounting.left_out_of_published(tree, names) if self._is_published else []
        return [*self._decoded_left_out, *beside, *accounting.left_out_of_tree(tree)]

    def split(self, name: str, *, holdout: bool = True) -> Split:
        """Return the examples of `train`, `val` or `test`.

        With `holdout=False`, train keeps the examples that would be held out for val. A val split that the data set
        itself has stays as it is. While the labels are sealed, `test` has only the column `x`. Raises
        UnknownSplitError, and SealedSplitError for `test` before the final score.
        """
        if name == "test" and self._sealed:
            raise SealedSplitError("the test split is opened once, for the final score; train and select on val")
        self._cache.ensure_unchanged()
        split = self._whole_split(name, holdout=holdout)
        if name != "train" or not self._per_class:
            return split
        rows = np.arange(len(split)) if split.rows is None else split.rows
        labels = np.asarray(split.columns["y"])[rows]
        return Split(split.columns, rows[choose_per_class(labels, self._per_class, self._choice_seed)])

    def _whole_split(self, name: str, *, holdout: bool) -> Split:
        """Return a split without the limit on train."""
        rows_file = self._folder / "held_out.npy"
        if rows_file.exists() and name in ("train", "val"):
            train = column_files.load(self._folder / "train")
            rows = np.load(rows_file, allow_pickle=False)
            if name == "val":
                return Split(train, rows)
            return Split(train, np.setdiff1d(np.arange(length(train)), rows, assume_unique=True) if holdout else None)
        if name not in self.sizes:
            raise UnknownSplitError(
                f"dataset {self.spec.qualified} has no split {name!r}, only {', '.join(self.sizes)}"
            )
        only = "x" if name == "test" and self._labels_sealed else ""
        return Split(column_files.load(self._folder / name, only=only))

    def examples(self, *, holdout: bool = True) -> dict[str, int]:
        """Return the number of examples by split under the recipe's `holdout` and the limit on train."""
        sizes = dict(self.sizes)
        if (self._folder / "held_out.npy").exists():
            if holdout:
                sizes["train"] -= sizes["val"]
            else:
                del sizes["val"]
        if self._per_class:
            sizes["train"] = len(self.split("train", holdout=holdout))
        return sizes

    def limit_train(self, per_class: int, seed: int) -> None:
        """Let `train` have only `per_class` examples of each class, chosen by `seed`; 0: all. Val and test stay whole.

        Needs the column `y`, integer (n,). The limit applies to what remains after val was held out.
        """
        self._per_class, self._choice_seed = per_class, seed

    def unseal(self, *, labels: bool = True) -> None:
        """Allow `split("test")`, without `labels` only its inputs. Only the runner calls this, for the final score.

        Damaged files are decoded anew here, while the runner does not watch which files are opened.
        """
        self._cache.ensure_unchanged()
        self._sealed, self._labels_sealed = False, not labels


def data_context(spec: DatasetSpec, ctx: Context) -> Context:
    """Return a copy of `ctx` for the loader of `spec`: its `file` and `folder` find this data set's files."""
    return replace(ctx, dataset=spec, files=DatasetFiles(spec, ctx.data_root, offline=ctx.offline))


def decoded_folder(spec: DatasetSpec, fingerprint: str, code: Code | None = None) -> Path:
    """Return the folder of the cache for the decoded data; the parameters are those of `open_data`."""
    loader = (code or code_of(spec.entry)).sha256[:8]  # a change of the loader invalidates the cache
    return columns_home() / f"{portable(spec.qualified)}-v{spec.version}-{fingerprint}-{loader}-f{FORMAT}"


def open_data(spec: DatasetSpec, ctx: Context, fingerprint: str, code: Code | None = None) -> OpenData:
    """Open the data of `spec`, from the cache or by decoding them now.

    A cached folder that was damaged is decoded anew, with a warning.
    fingerprint: from `zoo_core.data.locate`; it identifies the files. code: of the loader, by default what is on the
    disk. Raises whatever the data set's loader raises.
    """
    folder = decoded_folder(spec, fingerprint, code)
    # Several sets of files may have the fingerprint of the published data: what lies beside those is of no influence.
    is_published = bool(spec.downloads) and fingerprint == identify(spec, None)
    cache = _Cache(folder, lambda: _decode(spec, ctx, folder, is_published=is_published))
    return OpenData(cache, spec, root=ctx.data_root, is_published=is_published)


def _decode(spec: DatasetSpec, ctx: Context, folder: Path, *, is_published: bool) -> None:
    """Decode every split into a new folder, and store there what the loader left out."""
    files = DatasetFiles(spec, ctx.data_root, offline=ctx.offline)
    with (
        new_cached_folder(folder, DECODING) as inside,
        accounting.recording() as opened,
        _naming_the_archive(files, ctx.data_root),
    ):
        dataset: Dataset = resolve_entry(spec.entry)(replace(ctx, dataset=spec, files=files))
        train = dataset.load("train")
        sizes = {"train": _write_split(spec, "train", train, inside)}
        try:
            sizes["val"] = _write_split(spec, "val", dataset.load("val"), inside)
        except UnknownSplitError:
            rows = held_out_rows(train)
            column_files.write_array(inside / "held_out.npy", rows)
            sizes["val"] = len(rows)
        sizes["test"] = _write_split(spec, "test", dataset.load("test"), inside)
        home = files.unpacked or ctx.data_root or Path()
        tree = Tree([], {}) if is_published or not home.is_dir() or ctx.data_root is None else walk(home)
        left_out = accounting.left_out_by_loader(home, tree, opened, files.left_out, files.read)
        facts = {
            "signature": asdict(_with_channel_statistics(dataset.signature, train)),
            "sizes": sizes,
            "left_out": msgspec.to_builtins(left_out),
        }
        (inside / FACTS).write_text(json.dumps(facts))


@contextlib.contextmanager
def _naming_the_archive(files: DatasetFiles, root: Path | None) -> Iterator[None]:
    """Let errors name the user's archive, not the folder of the cache where it was unpacked."""
    try:
        yield
    except ZooError as error:
        if files.unpacked is not None and root is not None:
            error.args = (str(error).replace(str(files.unpacked), str(root)),)
        raise


def _write_split(spec: DatasetSpec, split: str, columns: Columns, folder: Path) -> int:
    count = length(columns)
    if not count:
        raise DataError(f"dataset {spec.qualified}: split {split} is empty")
    column_files.save(columns, folder / split)
    return count


def _with_channel_statistics(signature: Signature, train: Columns) -> Signature:
    """Add mean and std per channel, on the scale [0, 1], if `x` holds images: uint8 (n, channels, height, width)."""
    images = train.get("x")
    if signature.mean or not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4:
        return signature
    counts = [np.bincount(images[:, channel].reshape(-1), minlength=256) for channel in range(images.shape[1])]
    levels = np.arange(256) / 255.0
    means = [float(np.average(levels, weights=count)) for count in counts]
    stds = [
        float(np.sqrt(np.average((levels - mean) ** 2, weights=count)))
        for mean, count in zip(means, counts, strict=True)
    ]
    return replace(signature, mean=tuple(means), std=tuple(stds))
