"""Reads which regressions people have acknowledged: the board stops reporting these, and their history says why.

An acknowledgement is a text file `<task>/acknowledged/<record id>.txt` in a results folder. Its content is the reason.
The record is any trial of the occasion at which the regression was first seen. The files are not trusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from zoo_core.files import portable, read_regular, write_atomically
from zoo_core.results.reading import MAX_NOTE_BYTES, error_words
from zoo_core.results.store import Unreadable

FOLDER = "acknowledged"
SUFFIX = ".txt"
NO_REASON = "no reason given"


def read_acknowledged(task_folders: Iterable[Path]) -> tuple[dict[str, str], list[Unreadable]]:
    """Return the reasons by the file name of the record without suffix, and the files that cannot be read."""
    reasons: dict[str, str] = {}
    unreadable = []
    for path in (path for folder in task_folders for path in _files(folder)):
        try:
            text = read_regular(path, MAX_NOTE_BYTES).decode("utf-8", "replace")
        except OSError as error:
            unreadable.append(Unreadable(path, error_words(error)))
            continue
        reasons[path.stem] = " ".join(text.split()) or NO_REASON
    return reasons, unreadable


def reason_for(record_ids: Iterable[str], reasons: Mapping[str, str]) -> str:
    """Return why the regression first seen in one of these records was acknowledged; empty if it was not."""
    return next((reasons[name] for name in map(portable, record_ids) if name in reasons), "")


def merge_acknowledged(source: Path, target: Path) -> list[Unreadable]:
    """Copy the files of one results folder into another, except those that are there; return the unreadable ones."""
    unreadable = []
    for path in (path for folder in source.iterdir() if folder.is_dir() for path in _files(folder)):
        copy = target / path.relative_to(source)
        try:
            if not copy.exists():
                write_atomically(copy, read_regular(path, MAX_NOTE_BYTES))
        except OSError as error:
            unreadable.append(Unreadable(path, error_words(error)))
    return unreadable


def _files(task_folder: Path) -> list[Path]:
    folder = task_folder / FOLDER
    try:
        if folder.is_symlink() or not folder.is_dir():
            return []
        return sorted(path for path in folder.iterdir() if path.suffix == SUFFIX and not path.name.startswith("."))
    except OSError:  # removed meanwhile, or not for this user
        return []
