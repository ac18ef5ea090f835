"""Copies records of several folders into one; ids tell what is there already, and nothing is overwritten."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo_core.errors import UsageError
from zoo_core.results.records import Record
from zoo_core.results.store import Store, Unreadable


@dataclass(frozen=True, kw_only=True, slots=True)
class Merged:
    """How many records were copied, how many were there already, and what could not be read."""

    copied: int
    known: int
    unreadable: list[Unreadable]


def merge(results: Sequence[Path], into: Path) -> Merged:
    """Copy every record, with its artifacts, to its place below `into`. Raises UsageError for a missing folder."""
    for folder in results:
        if not folder.is_dir():
            raise UsageError(f"there is no results folder {folder}")
        if folder.resolve() == into.resolve():
            raise UsageError(f"{folder} is the folder to merge into: name only the others")
    target = Store(into)
    copied, known, unreadable = 0, 0, []
    for folder in results:
        source = Store(folder)
        for item in source.read():
            if isinstance(item, Unreadable):
                unreadable.append(item)
                continue
            new = _copy(item, source, target)
            copied, known = copied + new, known + (not new)
    return Merged(copied=copied, known=known, unreadable=unreadable)


def _copy(record: Record, source: Store, target: Store) -> bool:
    """Whether the record was copied: not where one of its id is there. Links among the artifacts are left out."""
    staged = target.stage(record.id)
    try:
        artifacts = source.artifacts(record)
        own = artifacts.is_dir() and not artifacts.is_symlink()  # a link would lead out of the results
        for path in sorted(artifacts.iterdir()) if own else ():
            if path.is_file() and not path.is_symlink():
                shutil.copyfile(path, staged / path.name)
        target.save(record, staged)
    except FileExistsError:
        return False
    finally:
        if staged.exists():
            target.discard(staged)
    return True
