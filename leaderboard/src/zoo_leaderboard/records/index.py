"""Summaries of all trials, cached: a second build reads only files whose time or size changed.

The cache holds only copies of what is in the records. After it is deleted, the next build reads all records again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from zoo_core.errors import DamagedRecordError, RecordError, UsageError
from zoo_core.files import cache_dir, write_atomically
from zoo_core.results import records
from zoo_leaderboard.records import current, keys, times, trials
from zoo_leaderboard.records.current import is_superseded, load_current, notes_stamp, unreadable_notes
from zoo_leaderboard.records.trials import TrialSummary, summarise_trial
from zoo_leaderboard.text.names import files_digest

MAX_CANDIDATES = 300  # trials per folder that can get a page without loading all summaries of the folder


class CachedFile(msgspec.Struct, frozen=True, array_like=True):
    """A record's file as it was when it was read: its trial, or the reason why it is `unreadable`."""

    name: str
    size: int
    changed_ns: int
    trial: TrialSummary | None
    unreadable: str = ""


class Candidate(msgspec.Struct, frozen=True, array_like=True):
    """A trial that may get a page of its own; `stamp` changes with its file."""

    started_at: str
    id: str
    failed: bool
    path: str
    task: str
    stamp: str


class Head(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Facts of a folder of records, cached so that its trials need not be loaded.

    `trials` is the number of trials; `unreadable` has the path and the reason of each unreadable file. `models`,
    `tasks` and `datasets` map names to the highest version that is not superseded; `models_of` maps tasks to their
    models.
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
    """A folder of record files, `results/<task>`, as on disk: name, size and modification time (ns) of each file.

    `digest` changes when a file is added, removed or changed, or a note on the current code, and when the code that
    reads records changes.
    """

    folder: Path
    files: tuple[tuple[str, int, int], ...]
    digest: str

    @property
    def cache(self) -> Path:
        """The path of its files in the cache, without suffix."""
        name = hashlib.sha256(os.fsencode(self.folder.absolute())).hexdigest()[:32]
        return cache_dir() / "leaderboard" / "index" / name


@cache
def summary_code_digest() -> str:
    """A hash of the modules that determine the content of a summary; another hash makes a cache invalid."""
    modules = (trials.__file__, times.__file__, keys.__file__, current.__file__, records.__file__, __file__)
    return files_digest(Path(str(name)) for name in modules)


def scan(results: Sequence[Path]) -> list[Shard]:
    """List the folders of records in the results folders. Raises UsageError for a missing results folder."""
    shards = []
    for root in results:
        if not root.is_dir():
            raise UsageError(f"there is no results folder {root}; `zoo bench TASK` makes one")
        shards += [shard for folder in _subfolders(root) if (shard := _scan_folder(folder)).files]
    return shards


def _subfolders(root: Path) -> list[Path]:
    with os.scandir(root) as items:
        return sorted(Path(item.path) for item in items if item.is_dir() and not item.name.startswith("."))


def _scan_folder(folder: Path) -> Shard:
    stats = []
    with os.scandir(folder) as items:
        for item in items:
            if item.name.endswith(".json") and not item.name.startswith("."):
                with contextlib.suppress(OSError):  # a broken link, or a file deleted meanwhile
                    stat = item.stat()
                    stats.append((item.name, stat.st_size, stat.st_mtime_ns))
    files = tuple(sorted(stats))
    text = repr((files, notes_stamp(folder), summary_code_digest()))
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return Shard(folder=folder, files=files, digest=digest)


def cached_head(shard: Shard) -> Head | None:
    """The folder's head from the cache; None if it is missing or out of date."""
    try:
        head = msgspec.msgpack.decode(shard.cache.with_suffix(".head").read_bytes(), type=Head)
    except (OSError, msgspec.DecodeError):
        return None
    return head if head.digest == shard.digest else None


def refresh(shard: Shard) -> Head:
    """Read the new and changed files, update the cache and return the folder's head."""
    known = {file.name: file for file in _cached_files(shard)}
    files = [_read_file(shard.folder, item, known.get(item[0])) for item in shard.files]
    head = _folder_head(shard, files)
    _write_cache(shard.cache.with_suffix(".files"), msgspec.msgpack.encode((summary_code_digest(), files)))
    _write_cache(shard.cache.with_suffix(".head"), msgspec.msgpack.encode(head))
    return head


def load_trials(shard: Shard) -> Iterator[TrialSummary]:
    """Load the folder's trials from the cache; those missing or out of date from the records."""
    known = {file.name: file for file in _cached_files(shard)}
    for item in shard.files:
        file = _read_file(shard.folder, item, known.get(item[0]))
        if file.trial is not None:
            yield file.trial


def load_all_trials(results: Sequence[Path]) -> list[TrialSummary]:
    """Load all trials of the results folders, oldest first, each id once. Raises UsageError for a missing folder."""
    return oldest_first(trial for shard in scan(results) for trial in load_trials(shard))


def oldest_first(trials: Iterable[TrialSummary]) -> list[TrialSummary]:
    """Sort the trials by their start, each id once."""
    return sorted({trial.id: trial for trial in trials}.values(), key=lambda trial: (trial.started_at, trial.id))


def _cached_files(shard: Shard) -> list[CachedFile]:
    try:
        content = shard.cache.with_suffix(".files").read_bytes()
        code, files = msgspec.msgpack.decode(content, type=tuple[str, list[CachedFile]])
    except (OSError, msgspec.DecodeError):
        return []
    return files if code == summary_code_digest() else []


def _write_cache(path: Path, content: bytes) -> None:
    """Write to the cache; errors are ignored, because the cache only saves time."""
    with contextlib.suppress(OSError):
        write_atomically(path, content)


def _read_file(folder: Path, item: tuple[str, int, int], known: CachedFile | None) -> CachedFile:
    if known is not None and (known.name, known.size, known.changed_ns) == item:
        return known
    path = folder.absolute() / item[0]  # absolute, because a later build may run in another working folder
    try:
        trial = summarise_trial(records.decode(path.read_bytes()), str(path))
        msgspec.msgpack.encode(trial)  # raises OverflowError for integers above 64 bits
        return CachedFile(*item, trial)
    except (RecordError, OSError, OverflowError) as error:
        return CachedFile(*item, None, str(error))


def _folder_head(shard: Shard, files: Sequence[CachedFile]) -> Head:
    readable = [file.trial for file in files if file.trial is not None]
    notes = load_current([shard.folder])
    counting = [trial for trial in readable if not is_superseded(trial, notes)]
    models_of: dict[str, set[str]] = {}
    for trial in readable:
        models_of.setdefault(trial.task, set()).add(trial.model)
    stamps = {name: f"{size}-{changed}" for name, size, changed in shard.files}
    return Head(
        digest=shard.digest,
        trials=len(readable),
        unreadable=[
            *((str(shard.folder / file.name), file.unreadable) for file in files if file.trial is None),
            *unreadable_notes(shard.folder),
        ],
        tasks=_versions(readable, "task") | _versions(counting, "task"),
        datasets=_versions(readable, "dataset") | _versions(counting, "dataset"),
        models=_versions(readable, "model") | _versions(counting, "model"),
        models_of={task: sorted(models) for task, models in models_of.items()},
        candidates=select_candidates((_candidate(trial, stamps) for trial in readable), MAX_CANDIDATES),
    )


def _candidate(trial: TrialSummary, stamps: Mapping[str, str]) -> Candidate:
    stamp = stamps[os.path.basename(trial.path)]  # noqa: PTH119 - pathlib takes seconds for 100,000 names
    return Candidate(trial.started_at, trial.id, trial.failed, trial.path, trial.task, stamp)


def _versions(trials: Iterable[TrialSummary], what: Literal["task", "dataset", "model"]) -> dict[str, int]:
    return newest_versions((getattr(trial, what), getattr(trial, f"{what}_version")) for trial in trials)


def newest_versions(versions: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The highest version by name."""
    newest: dict[str, int] = {}
    for name, version in versions:
        newest[name] = max(version, newest.get(name, version))
    return newest


def select_candidates(candidates: Iterable[Candidate], limit: int | None) -> list[Candidate]:
    """The trials that get pages: the newest failed ones up to half of `limit`, then the newest. None is no limit."""
    offered = sorted(candidates, key=lambda item: (item.started_at, item.id), reverse=True)
    if limit is None or len(offered) <= limit:
        return offered
    first = [item for item in offered if item.failed][: limit // 2]
    taken = {item.path for item in first}
    return first + [item for item in offered if item.path not in taken][: limit - len(first)]


def all_candidates(shard: Shard) -> list[Candidate]:
    """All trials of a folder as candidates."""
    stamps = {name: f"{size}-{changed}" for name, size, changed in shard.files}
    return [_candidate(trial, stamps) for trial in load_trials(shard)]


def read_record(path: str) -> records.Record:
    """Read a trial's record. Raises DamagedRecordError if the file was deleted or changed meanwhile."""
    try:
        return records.decode(Path(path).read_bytes())
    except OSError as error:
        raise DamagedRecordError(f"{path} cannot be read any more: {error}") from error
