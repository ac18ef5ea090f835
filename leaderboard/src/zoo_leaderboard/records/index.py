"""Every record's entry, kept in the zoo's cache: a second build looks at files' times and sizes, and reads what is new.

The cache holds nothing that is not in the records: whoever deletes it waits for a complete build, once.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from zoo_core.errors import DamagedRecordError, RecordError, UsageError
from zoo_core.files import cache_dir, write_atomically
from zoo_core.results import records
from zoo_leaderboard.records import entries, keys
from zoo_leaderboard.records.entries import Entry, entry_of
from zoo_leaderboard.text.names import files_digest

NEWEST_KEPT = 300  # trials a folder offers for pages of their own, without its entries being read


class File(msgspec.Struct, frozen=True, array_like=True):
    """A record's file as it was when it was read; one of `entry` and `unreadable` (the reason) says what was in it."""

    name: str
    size: int
    changed_ns: int
    entry: Entry | None
    unreadable: str = ""


class Candidate(msgspec.Struct, frozen=True, array_like=True):
    """A trial that may get a page of its own."""

    started_at: str
    id: str
    failed: bool
    path: str
    task: str
    stamp: str


class Head(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What is known of a folder of records before its entries are read.

    `models`, `tasks` and `datasets` have the highest version seen, by name; `models_of` the models by task.
    """

    digest: str
    trials: int
    unreadable: list[tuple[str, str]]
    tasks: dict[str, int]
    datasets: dict[str, int]
    models: dict[str, int]
    models_of: dict[str, list[str]]
    candidates: list[Candidate]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """A folder of record files, `results/<task>`, as it lies on disk now: name, size and time of change of each.

    `digest` changes with every file that comes, goes or changes, and with this program.
    """

    folder: Path
    files: tuple[tuple[str, int, int], ...]
    digest: str

    @property
    def cache(self) -> Path:
        """Its place in the cache, without an ending."""
        name = hashlib.sha256(os.fsencode(self.folder.absolute())).hexdigest()[:32]
        return cache_dir() / "leaderboard" / "index" / name


@cache
def entry_code_digest() -> str:
    """A hash of the modules that decide what an entry holds."""
    return files_digest(Path(str(name)) for name in (entries.__file__, keys.__file__, records.__file__, __file__))


def scan(results: Sequence[Path]) -> list[Shard]:
    """The folders of records below some results folders. Raises UsageError for one that is not there."""
    found = []
    for root in results:
        if not root.is_dir():
            raise UsageError(f"there is no results folder {root}; `zoo bench TASK` makes one")
        found += [shard for folder in _folders(root) if (shard := _shard(folder)).files]
    return found


def _folders(root: Path) -> list[Path]:
    with os.scandir(root) as entries_:
        return sorted(Path(entry.path) for entry in entries_ if entry.is_dir() and not entry.name.startswith("."))


def _shard(folder: Path) -> Shard:
    found = []
    with os.scandir(folder) as entries_:
        for entry in entries_:
            if entry.name.endswith(".json") and not entry.name.startswith("."):
                with contextlib.suppress(OSError):  # a link to nowhere, or a file that went meanwhile
                    stat = entry.stat()
                    found.append((entry.name, stat.st_size, stat.st_mtime_ns))
    files = tuple(sorted(found))
    text = repr((files, entry_code_digest()))
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return Shard(folder=folder, files=files, digest=digest)


def head_of(shard: Shard) -> Head | None:
    """The folder's head where the cache has it as it is now."""
    try:
        head = msgspec.msgpack.decode(shard.cache.with_suffix(".head").read_bytes(), type=Head)
    except (OSError, msgspec.DecodeError):
        return None
    return head if head.digest == shard.digest else None


def refresh(shard: Shard) -> Head:
    """Read the files that are new or changed since the last time; the folder's head, kept in the cache."""
    known = {file.name: file for file in _kept(shard)}
    files = [_file(shard.folder, item, known.get(item[0])) for item in shard.files]
    head = _head(shard, files)
    _keep(shard.cache.with_suffix(".files"), msgspec.msgpack.encode((entry_code_digest(), files)))
    _keep(shard.cache.with_suffix(".head"), msgspec.msgpack.encode(head))
    return head


def load(shard: Shard) -> Iterator[Entry]:
    """The folder's entries. What the cache lacks, or has otherwise, is read from the records."""
    known = {file.name: file for file in _kept(shard)}
    for item in shard.files:
        file = _file(shard.folder, item, known.get(item[0]))
        if file.entry is not None:
            yield file.entry


def every(results: Sequence[Path]) -> list[Entry]:
    """All entries below some results folders, oldest first; an id that comes twice counts once. As `scan` raises."""
    return oldest_first(entry for shard in scan(results) for entry in load(shard))


def oldest_first(found: Iterable[Entry]) -> list[Entry]:
    """The entries in the order of their start, each id once."""
    return sorted({entry.id: entry for entry in found}.values(), key=lambda entry: (entry.started_at, entry.id))


def _kept(shard: Shard) -> list[File]:
    try:
        content = shard.cache.with_suffix(".files").read_bytes()
        code, files = msgspec.msgpack.decode(content, type=tuple[str, list[File]])
    except (OSError, msgspec.DecodeError):
        return []
    return files if code == entry_code_digest() else []


def _keep(path: Path, content: bytes) -> None:
    """Write to the cache; a cache that cannot be written costs time, no result."""
    with contextlib.suppress(OSError):
        write_atomically(path, content)


def _file(folder: Path, item: tuple[str, int, int], known: File | None) -> File:
    if known is not None and (known.name, known.size, known.changed_ns) == item:
        return known
    path = folder.absolute() / item[0]  # the cache outlives the working folder
    try:
        entry = entry_of(records.decode(path.read_bytes()), str(path))
        msgspec.msgpack.encode(entry)  # refuses numbers that nothing of ours can hold
        return File(*item, entry)
    except (RecordError, OSError, OverflowError) as error:
        return File(*item, None, str(error))


def _head(shard: Shard, files: Iterable[File]) -> Head:
    found = [file.entry for file in files if file.entry is not None]
    models_of: dict[str, set[str]] = {}
    for entry in found:
        models_of.setdefault(entry.task, set()).add(entry.model)
    stamps = {name: f"{size}-{changed}" for name, size, changed in shard.files}
    return Head(
        digest=shard.digest,
        trials=len(found),
        unreadable=[(str(shard.folder / file.name), file.unreadable) for file in files if file.entry is None],
        tasks=newest((entry.task, entry.task_version) for entry in found),
        datasets=newest((entry.dataset, entry.dataset_version) for entry in found),
        models=newest((entry.model, entry.version) for entry in found),
        models_of={task: sorted(models) for task, models in models_of.items()},
        candidates=chosen((_candidate(entry, stamps) for entry in found), NEWEST_KEPT),
    )


def _candidate(entry: Entry, stamps: Mapping[str, str]) -> Candidate:
    stamp = stamps[os.path.basename(entry.path)]  # noqa: PTH119 - a hundred thousand times; pathlib takes seconds
    return Candidate(entry.started_at, entry.id, entry.failed, entry.path, entry.task, stamp)


def newest(versions: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The highest version of each name."""
    found: dict[str, int] = {}
    for name, version in versions:
        found[name] = max(version, found.get(name, version))
    return found


def chosen(candidates: Iterable[Candidate], most: int | None) -> list[Candidate]:
    """The trials to have pages: the newest failed ones up to half of `most`, then the newest of all. None is all."""
    offered = sorted(candidates, key=lambda item: (item.started_at, item.id), reverse=True)
    if most is None or len(offered) <= most:
        return offered
    first = [item for item in offered if item.failed][: most // 2]
    taken = {item.path for item in first}
    return first + [item for item in offered if item.path not in taken][: most - len(first)]


def all_candidates(shard: Shard) -> list[Candidate]:
    """Every trial of a folder as a candidate, for whoever wants all pages."""
    stamps = {name: f"{size}-{changed}" for name, size, changed in shard.files}
    return [_candidate(entry, stamps) for entry in load(shard)]


def read_record(entry_path: str) -> records.Record:
    """The record behind an entry. Raises DamagedRecordError where it is gone or changed meanwhile."""
    try:
        return records.decode(Path(entry_path).read_bytes())
    except OSError as error:
        raise DamagedRecordError(f"{entry_path} cannot be read any more: {error}") from error
