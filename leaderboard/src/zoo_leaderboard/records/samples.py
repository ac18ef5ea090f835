"""Loads a row's test scores: one per seed, and one per example if the records have them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo_core.files import open_regular
from zoo_leaderboard.records.trials import MAX_SCORE, TrialSummary
from zoo_leaderboard.stats.sample import Sample
from zoo_leaderboard.text.names import is_plain_name

MAX_FILE_BYTES = 64 * 2**20  # of a file of results by example, and of each array in it
MAX_EXAMPLES = 200_000  # per trial, because all rows of a group are in memory; larger trials are compared by seeds
MAX_CLASSES = 10_000  # of an answer; larger numbers are no classes
NUMBERS = "biuf"  # kinds of dtypes whose values are scores
Array = np.ndarray[Any, Any]


def load_sample(trials: Sequence[TrialSummary]) -> Sample:
    """Load the scores of one row's trials, by example if every trial has results on the same examples.

    The mean over the examples must be the score. For a score that is not a mean, such as mean IoU, the value of an
    example is the score plus the influence of the example on it. A row without results by example, such as that of a
    Fréchet distance, is compared by seeds only.
    """
    scores = np.array([trial.score for trial in trials], dtype=np.float64)
    by_trial = [read_examples(trial) for trial in trials]
    known = [results for results in by_trial if results is not None]
    if len(known) < len(trials) or len({results.data for results in known}) > 1:
        return Sample(scores=scores, examples=None, groups=None, data="")
    table = np.stack([results.scores for results in known])  # (seeds, examples)
    return Sample(scores=table.mean(axis=1), examples=table, groups=known[0].groups, data=known[0].data)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Examples:
    """One trial's scores by example, float64 (n,). Trials on the same examples have equal `data`.

    `groups` is int (n,): examples with the same number belong together; None if all are independent.
    """

    scores: Array
    groups: Array | None
    data: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Answers:
    """One trial's results by example with the true and the predicted class, int64 (n,) each; None if unknown."""

    examples: Examples
    truth: Array | None
    answer: Array | None


def read_examples(trial: TrialSummary) -> Examples | None:
    """Read the trial's results by example; None if there are none or they do not match its score."""
    found = _read(trial, ("score", "truth", "group"))
    return found[1] if found is not None else None


def read_answers(trial: TrialSummary) -> Answers | None:
    """Read the trial's results by example with classes; None if `read_examples` is."""
    found = _read(trial, ("score", "truth", "group", "answer"))
    if found is None:
        return None
    arrays, examples = found
    return Answers(examples=examples, truth=_classes(arrays, "truth"), answer=_classes(arrays, "answer"))


def _classes(kept: Mapping[str, Array], name: str) -> Array | None:
    """The numbers of classes in an array; None if they cannot be that."""
    array = kept.get(name)
    if array is None or array.dtype.kind not in "iu" or array.shape != kept["score"].shape:
        return None
    numbers = array.astype(np.int64)
    return numbers if ((numbers >= 0) & (numbers < MAX_CLASSES)).all() else None


def _read(trial: TrialSummary, names: Sequence[str]) -> tuple[dict[str, Array], Examples] | None:
    """Read these arrays of the trial's file, as far as it has them; None without valid scores."""
    if not is_plain_name(trial.per_example_file) or trial.score is None:
        return None
    folder = Path(trial.path).with_suffix("")
    path = folder / trial.per_example_file
    try:
        if folder.is_symlink() or path.is_symlink():
            return None
        with open_regular(path, max_bytes=MAX_FILE_BYTES) as file, np.load(file, allow_pickle=False) as kept:
            if any(member.file_size > MAX_FILE_BYTES for member in kept.zip.infolist()):
                return None
            arrays: dict[str, Array] = {name: kept[name] for name in names if name in kept.files}
            examples = _valid_examples(trial, arrays)
            return (arrays, examples) if examples is not None else None
    except Exception:  # numpy and zipfile raise errors of twenty kinds for odd headers, even TokenError
        return None  # the row is compared by seeds, and the page says so


def _valid_examples(trial: TrialSummary, kept: Mapping[str, Array]) -> Examples | None:
    if kept["score"].dtype.kind not in NUMBERS:
        return None
    scores = np.asarray(kept["score"], dtype=np.float64)
    groups = kept.get("group")
    fits = scores.ndim == 1 and 1 < len(scores) <= MAX_EXAMPLES and bool((np.abs(scores) < MAX_SCORE).all())
    fits = fits and (groups is None or (groups.dtype.kind in "iu" and groups.shape == scores.shape))
    if not fits or not np.isclose(scores.mean(), float(trial.score or 0.0), rtol=1e-4, atol=1e-9):
        return None
    parts = [array.tobytes() for array in (kept.get("truth"), groups) if array is not None]
    data = hashlib.sha256(b"\0".join([str(len(scores)).encode(), *parts])).hexdigest()[:16]
    return Examples(scores=scores, groups=groups, data=data)
