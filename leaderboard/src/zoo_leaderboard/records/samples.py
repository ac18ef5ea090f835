"""Loads a row's test scores: one per seed, and one per example if the records have them."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo_leaderboard.records.entries import Entry
from zoo_leaderboard.stats.statistics import Sample
from zoo_leaderboard.text.names import is_plain_name

MAX_FILE_BYTES = 64 * 2**20  # of a file of results by example, and of each array in it
MAX_EXAMPLES = 200_000  # per trial, because all rows of a group are in memory; larger trials are compared by seeds
# raised by numpy and zipfile for invalid files
LOAD_ERRORS = (
    *(OSError, ValueError, TypeError, KeyError, EOFError, MemoryError, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error),
)

Array = np.ndarray[Any, Any]


def sample(entries: Sequence[Entry], *, examples: bool = True) -> Sample:
    """The scores of one row's trials, by example if every trial has results on the same examples.

    The mean over the examples must be the score. A score that is not a mean (mean IoU, Fréchet distance) is compared by
    seeds only.
    """
    scores = np.array([entry.score for entry in entries], dtype=np.float64)
    found = [read_examples(entry) for entry in entries] if examples else [None]
    whole = [item for item in found if item is not None]
    if len(whole) < len(entries) or len({item.data for item in whole}) > 1:
        return Sample(scores=scores, examples=None, groups=None, data="")
    table = np.stack([item.scores for item in whole])
    return Sample(scores=table.mean(axis=1), examples=table, groups=whole[0].groups, data=whole[0].data)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Examples:
    """One trial's scores by example, float64 (n,), with `groups` (n,) or None. Equal examples have equal `data`."""

    scores: Array
    groups: Array | None
    data: str


def read_examples(entry: Entry) -> Examples | None:
    """Read the trial's results by example; None if there are none or they do not match its score."""
    if not is_plain_name(entry.per_example) or entry.score is None:
        return None
    folder = Path(entry.path).with_suffix("")
    path = folder / entry.per_example
    try:
        if folder.is_symlink() or path.is_symlink() or path.stat().st_size > MAX_FILE_BYTES:
            return None
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            if any(member.file_size > MAX_FILE_BYTES for member in kept.zip.infolist()):
                return None
            return _valid_examples(
                entry, {name: kept[name] for name in ("score", "truth", "group") if name in kept.files}
            )
    except LOAD_ERRORS:
        return None  # the row is compared by seeds, and the page says so


def _valid_examples(entry: Entry, kept: dict[str, Array]) -> Examples | None:
    scores = np.asarray(kept["score"], dtype=np.float64)
    groups = kept.get("group")
    fits = scores.ndim == 1 and 1 < len(scores) <= MAX_EXAMPLES and bool(np.isfinite(scores).all())
    fits = fits and (groups is None or groups.shape == scores.shape)
    if not fits or not np.isclose(scores.mean(), float(entry.score or 0.0), rtol=1e-4, atol=1e-9):
        return None
    parts = [array.tobytes() for array in (kept.get("truth"), groups) if array is not None]
    data = hashlib.sha256(b"\0".join([str(len(scores)).encode(), *parts])).hexdigest()[:16]
    return Examples(scores=scores, groups=groups, data=data)
