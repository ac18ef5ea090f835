"""The results folder: per trial a JSON file `<task>/<record id>.json`, and a folder of that name for its artifacts.

Files are written atomically and never overwritten. An unreadable file is reported and left unchanged.
A running trial writes to `.staging/<process>-<record id>`. When it has ended, its record is first written next to that
folder, as `....record`; then the folder and the record are moved to their places. So a killed run leaves only entries
of `.staging`, and the next run finishes what was complete and removes the rest.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo_core.errors import MachineError, RecordError, UsageError, machine_error_of
from zoo_core.files import portable, write_atomically
from zoo_core.results import records
from zoo_core.results.reading import error_words, folder_name, read_record
from zoo_core.results.records import Record

STAGING = ".staging"
COMPLETE = ".record"  # the end of the name of a record that only has to be moved to its place
STAGING_ATTEMPTS = 5
PROBE_BYTES = 1 << 16
CONFORMANCE = "conformance.json"  # plugin -> result of `zoo check --record`: version, level, counts, checked_at
CLOCK_STEP_S = 60.0  # that the clock may have been set back between the start of a process and a change of a file
ABANDONED_AFTER_S = 3600.0  # a temporary file of this age has no writer any more


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record file that was skipped, and the reason."""

    path: Path
    reason: str


def require_folder(folder: Path) -> None:
    """Raise UsageError if a results folder's name belongs to something else, or leads through a file."""
    other = "name another folder with --results"
    for path in (folder, *folder.parents):
        if path.is_symlink() and not path.exists():
            raise UsageError(f"{path} is a link to {path.readlink()}, which does not exist: create it, or {other}")
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path} is a file, not a folder, so that no records fit there: move it, or {other}")


@contextlib.contextmanager
def writing_results(folder: Path) -> Iterator[None]:
    """Turn any error of the file system inside the block into a MachineError that names the file."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(folder)  # an error while writing to an open file names none
        path, reason = error.filename, error.strerror or str(error)
        refused = f"{path} may not be read or written ({reason}): change its permissions, or use another path"
        raise machine_error_of(error) or MachineError(refused) from error


class Store:
    """A results folder; the first record creates it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._locks: dict[Path, int | None] = {}  # of the folders that this process stages in

    def task_folder(self, task: str) -> Path:
        """Return the folder for a task's records, from the task's qualified name, which need not be a safe path."""
        return self.folder / folder_name(task)

    def artifacts(self, record: Record) -> Path:
        """Return the folder for the record's pictures, per-example results and checkpoint."""
        return self.task_folder(record.task.name) / portable(record.id)

    def require_writable(self, *, flush: bool = True) -> None:
        """Write a small file into the folder and remove it, and the folder if that did not exist.

        flush: wait for the disk, which finds more faults and takes some milliseconds.
        Raises UsageError if something else has the folder's name, MachineError if nothing can be written there.
        """
        require_folder(self.folder)
        missing = [folder for folder in (self.folder, *self.folder.parents) if not folder.exists()]
        probe = self.folder / f".{os.getpid()}-{secrets.token_hex(4)}.probe"
        with writing_results(self.folder):
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                with probe.open("xb") as file:
                    file.write(os.urandom(PROBE_BYTES))  # a disk may store zeros without taking space
                    file.flush()
                    if flush:
                        os.fsync(file.fileno())
            finally:
                with contextlib.suppress(OSError):
                    probe.unlink(missing_ok=True)
                    for folder in missing:
                        folder.rmdir()

    def path(self, record: Record) -> Path:
        """Return the record's file, which need not exist."""
        return self.task_folder(record.task.name) / f"{portable(record.id)}.json"

    def stage(self, record_id: str) -> Path:
        """Create a folder for the artifacts of a running trial; `save` moves it to its final place."""
        folder = self._staged(record_id)
        for attempt in range(STAGING_ATTEMPTS):
            try:
                folder.mkdir(parents=True)
                break
            except FileNotFoundError:  # another run removed the empty `.staging` in between
                if attempt == STAGING_ATTEMPTS - 1:
                    raise
        with contextlib.suppress(OSError):  # such as a network disk without locks
            self._locks[folder] = _lock(folder)
        return folder

    def save(self, record: Record, staged: Path | None = None) -> Path:
        """Write the record and move its staged artifacts next to it; never overwrites.

        Raises FileExistsError, and DamagedRecordError for a record that could not be read again. After any error
        neither the record nor its artifacts are in their places.
        """
        content = records.encode(record)
        records.decode(content)
        path = self.path(record)
        if path.exists():
            raise FileExistsError(f"{path} exists; records are never overwritten")
        if staged is None:
            write_atomically(path, content)
            return path
        if not staged.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(staged))
        complete = staged.with_name(f"{staged.name}{COMPLETE}")
        write_atomically(complete, content)
        try:
            self._move(record, complete, staged)
        except OSError:
            complete.unlink(missing_ok=True)
            if not staged.exists() and self.artifacts(record).is_dir():
                self.artifacts(record).rename(staged)
            raise
        self._release(staged)
        return path

    def discard(self, staged: Path) -> None:
        """Remove a staging folder, and its parent if that is then empty."""
        shutil.rmtree(staged, ignore_errors=True)
        self._release(staged)

    def clean(self, machine: str) -> None:
        """Finish or remove what killed runs on this machine left behind; files that cannot be removed stay.

        machine: the machine id, which is part of record ids. Other machines may share the disk; their folders stay.
        """
        staging = self.folder / STAGING
        left = [path for path in staging.glob("*") if _is_abandoned(path, machine)]
        for path in (path for path in left if path.name.endswith(COMPLETE) and path.is_file()):
            with contextlib.suppress(RecordError, OSError):
                self._move(records.decode(path.read_bytes()), path, path.with_name(path.name.removesuffix(COMPLETE)))
        for path in left:
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        with contextlib.suppress(OSError):  # not empty: another run is staging there
            staging.rmdir()
        for probe in self.folder.glob(".*.probe"):
            with contextlib.suppress(OSError):
                probe.unlink()  # harmless for a run that is just trying it
        for pattern in (".*.tmp", "*/.*.tmp", "*/*/.*.tmp"):
            for file in self.folder.glob(pattern):
                with contextlib.suppress(OSError):  # its writer removed it first
                    if time.time() - file.stat().st_mtime > ABANDONED_AFTER_S:
                        file.unlink()

    def _staged(self, record_id: str) -> Path:
        return self.folder / STAGING / f"{os.getpid()}-{portable(record_id)}"

    def _move(self, record: Record, complete: Path, staged: Path) -> None:
        """Move a complete record and its artifacts from `.staging` to their places, the record last."""
        path = self.path(record)
        path.parent.mkdir(parents=True, exist_ok=True)
        if staged.is_dir() and not path.exists():
            if any(staged.iterdir()):
                staged.rename(self.artifacts(record))
            else:
                staged.rmdir()
        if not path.exists():
            complete.replace(path)

    def _release(self, staged: Path) -> None:
        """Forget a staging folder that was moved or removed, and remove its parent if that is then empty."""
        descriptor = self._locks.pop(staged, None)
        if descriptor is not None:
            os.close(descriptor)
        with contextlib.suppress(OSError):  # not empty: another run is staging there
            staged.parent.rmdir()

    def read(self) -> Iterator[Record | Unreadable]:
        """Yield every record in the folder, oldest first within a task."""
        paths = [path for path in self.folder.glob("*/*.json") if not path.name.startswith(".")]
        # An id ends with its start time.
        for path in sorted(paths, key=lambda path: (path.parent, path.stem.rpartition("-")[2], path.stem)):
            try:
                yield read_record(path)
            except (RecordError, OSError) as error:
                yield Unreadable(path, error_words(error))

    def newest(self, task: str, most: int = sys.maxsize) -> list[Record]:
        """Return up to `most` readable records of a task, the newest ones, oldest first."""
        paths = [path for path in self.task_folder(task).glob("*.json") if not path.name.startswith(".")]
        found = []
        for path in sorted(paths, key=lambda path: path.stem.rpartition("-")[2])[-most:]:
            with contextlib.suppress(RecordError, OSError):  # `read` reports these
                found.append(read_record(path))
        return found

    def find(self, task: str, key: str) -> list[Record]:
        """Return the readable records of one experiment, oldest first."""
        matching = []
        for path in sorted(self.task_folder(task).glob(f"{key[:16]}-*.json")):
            with contextlib.suppress(RecordError, OSError):  # `read` reports these
                record = read_record(path)
                if record.key == key:
                    matching.append(record)
        return sorted(matching, key=lambda record: record.started_at)


def _lock(folder: Path) -> int | None:
    """Lock a folder until this process ends; return the descriptor, or None on Windows.

    Raises BlockingIOError if it is locked already, OSError if its disk has no locks.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _is_abandoned(path: Path, machine: str) -> bool:
    """Return whether an entry of `.staging` is of this machine, and of a process that has ended.

    A process of the same id is another one if it started after the entry was last changed. A locked folder has an owner
    even if there is no such process here: it runs in another container.
    """
    import psutil

    owner, _, name = path.name.removeprefix(".").partition("-")
    if not owner.isdigit() or f"-{machine}-" not in name:
        return False
    with contextlib.suppress(psutil.Error, OSError):
        if psutil.Process(int(owner)).create_time() <= path.stat().st_mtime + CLOCK_STEP_S:
            return False
    try:
        descriptor = _lock(path) if path.is_dir() else None
    except OSError as error:
        return not isinstance(error, BlockingIOError)
    if descriptor is not None:
        os.close(descriptor)
    return True
