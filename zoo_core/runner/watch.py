"""Watches which decoded files of the data set a trial's code opens, and refuses those that are still sealed.

An audit hook of Python sees each file that Python code opens, also through a link, in a thread, or in a forked child.
It sees neither files that a library opens in C, nor those of other programs that the code starts.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import FrameType
from typing import Any

from zoo_core.cached import find_problem
from zoo_core.data.locate import columns_home
from zoo_core.errors import PluginError, SealedSplitError
from zoo_core.files import cache_dir, open_regular, portable
from zoo_core.registry.tampering import Original, name_of_function
from zoo_core.runner import events
from zoo_core.runner.events import TrialJob

Send = Callable[[events.Event], None]
MayOpen = Callable[["May"], contextlib.AbstractContextManager[None]]


MODEL = "the model's code"


class May(IntEnum):
    """Which splits may be opened. Each level includes those before it."""

    NOTHING = 0  # while a model is built, which needs no data
    TRAIN = 1  # the splits `train` and `val`
    INPUTS = 2  # the column `x` of `test`
    ALL = 3


@dataclass(frozen=True, slots=True)
class Sealed:
    """A decoded file, or a folder that holds some: its path, its split, and the level that opens it."""

    path: str
    split: str
    level: May


@contextlib.contextmanager
def allow_all(_: May) -> Iterator[None]:
    """Allow everything: the level of a process that is not watched."""
    yield


@contextlib.contextmanager
def watching_data(job: TrialJob, send: Send, originals: Sequence[Original] = ()) -> Iterator[MayOpen]:
    """Watch the decoded data of the job's data set, and the code of the zoo's functions, during the block.

    Yields a function that makes a context: `with may_open(May.ALL):` allows a level inside its block. Outside of such
    blocks, everything is refused. A refused file raises SealedSplitError where it is opened. Every file of `test` that
    is opened, refused or not, is reported as a `DataOpened`, so that the parent can judge the order of events.

    The code of `originals` is watched by `refusing_code`.
    """
    home, sources = str(columns_home()), _folders_of_sources(job)
    known = _list_files(home, job.dataset)
    files, count = dict(known), len(known)  # the hook looks `files` up; `known` and `count` are there to test it
    level, probing, owner, owners = [May.NOTHING], [False], os.getpid(), _owners_of_code(job)
    note = mmap.mmap(-1, mmap.PAGESIZE)  # shared with children, which cannot send
    # Bound here, before plugins are imported, which could replace them.
    stat, getpid, abspath, basename, fsdecode = os.stat, os.getpid, os.path.abspath, os.path.basename, os.fsdecode

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not files or not isinstance(arguments[0], str | bytes):
            return
        try:
            state = stat(arguments[0])
        except (OSError, ValueError):  # no such file, or no name of a file
            return
        sealed = files.get((state.st_dev, state.st_ino))
        if sealed is not None and _is_check(sys._getframe(1)):
            return
        if sealed is not None and is_still((state.st_dev, state.st_ino), sealed):
            opened(sealed, refused=level[0] < sealed.level)
        elif level[0] < May.ALL and abspath(fsdecode(arguments[0])).startswith(sources):
            opened(Sealed(fsdecode(arguments[0]), "", May.ALL), refused=True)

    def opened(sealed: Sealed, *, refused: bool) -> None:
        if not refused and sealed.split != "test":
            return
        if probing[0]:
            raise SealedSplitError
        by, file, is_inputs = _opener(sys._getframe(2), owners), basename(sealed.path), sealed.level == May.INPUTS
        if not sealed.split and not by.startswith(MODEL):
            return  # a task may read files that lie beside its data
        event = events.DataOpened(split=sealed.split, inputs=is_inputs, file=file, by=by, refused=refused)
        if getpid() == owner:
            send(event)
        elif refused and len(content := events.encode(event)) < len(note):
            note[: len(content)] = content
        if refused:
            raise SealedSplitError(f"{by} opened {file} of the data, which is sealed now")

    def list_again() -> None:
        nonlocal count
        known.clear()
        known.update(_list_files(home, job.dataset))
        files.update(known)
        count = len(known)

    def is_still(key: tuple[int, int], item: Sealed) -> bool:
        """Return whether a listed file was not replaced since: its inode may belong to another file now."""
        try:
            state = stat(item.path)
        except OSError:
            return False
        return (state.st_dev, state.st_ino) == key

    def is_blind() -> bool:
        """Return whether code of the trial switched the watch off: a sealed file can be opened all the same."""
        if not refuses_code():
            return True
        path = next((item.path for key, item in known.items() if item.level > level[0] and is_still(key, item)), None)
        if path is None or len(known) != count:
            return len(known) != count
        probing[0] = True
        try:
            os.close(os.open(path, os.O_RDONLY))
        except (SealedSplitError, OSError):
            return False
        finally:
            probing[0] = False
        return True

    @contextlib.contextmanager
    def may_open(allowed: May) -> Iterator[None]:
        if allowed >= May.INPUTS:
            if is_blind():
                send(events.Tampered(name="the watch of the data's files"))
            list_again()  # another process may have decoded the data again
        before, level[0] = level[0], allowed
        try:
            yield
        finally:
            level[0] = before
            if getpid() == owner and (content := note[:].rstrip(b"\0")):
                note[: len(content)] = bytes(len(content))
                send(events.decode_event(content))
            if allowed == May.ALL:  # this process may have decoded data
                list_again()

    sys.addaudithook(hook)
    try:
        with refusing_code(send, originals) as refuses_code:
            yield may_open
    finally:
        files.clear()  # a hook cannot be removed


@contextlib.contextmanager
def refusing_code(send: Send, originals: Sequence[Original]) -> Iterator[Callable[[], bool]]:
    """Refuse a new `__code__` for a function of `originals` in the block: a PluginError, reported as `Tampered`.

    Yields a function that tells whether this still works. At its end the trial compares the codes as well; only this
    sees a code that is put back before.
    """
    on, owner, getpid = [True], os.getpid(), os.getpid

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "object.__setattr__" and arguments[1] == "__code__" and on[0]:
            refuse(arguments[0])

    def refuse(function: object) -> None:
        if name := name_of_function(function, originals):
            if getpid() == owner:
                send(events.Tampered(name=name))
            raise PluginError(f"the trial's code replaced {name}, on which the measurement relies")

    sys.addaudithook(hook)
    try:
        yield lambda: on[0]
    finally:
        on[0] = False  # a hook cannot be removed


def _is_check(frame: FrameType) -> bool:
    """Return whether a file is opened to compare its hash, which `OpenData` does whenever a file has changed."""
    caller = frame.f_back  # `open_regular` opens in a function of its own
    checker = caller.f_back if caller is not None and caller.f_code is open_regular.__code__ else None
    return checker is not None and checker.f_code is find_problem.__code__


def _list_files(home: str, dataset: str) -> dict[tuple[int, int], Sealed]:
    """List the decoded files of a data set, in all its versions, by device and inode, with the folders of `test`.

    A trial calls this twelve times; with a `Path` for each entry, that would take 2 ms more.
    """
    found: dict[tuple[int, int], Sealed] = {}

    def add(entry: os.DirEntry[str], split: str, level: May) -> None:
        with contextlib.suppress(OSError):  # another process removes it
            state = os.stat(entry)  # noqa: PTH116 - on Windows, `entry.stat()` has no inode
            found[state.st_dev, state.st_ino] = Sealed(entry.path, split, level)

    versions = f"{portable(dataset)}-v"
    for folder in (entry for entry in _entries_of(home) if entry.name.startswith(versions)):
        add(folder, "test", May.ALL)
        for split in _entries_of(folder.path):
            if split.name == "test":
                add(split, "test", May.ALL)
            for column in _entries_of(split.path) if split.name in ("train", "val", "test") else ():
                if column.name.endswith(".npy"):
                    add(column, split.name, _level_of_test(column.name) if split.name == "test" else May.TRAIN)
    return found


def _entries_of(folder: str) -> list[os.DirEntry[str]]:
    """List what is in a folder; nothing if there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _level_of_test(name: str) -> May:
    """Return the level that opens a column of `test`; a column is one file, or `x.values.npy` and `x.offsets.npy`."""
    return May.INPUTS if name.partition(".")[0] == "x" else May.ALL


def _folders_of_sources(job: TrialJob) -> tuple[str, ...]:
    """Return the folders, with a separator at the end, that hold nothing but files from which data are decoded.

    Of the user's folder this is not known if it also holds the current folder or code of the trial.
    """
    folders = [cache_dir() / "downloads" / portable(job.dataset), cache_dir() / "unpacked"]
    if job.data_root:
        root, code = Path(job.data_root), job.code.files if job.code else {}
        if not any(path.is_relative_to(root) for path in (Path.cwd(), *map(Path, code))):
            folders.append(root)
    return tuple(f"{path}{os.sep}" for folder in folders for path in {folder.absolute(), folder.resolve()})


def _owners_of_code(job: TrialJob) -> Mapping[str, Collection[str]]:
    """Return the files of each part of the trial's code, in the order in which they are named."""
    if job.code is None:
        return {}
    shared = {*job.code.task.files, *job.code.dataset.files}
    return {
        MODEL: {*job.code.model.files} - shared,
        "the task's code": job.code.task.files.keys(),
        "the data set's code": job.code.dataset.files.keys(),
    }


def _opener(frame: FrameType | None, owners: Mapping[str, Collection[str]]) -> str:
    """Return whose code opens a file, with file and line: the innermost frame of the trial's code."""
    while frame is not None:
        path = os.path.abspath(frame.f_code.co_filename)  # noqa: PTH100 (a frame's file need not be a path)
        for owner, files in owners.items():
            if path in files:
                return f"{owner} ({os.path.basename(path)}, line {frame.f_lineno})"  # noqa: PTH119
        frame = frame.f_back
    return "the trial's code"
