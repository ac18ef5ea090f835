"""The real data of `sign-language`: one folder of pictures for each sign, with or without a test folder."""

from __future__ import annotations

import itertools
import string
from collections.abc import Collection
from pathlib import Path

import numpy as np

from zoo_core import Context, DamagedDataError, DataUnavailableError, Signature, UnknownSplitError
from zoo_core.data.columns import Array
from zoo_core.data.images import ImageFiles, find_splits, image_folder, read_images
from zoo_core.data.names import natural_key
from zoo_core.data.walk import find_one, folders, folders_below, inner_root

ALPHABET = frozenset({*string.ascii_lowercase, "del", "nothing", "space"})  # in any case
KAGGLE_TRAIN, KAGGLE_TEST = "asl_alphabet_train", "asl_alphabet_test"  # the folders of the alphabet
DIGITS = "Dataset"  # the folder of the digits in their repository
NEEDS = (
    f"it must hold {KAGGLE_TRAIN}/<sign>/*.jpg, or {DIGITS}/<sign>/*.jpg, or train/<sign>/*.jpg and test/<sign>/*.jpg "
    "and, if it has one, valid/<sign>/*.jpg"
)
RUNS, LONGEST_RUN, TEST_EVERY = 20, 100, 10
NO_TEST = "28 pictures are too few to score: every tenth run of train is the test split"


def asl_alphabet(ctx: Context) -> SignPictures:
    """Open pictures of the 29 signs of the ASL alphabet, or of some of them."""
    return SignPictures(ctx, ALPHABET)


class SignPictures:
    """Pictures of signs: x uint8 (n, 3, height, width), RGB; y int64 (n,), the index of the sign.

    Height and width are those of the data set's spec; pictures of another size are resized. Signs are the names of the
    folders, sorted. A root with folders `train` and `test` has these splits, and `valid` if that is there.

    Other roots have no test split, so it is held out. The pictures of the alphabet are frames of one video a sign, and
    those of the digits come person by person: neighbours are alike, and a random choice would score pictures that are
    almost in train. So the pictures of a sign, in the order of their numbers, are cut into at least 20 runs of one
    length, of at most 100 pictures. Every tenth run is test. Runs are numbered in the column `group`, int64 (n,), so
    that a run is never divided between train and val either.
    Raises:
        DataUnavailableError: there are no folders of signs, `train` has no `test` beside it, or a sign has no pictures.
        DamagedDataError: a picture cannot be read, a split has other signs than `train`, or there are fewer than ten
            pictures of a sign and no folder `test`, or a sign is not among the `known` ones.
        UnknownSplitError: there is no `valid`.
    """

    def __init__(self, ctx: Context, known: Collection[str] = ()) -> None:
        assert ctx.dataset is not None  # `data_context` sets it
        self._ctx = ctx
        _, height, width = ctx.dataset.signature.input_shape
        self._size = (height or 1, width or 1)  # the specs of this plugin state both
        root = ctx.folder()
        self._splits = find_splits(root, NEEDS) if _has_train(root) else {}
        self._home = self._splits.get("train") or _find_signs(root)
        classes = image_folder(self._home).classes
        if known and (others := [name for name in classes if name.lower() not in known]):
            raise DamagedDataError(
                f"{self._home} holds signs that are not in the alphabet, such as {others[0]}: give "
                "--dataset sign-digits for pictures of other signs"
            )
        self.signature = Signature(input_shape=(3, *self._size), outputs=len(classes), classes=classes)

    def load(self, split: str) -> dict[str, Array]:
        if split in self._splits:
            files = image_folder(self._splits[split], self.signature.classes, leave_out=self._ctx.leave_out)
            return {"x": read_images(files.paths, self._size), "y": files.labels}
        if self._splits or split not in ("train", "test"):
            known = self._splits or ("train", "test")
            raise UnknownSplitError(f"the pictures of signs have no split {split!r}, only {', '.join(known)}")
        files = image_folder(self._home, self.signature.classes, leave_out=self._ctx.leave_out)
        self._leave_out_test_pictures()
        return self._part(files, is_test=split == "test")

    def _part(self, files: ImageFiles, *, is_test: bool) -> dict[str, Array]:
        """Read the runs of every sign that are test, or the others."""
        paths: list[Path] = []
        labels: list[Array] = []
        groups: list[Array] = []
        for label, sign in enumerate(files.classes):
            own = sorted(itertools.compress(files.paths, files.labels == label), key=_by_number)
            if len(own) < TEST_EVERY:
                raise DamagedDataError(
                    f"{own[0].parent} holds {len(own)} pictures of {sign}: test is held out of them, which needs "
                    f"{TEST_EVERY}; add pictures, or make folders `train` and `test`"
                )
            runs = runs_of(len(own))
            rows = np.flatnonzero((runs % TEST_EVERY == TEST_EVERY - 1) == is_test)
            paths += [own[row] for row in rows]
            labels.append(np.full(len(rows), label, np.int64))
            groups.append(label * len(files.paths) + runs[rows])
        columns = {"y": np.concatenate(labels), "group": np.concatenate(groups)}
        return {"x": read_images(paths, self._size), **columns}

    def _leave_out_test_pictures(self) -> None:
        found = (folder for folder in folders_below(self._ctx.folder()) if folder.name == KAGGLE_TEST)
        for folder in itertools.islice(found, 1):  # a second one lies in the first
            self._ctx.leave_out(folder, NO_TEST)


def runs_of(count: int) -> Array:
    """Return the number of the run, int64 (count,), of each picture of a sign in order: see `SignPictures`.

    >>> [int(runs_of(count)[-1]) + 1 for count in (10, 40, 206, 3000)]
    [10, 20, 21, 30]
    """
    return np.arange(count) // max(1, min(LONGEST_RUN, count // RUNS))


def _by_number(path: Path) -> tuple[tuple[str | int, ...], str]:
    return natural_key(path.name), path.name


def _has_train(root: Path) -> bool:
    """Whether there is a folder `train` where `find_splits` looks for it: the form with a test split of its own."""
    below = folders(inner_root(root, {"train"}))
    return any(folder.name.lower() == "train" for parent in below for folder in (parent, *folders(parent)))


def _find_signs(root: Path) -> Path:
    """Find the folder with one folder for each sign.

    Raises DataUnavailableError if there is none, DamagedDataError if there are two such data sets.
    """
    names = {folder.name for folder in folders_below(root)}
    name = next((name for name in (KAGGLE_TRAIN, DIGITS) if name in names), "")
    home = root if root.name == name or not name else find_one(root, name, NEEDS)
    while len(below := folders(home)) == 1 and folders(below[0]):  # one sign alone has only pictures in it
        home = below[0]
    if all(folder.name == KAGGLE_TEST for folder in folders(home)):
        raise DataUnavailableError(f"{root} holds no folders of signs; {NEEDS}")
    return home
