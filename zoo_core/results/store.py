"""The results folder: one JSON file a trial, `<task>/<record id>.json`, and a folder of that name for its artifacts.

Files are written atomically and never overwritten; one that cannot be read is reported and left as it is.
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
from zoo_core.results.records import Record

STAGING = ".staging"
CONFORMANCE = "conformance.json"  # plugin -> how it passed `zoo check --record`: version, level, counts, checked_at
ABANDONED_S = 3600.0  # age from which a temporary file has no writer any more


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record file that was passed over, and why."""

    path: Path
    reason: str


class Store:
    """A results folder; it is made by the first record."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def task_folder(self, task: str) -> Path:
        """The folder of a task's records, from its qualified name; the name is not trusted to be a path."""
        return self.folder / portable(task.replace(":", "--"))

    def artifacts(self, record: Record) -> Path:
        """Where the record's pictures and per-example results lie."""
        return self.task_folder(record.task.name) / portable(record.id)

    def stage(self, record_id: str) -> Path:
        """A new folder for a running trial's artifacts; `save` moves it to its place."""
        folder = self.folder / STAGING / f"{os.getpid()}-{portable(record_id)}"
        folder.mkdir(parents=True)
        return folder

    def save(self, record: Record, staged: Path | None = None) -> Path:
        """Write the record and move its staged artifacts beside it. Raises FileExistsError rather than overwrite."""
        path = self.task_folder(record.task.name) / f"{portable(record.id)}.json"
        if path.exists():
            raise FileExistsError(f"{path} exists; records are never overwritten")
        if staged is not None:
            if any(staged.iterdir()):
                path.parent.mkdir(parents=True, exist_ok=True)
                staged.rename(self.artifacts(record))
            else:
                self.discard(staged)
        write_atomically(path, records.encode(record))
        return path

    def discard(self, staged: Path) -> None:
        """Remove a staging folder; its parent too when it was the last one."""
        shutil.rmtree(staged, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty: another run is staging there
            staged.parent.rmdir()

    def clean(self, machine: str) -> None:
        """Remove what killed runs on this machine left behind: staging folders of processes that are gone.

        `machine`: its id, as in the records' ids. Other machines may share the disk; their folders stay.
        """
        import psutil

        for folder in (self.folder / STAGING).glob("*"):
            owner, _, name = folder.name.partition("-")
            here = f"-{machine}-" in name
            if owner.isdigit() and here and not psutil.pid_exists(int(owner)):
                self.discard(folder)
        for file in self.folder.glob("*/.*.tmp"):
            with contextlib.suppress(FileNotFoundError):  # its writer was faster
                if time.time() - file.stat().st_mtime > ABANDONED_S:
                    file.unlink()

    def read(self) -> Iterator[Record | Unreadable]:
        """Every record below the folder, oldest first within a task."""
        paths = [path for path in self.folder.glob("*/*.json") if not path.name.startswith(".")]
        # An id ends with its start time.
        for path in sorted(paths, key=lambda path: (path.parent, path.stem.rpartition("-")[2], path.stem)):
            try:
                yield records.decode(path.read_bytes())
            except (RecordError, OSError) as error:
                yield Unreadable(path, str(error))

    def find(self, task: str, key: str) -> list[Record]:
        """The readable records of one experiment, oldest first."""
        found = []
        for path in sorted(self.task_folder(task).glob(f"{key[:16]}-*.json")):
            with contextlib.suppress(RecordError, OSError):  # `read` is what reports these
                record = records.decode(path.read_bytes())
                if record.key == key:
                    found.append(record)
        return sorted(found, key=lambda record: record.started_at)
