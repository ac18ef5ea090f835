"""Reads the texts that a trial's model wrote, for the pages. They may come from anyone, and are never markup."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo_core.files import read_regular
from zoo_core.results.reading import error_words
from zoo_core.results.records import Record
from zoo_core.ui.harmless import harmless
from zoo_leaderboard.records.trials import TrialSummary
from zoo_leaderboard.text.names import is_plain_name

MAX_TEXT_BYTES = 64 * 2**10
MAX_TEXTS = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Texts:
    """The texts of a record: `shown` as (caption, text), `refused` as (caption, reason).

    `left_out` is the number of texts beyond `MAX_TEXTS`.
    """

    record: Record
    shown: Sequence[tuple[str, str]]
    refused: Sequence[tuple[str, str]]
    left_out: int


def texts_of_best(trials: Sequence[TrialSummary], read: Callable[[TrialSummary], Record]) -> Texts | None:
    """Read the texts of the newest trial that has any; None if no trial has."""
    trial = next((trial for trial in reversed(trials) if trial.has_texts), None)
    return read_texts(read(trial), Path(trial.path)) if trial is not None else None


def read_texts(record: Record, path: Path) -> Texts:
    """Read the texts of the record at `path`."""
    shown, refused = [], []
    for caption, name in list(record.measured.texts.items())[:MAX_TEXTS]:
        text, reason = read_text(path.with_suffix("") / name, name)
        if reason:
            refused.append((caption, reason))
        else:
            shown.append((caption, text))
    left_out = max(0, len(record.measured.texts) - MAX_TEXTS)
    return Texts(record=record, shown=shown, refused=refused, left_out=left_out)


def read_text(path: Path, name: str) -> tuple[str, str]:
    """Return a text without escape sequences and control characters, and why it is not shown, "" if it is.

    `name` comes from a record and is not trusted. Bytes that are not UTF-8 become replacement characters.
    """
    if not is_plain_name(name):
        return "", "invalid file name"
    if path.parent.is_symlink() or path.is_symlink() or not path.is_file():
        return "", "file not found"
    try:
        content = read_regular(path, MAX_TEXT_BYTES)
    except OSError as error:
        return "", error_words(error)
    return harmless(content.decode("utf-8", "replace").replace("\r\n", "\n")), ""
