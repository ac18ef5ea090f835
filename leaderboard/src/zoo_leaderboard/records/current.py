"""Decides which code of a model is current: the code that `zoo bench` last asked for, from its notes and the records.

Code means that of the model, the data set and the task, with their versions. Earlier records have only the code of the
model: a part that is unknown agrees with any.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from zoo_core.results.current import CurrentCode, CurrentKey, current_files, newest_by_key, read_current
from zoo_core.results.records import FINAL
from zoo_core.results.store import Unreadable
from zoo_leaderboard.records.trials import TrialSummary, code_text

Current = Mapping[CurrentKey, CurrentCode]  # the latest note of each task, data set and model
NO_NOTES: Current = MappingProxyType({})
VERSIONS = ("task_version", "dataset_version", "model_version")
OTHER_CODE = "other code than in the last call of zoo bench"


def load_current(task_folders: Iterable[Path]) -> Current:
    """Read the notes in these folders of records, `results/<task>`."""
    return newest_by_key(note for folder in task_folders for note in read_current(folder))


def unreadable_notes(task_folder: Path) -> list[tuple[str, str]]:
    """Return the path and the reason of each broken note; the board is built without them."""
    notes = (note for note in read_current(task_folder) if isinstance(note, Unreadable))
    return [(os.fsencode(note.path).decode("utf-8", "backslashreplace"), note.reason) for note in notes]


def notes_stamp(task_folder: Path) -> list[tuple[str, int, int]]:
    """Return name, size and modification time (ns) of each note."""
    stamp = []
    for path in current_files(task_folder):
        with contextlib.suppress(OSError):  # deleted meanwhile
            stat = path.stat()
            stamp.append((path.name, stat.st_size, stat.st_mtime_ns))
    return stamp


def is_superseded(trial: TrialSummary, notes: Current) -> bool:
    """Return whether other code than the trial's was asked for later."""
    note = notes.get((trial.task, trial.dataset, trial.model))
    return note is not None and note.asked_at >= trial.started_at and not _agree(trial.whole_code, _text_of(note))


def select_row_code(trials: pd.DataFrame, notes: Current) -> pd.DataFrame:
    """Select the trials of each row whose code counts, and add the column `is_current`.

    That is the current code of the row's model on its task and data set; in a row without a finished trial of it, the
    latest code, and then `is_current` is False. The current code is that of the latest note. If there is no note, or a
    later record, it is that of the newest record of the highest version. A finished trial counts before one that was
    interrupted or skipped.
    """
    ordered = trials.assign(final=trials["status"].isin(FINAL))
    ordered = ordered.sort_values(["final", *VERSIONS, "started_at", "id"])
    newest = {_key(row): row for row in ordered.itertuples()}
    wanted = {key: _current_code(row, notes.get(key)) for key, row in newest.items()}
    ordered["is_current"] = [_agree(str(row.whole_code), wanted[_key(row)]) for row in ordered.itertuples()]
    ordered = ordered.sort_values(["final", "is_current", "started_at", "id"])
    last = ordered.groupby("row_text")[["is_current", "whole_code"]].transform("last")
    counts = ordered["is_current"].where(last["is_current"], ordered["whole_code"] == last["whole_code"])
    return ordered[counts.astype(bool)]


def _key(row: Any) -> CurrentKey:
    return row.task, row.dataset, row.model


def _current_code(newest: Any, note: CurrentCode | None) -> str:
    if note is None or (newest.final and newest.started_at > note.asked_at):
        return str(newest.whole_code)
    return _text_of(note)


def _text_of(note: CurrentCode) -> str:
    return code_text(note.code_sha256, note.other_code, note.versions)


@lru_cache  # most of the trials have one of a few codes
def _agree(one: str, other: str) -> bool:
    """Return whether two code texts agree in every part that both know."""
    first, second = json.loads(one), json.loads(other)
    return all(first[part] == second[part] for part in first.keys() & second.keys())
