"""The results folder: per trial a JSON file `<task>/<record id>.json`, and a folder of that name for its artifacts.

Files are written atomically and never overwritten. An unreadable file is reported and left unchanged.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo_core.errors import RecordError
from zoo_core.files import portable, write_atomically
from zoo_core.results import records
from zoo_core.results.reading import error_words, folder_name, read_record
from zoo_core.results.records import Record

STAGING = ".staging"
CONFORMANCE = "conformance.json"  # plugin -> result of `zoo check --record`: version, level, counts, checked_at
ABANDONED_AFTER_S = 3600.0  # a temporary file of this age has no writer any more


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record file that was skipped, and the reason."""

    path: Path
    reason: str


class Store:
    """A results folder; the first record creates it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def task_folder(self, task: str) -> Path:
        """Return the folder for a task's records, from the task's qualified name, which need not be a safe path."""
        return self.folder / folder_name(task)

    def artifacts(self, record: Record) -> Path:
        """Return the folder for the record's pictures, per-example results and checkpoint."""
        return self.task_folder(record.task.name) / portable(record.id)

    def stage(self, record_id: str) -> Path:
        """Create a folder for the artifacts of a running trial; `save` moves it to its final place."""
        folder = self.folder / STAGING / f"{os.getpid()}-{portable(record_id)}"
        folder.mkdir(parents=True)
        return folder

    def save(self, record: Record, staged: Path | None = None) -> Path:
        """Write the record and move its staged artifacts next to it; never overwrites.

        Raises FileExistsError, and DamagedRecordError for a record that could not be read again.
        """
        content = records.encode(record)
        records.decode(content)
        path = self.task_folder(record.task.name) / f"{portable(record.id)}.json"
        if path.exists():
            raise FileExistsError(f"{path} exists; records are never overwritten")
        if staged is not None:
            if any(staged.iterdir()):
                path.parent.mkdir(parents=True, exist_ok=True)
                staged.rename(self.artifacts(record))
            else:
                self.discard(staged)
        write_atomically(path, content)
        return path

    def discard(self, staged: Path) -> None:
        """Remove a staging folder, and its parent if that is then empty."""
        shutil.rmtree(staged, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty: another run is staging there
            staged.parent.rmdir()

    def clean(self, machine: str) -> None:
        """Remove staging folders and temporary files that killed runs on this machine left behind.

        machine: the machine id, which is part of record ids. Other machines may share the disk; their folders stay.
        """
        import psutil

        for folder in (self.folder / STAGING).glob("*"):
            owner, _, name = folder.name.partition("-")
            here = f"-{machine}-" in name
            if owner.isdigit() and here and not psutil.pid_exists(int(owner)):
                self.discard(folder)
        for file in [*self.folder.glob("*/.*.tmp"), *self.folder.glob("*/current/.*.tmp")]:
            with contextlib.suppress(FileNotFoundError):  # its writer removed it first
                if time.time() - file.stat().st_mtime > ABANDONED_AFTER_S:
                    file.unlink()

    def read(self) -> Iterator[Record | Unreadable]:
        """Yield every record in the folder, oldest first within a task."""
        paths = [path for path in self.folder.glob("*/*.json") if not path.name.startswith(".")]
        # An id ends with its start time.
        for path in sorted(paths, key=lambda path: (path.parent, path.stem.rpartition("-")[2], path.stem)):
            try:
                yield read_record(path)
            except (RecordError, OSError) as error:
                yield Unreadable(path, error_words(error))

    def find(self, task: str, key: str) -> list[Record]:
        """Return the readable records of one experiment, oldest first."""
        matching = []
        for path in sorted(self.task_folder(task).glob(f"{key[:16]}-*.json")):
            with contextlib.suppress(RecordError, OSError):  # `read` reports these
                record = read_record(path)
                if record.key == key:
                    matching.append(record)
        return sorted(matching, key=lambda record: record.started_at)
