"""Hides the labels of test from a trial in the sandbox: they are not there, so no code of the trial can read them.

In place of each file of labels, the sandbox shows a decoy of the same form, made of labels drawn from train, and in
place of the data root nothing. The worker predicts and scores as always, but its scores mean nothing; those of the
second process, which has the labels and not the model's code (see scoring.py), are the trial's.

The environment variable LABELS asks for it. The task must be of a kind whose predictions are scored apart.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.cached import CONTENTS, contents_with
from zoo_core.errors import DataUnavailableError
from zoo_core.files import cache_dir, new_folder, writing_cache
from zoo_core.runner.events import ScoreJob, TrialJob

if TYPE_CHECKING:
    from zoo_core.columns import Column, Columns

LABELS, HIDDEN = "ZOO_SANDBOX_LABELS", "hidden"
INPUTS = "x"  # the column of test that a trial may see
MAKING = ".hiding-"
CANNOT_HIDE = (
    "the labels of this task cannot be hidden, because it scores in the process of the model: run it without "
    f"{LABELS}={HIDDEN}"
)
HIDDEN_LABELS = "hidden labels"  # in `Measured.left_out`: a note that nobody has to be warned of
NO_PICTURES = "the process that makes pictures and texts of test examples had no labels"


def hides_labels(job: TrialJob) -> bool:
    """Return whether the sandbox of a job must not hold the labels of test; the second scoring needs them."""
    return job.sandbox and not isinstance(job, ScoreJob) and os.environ.get(LABELS) == HIDDEN


def shown_in_place(job: TrialJob) -> Iterator[tuple[Path, Path]]:
    """Yield paths of the decoded data and what the sandbox shows there: the folder, then decoys over files in it.

    Raises DataUnavailableError if the data have not been decoded yet.
    """
    from zoo_core.data.open import decoded_folder
    from zoo_core.runner.job_specs import find_dataset

    dataset = find_dataset(job.dataset)
    folder = decoded_folder(dataset, job.fingerprint, job.code.dataset if job.code else None)
    if not (folder / CONTENTS).is_file():
        raise DataUnavailableError(f"the data of {job.dataset} are not decoded, so their labels cannot be hidden")
    yield folder, folder
    decoys = _decoys_of(folder)
    for path in sorted(decoys.rglob("*")):
        if path.is_file():
            yield folder / path.relative_to(decoys), path


def _decoys_of(folder: Path) -> Path:
    """Return the folder with the decoys of decoded data, made anew if the data have changed."""
    state = hashlib.sha256((folder / CONTENTS).read_bytes()).hexdigest()[:16]
    home = cache_dir() / "hidden" / f"{folder.name}-{state}"
    if not home.is_dir():
        from zoo_core import columns

        with writing_cache(), new_folder(home, MAKING, durable=False) as inside:
            train, test = columns.load(folder / "train"), columns.load(folder / "test")
            columns.save(decoy_labels(train, test), inside / "test")
            (inside / CONTENTS).write_bytes(contents_with(folder, inside))
    return home


def decoy_labels(train: Columns, test: Columns) -> dict[str, Column]:
    """Return the columns of test but the inputs, with the values of examples of train, the same ones for all columns.

    So each decoy is a valid label, and says nothing about test. A column without like in train is filled with zeros.
    """
    import numpy as np

    from zoo_core.columns import length

    rows = np.random.default_rng(0).integers(length(train), size=length(test))
    return {name: _decoy(train.get(name), column, rows.tolist()) for name, column in test.items() if name != INPUTS}


def _decoy(train: Column | None, test: Column, rows: list[int]) -> Column:
    import numpy as np

    from zoo_core.columns import Ragged

    if isinstance(test, Ragged):
        if not isinstance(train, Ragged) or train.values.shape[1:] != test.values.shape[1:]:
            return Ragged(values=np.zeros_like(test.values[:0]), offsets=np.zeros_like(test.offsets))
        parts = [train[row] for row in rows]
        offsets = np.cumsum([0, *map(len, parts)]).astype(test.offsets.dtype)
        return Ragged(values=np.concatenate(parts).astype(test.values.dtype), offsets=offsets)
    if train is None or isinstance(train, Ragged) or train.shape[1:] != test.shape[1:]:
        return np.zeros(test.shape, test.dtype)
    return np.asarray(train[rows]).astype(test.dtype)


def remove_made_from_decoys(staging: Path) -> None:
    """Remove the files that the worker made by comparing predictions with decoys."""
    for pattern in ("per_example.npz", "picture-*.png", "text-*.txt"):
        for path in staging.glob(pattern):
            with contextlib.suppress(OSError):  # the trial's code put a folder there
                path.unlink()
