"""Copies the records of several folders into one. Records whose id is there already are not overwritten."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo_core.errors import RecordError, UsageError
from zoo_core.files import portable
from zoo_core.results.current import merge_current
from zoo_core.results.reading import error_words
from zoo_core.results.records import Record
from zoo_core.results.store import Store, Unreadable
from zoo_core.results.verified import merge_verified
from zoo_leaderboard.records.acknowledged import merge_acknowledged

MAX_ARTIFACT_BYTES = 2**28  # of a file beside a record, except its checkpoint; a larger one may be a hole without end


@dataclass(frozen=True, kw_only=True, slots=True)
class Merged:
    """The number of records copied, the number already there, and the unreadable files.

    `clashes` are names that were given (`--name`) to models of different sources.
    """

    copied: int
    known: int
    unreadable: list[Unreadable]
    clashes: list[str]


def merge(results: Sequence[Path], into: Path) -> Merged:
    """Copy every record, with its artifacts, to its place below `into`. Raises UsageError for a missing folder."""
    for folder in results:
        if not folder.is_dir():
            raise UsageError(f"there is no results folder {folder}")
        if folder.resolve() == into.resolve():
            raise UsageError(f"{folder} is the folder to merge into: give only the other folders")
    target = Store(into)
    copied, known, unreadable, clashes = 0, 0, [], []
    for folder in results:
        source = Store(folder)
        for item in source.read():
            if isinstance(item, Unreadable):
                unreadable.append(item)
                continue
            try:
                new, left_out = _copy(item, source, target)
                unreadable += left_out
            except RecordError as error:
                unreadable.append(Unreadable(source.task_folder(item.task.name) / f"{item.id}.json", str(error)))
                continue
            copied, known = copied + new, known + (not new)
        clashes += merge_current(source, target)
        unreadable += merge_verified(source, target)
        unreadable += merge_acknowledged(folder, into)
    return Merged(copied=copied, known=known, unreadable=unreadable, clashes=sorted(set(clashes)))


def _copy(record: Record, source: Store, target: Store) -> tuple[bool, list[Unreadable]]:
    """Copy a record and its artifacts, except links and what is too large for an artifact or may not be read.

    Returns whether it is new, False if a record with its id is there already; and the artifacts that are left out.
    """
    if (target.task_folder(record.task.name) / f"{portable(record.id)}.json").exists():
        return False, []
    staged, left_out = target.stage(record.id), []
    try:
        artifacts = source.artifacts(record)
        readable = artifacts.is_dir() and not artifacts.is_symlink()  # a link could lead out of the results folder
        for path in sorted(artifacts.iterdir()) if readable else ():
            if not path.is_file() or path.is_symlink():
                continue
            if path.stat().st_size > MAX_ARTIFACT_BYTES and path.name != record.measured.checkpoint:
                left_out.append(Unreadable(path, f"larger than {MAX_ARTIFACT_BYTES // 2**20} MiB"))
                continue
            try:
                shutil.copyfile(path, staged / path.name)  # a pipe is no file
            except (PermissionError, FileNotFoundError) as error:  # not for this user, or removed meanwhile
                left_out.append(Unreadable(path, error_words(error)))
        target.save(record, staged)
    except FileExistsError:
        return False, []
    finally:
        if staged.exists():
            target.discard(staged)
    return True, left_out
