"""A row's test scores as the statistics want them: by seed, and example by example where the records kept that."""

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
from zoo_leaderboard.text.names import is_plain

LARGEST = 64 * 2**20  # bytes of one file of per-example results, packed and of each array in it unpacked
MOST_EXAMPLES = 200_000  # of a trial: a group's rows are held in memory together; more are compared by their seeds
# what numpy and zipfile raise for files that are not what they say
UNREADABLE = (
    *(OSError, ValueError, TypeError, KeyError, EOFError, MemoryError, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error),
)

Array = np.ndarray[Any, Any]


def sample(entries: Sequence[Entry], *, examples: bool = True) -> Sample:
    """The seeds of one row; by example where every seed has that, on the same examples, and its mean is the score.

    A score that is no mean over examples (mean IoU, a Frechet distance) cannot be resampled by example.
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
    """One trial's score by example, float64 (n,); `groups` (n,) or None; `data` is equal for equal examples."""

    scores: Array
    groups: Array | None
    data: str


def read_examples(entry: Entry) -> Examples | None:
    """What the trial kept by example; None where there is nothing, or nothing that fits its score."""
    if not is_plain(entry.per_example) or entry.score is None:
        return None
    folder = Path(entry.path).with_suffix("")
    path = folder / entry.per_example
    try:
        if folder.is_symlink() or path.is_symlink() or path.stat().st_size > LARGEST:
            return None
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            if any(member.file_size > LARGEST for member in kept.zip.infolist()):
                return None
            return _examples(entry, {name: kept[name] for name in ("score", "truth", "group") if name in kept.files})
    except UNREADABLE:
        return None  # without them the seeds alone are compared, and the page says so


def _examples(entry: Entry, kept: dict[str, Array]) -> Examples | None:
    scores = np.asarray(kept["score"], dtype=np.float64)
    groups = kept.get("group")
    fits = scores.ndim == 1 and 1 < len(scores) <= MOST_EXAMPLES and bool(np.isfinite(scores).all())
    fits = fits and (groups is None or groups.shape == scores.shape)
    if not fits or not np.isclose(scores.mean(), float(entry.score or 0.0), rtol=1e-4, atol=1e-9):
        return None
    parts = [array.tobytes() for array in (kept.get("truth"), groups) if array is not None]
    data = hashlib.sha256(b"\0".join([str(len(scores)).encode(), *parts])).hexdigest()[:16]
    return Examples(scores=scores, groups=groups, data=data)
