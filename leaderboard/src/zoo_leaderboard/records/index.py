"""Summaries of all trials, cached: a second build reads only files whose time or size changed.

The cache holds only copies of what is in the records. After it is deleted, the next build reads all records again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import msgspec

from zoo_core.errors import DamagedRecordError, RecordError, UsageError
from zoo_core.files import cache_dir
from zoo_core.results import bounds, reading, records
from zoo_core.results.reading import error_words
from zoo_core.results.store import Store, Unreadable
from zoo_leaderboard.records import cachefile, current, keys, times, trials
from zoo_leaderboard.records.cachefile import read_cached, write_cached
from zoo_leaderboard.records.current import is_superseded, load_current, notes_stamp, unreadable_notes
from zoo_leaderboard.records.trials import TrialSummary, summarise_trial, with_known_start
from zoo_leaderboard.text.names import files_digest

MAX_CANDIDATES = 300  # trials per folder that can get a page without loading all summaries of the folder

LeftOutFile: TypeAlias = tuple[str, str]  # the path of a record that is not shown, and the reason


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


FileT = TypeVar("FileT", TrialSummary, Candidate)


class Head(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Facts of a folder of records, cached so that its trials need not be loaded.

    `future` has the start times that lay in the future when the folder was read, the earliest first. `trials` is the
    number of trials; `unreadable` has the path and the reason of each unreadable file. `models`, `tasks` and `datasets`
    map names to the highest version that is not superseded; `models_of` maps tasks to their models.
    """

    digest: str
    future: list[str]
    trials: int
    unreadable: list[LeftOutFile]
    tasks: dict[str, int]
    datasets: dict[str, int]
    models: dict[str, int]
    models_of: dict[str, list[str]]
    candidates: list[Candidate]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """A folder of record files, `results/<task>`, as on disk: name, size and modification time (ns) of each file.

    `digest` changes when a file is added, removed or changed, or a note on the current code, and when the code that
    reads records changes. `unreadable` says why the folder itself could not be read.
    """

    folder: Path
    files: tuple[tuple[str, int, int], ...]
    digest: str
    unreadable: str = ""

    @property
    def cache(self) -> Path:
        """The path of its files in the cache, without suffix."""
        name = hashlib.sha256(os.fsencode(self.folder.absolute())).hexdigest()[:32]
        return cache_dir() / "leaderboard" / "index" / name


@cache
def summary_code_digest() -> str:
    """A hash of the modules that determine the content of a summary; another hash makes a cache invalid."""
    modules = (trials, times, keys, current, cachefile, records, bounds, reading)
    return files_digest(Path(str(name)) for name in (__file__, *(module.__file__ for module in modules)))


def scan(results: Sequence[Path]) -> list[Shard]:
    """List the folders of records in the results folders. Raises UsageError for a missing results folder."""
    shards = []
    for root in results:
        if not root.is_dir():
            raise UsageError(f"there is no results folder {root}; `zoo bench TASK` makes one")
        found = [_scan_folder(folder) for folder in _subfolders(root)]
        shards += [shard for shard in found if shard.files or shard.unreadable]
    return shards


def _subfolders(root: Path) -> list[Path]:
    try:
        with os.scandir(root) as items:
            return sorted(Path(item.path) for item in items if item.is_dir() and not item.name.startswith("."))
    except OSError as error:
        raise UsageError(f"the results folder {root} cannot be read: {error_words(error)}") from error


def _scan_folder(folder: Path) -> Shard:
    stats: list[tuple[str, int, int]] = []
    unreadable = ""
    try:
        with os.scandir(folder) as items:
            named = (item for item in items if item.name.endswith(".json") and not item.name.startswith("."))
            stats = [(item.name, *_stamp(item)) for item in named]
    except OSError as error:
        unreadable = error_words(error)
    files = tuple(sorted(stats))
    text = repr((files, notes_stamp(folder), summary_code_digest(), unreadable))
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return Shard(folder=folder, files=files, digest=digest, unreadable=unreadable)


def _stamp(item: os.DirEntry[str]) -> tuple[int, int]:
    """Return size and modification time (ns); zeros for a link to nothing or a file deleted meanwhile."""
    try:
        stat = item.stat()
    except OSError:
        return 0, 0
    return stat.st_size, stat.st_mtime_ns


def cached_head(shard: Shard) -> Head | None:
    """The folder's head from the cache; None if it is missing or out of date, also as a time of the future has come."""
    head = read_cached(shard.cache.with_suffix(".head"), Head, summary_code_digest())
    if head is None or head.digest != shard.digest or (head.future and head.future[0] <= bounds.latest_time()):
        return None
    return head


def refresh(shard: Shard) -> Head:
    """Read the new and changed files, update the cache and return the folder's head."""
    files = list(_files_of(shard))
    head = _folder_head(shard, files)
    named = [file for file in files if not _is_odd(file.name)]  # a text in the cache is UTF-8
    write_cached(shard.cache.with_suffix(".files"), named, summary_code_digest())
    write_cached(shard.cache.with_suffix(".head"), head, summary_code_digest())
    return head


def _is_odd(name: str) -> bool:
    """Return whether a file's name is not UTF-8."""
    return not name.isascii() and any("\ud800" <= character <= "\udfff" for character in name)


def _files_of(shard: Shard) -> Iterator[CachedFile]:
    """Load the folder's files from the cache; those missing or out of date from the records."""
    cached = read_cached(shard.cache.with_suffix(".files"), list[CachedFile], summary_code_digest())
    known = {file.name: file for file in cached or ()}
    return (_read_file(shard.folder, item, known.get(item[0])) for item in shard.files)


def load_trials(shard: Shard) -> Iterator[TrialSummary]:
    """Load the folder's trials, from the cache as far as it has them."""
    latest = bounds.latest_time()
    return (with_known_start(file.trial, latest) for file in _files_of(shard) if file.trial is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """The trials of the folders `results`, oldest first, each once; and the files that are left out."""

    results: Sequence[Path]
    trials: list[TrialSummary]
    unreadable: list[Unreadable] = field(default_factory=list)


def load_all_trials(results: Sequence[Path]) -> Loaded:
    """Load all trials of the results folders. Raises UsageError for a missing folder."""
    trials: list[TrialSummary] = []
    unreadable = []
    latest = bounds.latest_time()
    for shard in scan(results):
        unreadable += [Unreadable(shard.folder, shard.unreadable)] if shard.unreadable else []
        for file in _files_of(shard):
            if file.trial is None:
                unreadable.append(Unreadable(shard.folder / file.name, file.unreadable))
            else:
                trials.append(with_known_start(file.trial, latest))
    return Loaded(results=results, trials=oldest_first(trials), unreadable=unreadable)


def oldest_first(trials: Iterable[TrialSummary]) -> list[TrialSummary]:
    """Sort the trials by their start, each once."""
    return sorted(each_once(trials), key=lambda trial: (trial.started_at, trial.id, trial.task))


def each_once(items: Iterable[FileT]) -> list[FileT]:
    """Select one of the files with one id on one task: that in the folder of its task, or else the first."""
    unique: dict[tuple[str, str], FileT] = {}
    for item in items:
        known = unique.setdefault((item.task, item.id), item)
        if known is not item and _is_at_home(item) and not _is_at_home(known):
            unique[item.task, item.id] = item
    return list(unique.values())


def others_with_its_id(loaded: Iterable[TrialSummary], kept: Iterable[TrialSummary]) -> list[LeftOutFile]:
    """Name the records of one task that are left out because another one has their id, except plain copies."""
    by_id = {trial.id: trial for trial in kept}
    return [
        (trial.path, f"another file in {Path(by_id[trial.id].path).parent.name} has its id")
        for trial in loaded
        if trial is not by_id[trial.id] and trial != msgspec.structs.replace(by_id[trial.id], path=trial.path)
    ]


def _is_at_home(item: TrialSummary | Candidate) -> bool:
    folder = Path(item.path).parent
    return folder == Store(folder.parent).task_folder(item.task)


def _read_file(folder: Path, item: tuple[str, int, int], known: CachedFile | None) -> CachedFile:
    if known is not None and (known.name, known.size, known.changed_ns) == item:
        return known
    path = folder.absolute() / item[0]  # absolute, because a later build may run in another working folder
    try:
        trial = summarise_trial(reading.read_record(path), str(path))
    except (RecordError, OSError) as error:
        return CachedFile(*item, None, error_words(error))
    except Exception as error:  # a record of a kind that nobody has thought of costs itself, not the board
        return CachedFile(*item, None, f"its summary fails with {type(error).__name__}: {error_words(error)}")
    return CachedFile(*item, trial)


def _folder_head(shard: Shard, files: Sequence[CachedFile]) -> Head:
    latest = bounds.latest_time()
    readable = [with_known_start(file.trial, latest) for file in files if file.trial is not None]
    notes = load_current([shard.folder])
    counting = [trial for trial in readable if not is_superseded(trial, notes)]
    models_of: dict[str, set[str]] = {}
    for trial in readable:
        models_of.setdefault(trial.task, set()).add(trial.model)
    stamps = {name: f"{size}-{changed}" for name, size, changed in shard.files}
    return Head(
        digest=shard.digest,
        future=sorted(filter(None, (trial.future_start for trial in readable))),
        trials=len(readable),
        unreadable=[
            *([(printable_path(shard.folder), shard.unreadable)] if shard.unreadable else []),
            *((printable_path(shard.folder / file.name), file.unreadable) for file in files if file.trial is None),
            *unreadable_notes(shard.folder),
        ],
        tasks=_versions(readable, "task") | _versions(counting, "task"),
        datasets=_versions(readable, "dataset") | _versions(counting, "dataset"),
        models=_versions(readable, "model") | _versions(counting, "model"),
        models_of={task: sorted(models) for task, models in models_of.items()},
        candidates=select_candidates((_candidate(trial, stamps) for trial in readable), MAX_CANDIDATES),
    )


def printable_path(path: Path) -> str:
    """Return a path as text that can be stored; bytes that are not UTF-8 as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


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
        return reading.read_record(path)
    except OSError as error:
        raise DamagedRecordError(f"it cannot be read any more: {error_words(error)}") from error
