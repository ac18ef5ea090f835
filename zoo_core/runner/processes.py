"""Finds and ends the processes of a job: its worker, what the worker started, and what outlived it.

Two things lead to them. On Linux, the fork server and each worker adopt orphans: a process that leaves its group, its
session or its parent stays their descendant. And each carries a mark in the environment with which it was started:
`ZOO_JOB=<parent's pid>-<parent's start>-<job>`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psutil

MARK = "ZOO_JOB"
END_LIMIT_S = 5.0  # for killed processes to end; one that waits for a broken disk may not
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # <sys/prctl.h>
PAUSE_S = 0.002  # between two rounds, for the kernel
DEAD = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


def new_mark() -> str:
    """Make the mark of a new job of this process."""
    return f"{_mark_of(os.getpid())}{secrets.token_hex(6)}"


def _mark_of(parent: int) -> str:
    """Return the beginning of the marks that a parent gives. Pids are used again, so its start is part of it.

    Raises psutil.NoSuchProcess.
    """
    return f"{parent}-{_start_of(parent)}-"


def _start_of(pid: int) -> int:
    """Return when a process started, in a unit that does not change when the clock is set."""
    if sys.platform != "linux":
        return round(psutil.Process(pid).create_time() * 100)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError as error:
        raise psutil.NoSuchProcess(pid) from error
    return int(stat.rpartition(")")[2].split()[19])  # in ticks since the boot


@contextlib.contextmanager
def marking(mark: str) -> Iterator[None]:
    """Give processes that start during the block the mark."""
    before = os.environ.get(MARK)
    os.environ[MARK] = mark
    try:
        yield
    finally:
        if before is None:
            del os.environ[MARK]
        else:
            os.environ[MARK] = before


def marks() -> Iterator[tuple[int, str]]:
    """Yield pid and mark of each process that this user may look at and that has one."""
    if sys.platform != "linux":
        for process in psutil.process_iter(["environ"]):
            if mark := (process.info["environ"] or {}).get(MARK):
                yield process.pid, mark
        return
    prefix = f"{MARK}=".encode()
    for pid in psutil.pids():
        with contextlib.suppress(OSError):  # psutil would parse every variable of every process
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            if prefix in environment:
                found = [item for item in environment.split(b"\0") if item.startswith(prefix)]
                if found:
                    yield pid, found[0][len(prefix) :].decode("ascii", "replace")


def has_mark_of_this_process(pid: int) -> bool:
    """Return whether this process marked that one when it started it."""
    own = _mark_of(os.getpid())
    return any(pid == found and mark.startswith(own) for found, mark in marks())


def end_marked(mark: str) -> None:
    """Kill the processes of one job."""
    _end_all(lambda: [pid for pid, found in marks() if found == mark])


def end_abandoned() -> None:
    """Kill the processes of jobs whose parent has ended, as after `kill -9`."""

    def abandoned() -> list[int]:
        return [pid for pid, mark in marks() if _counts_pids_like_this_process(pid) and _parent_has_ended(mark)]

    _end_all(abandoned)


def _counts_pids_like_this_process(pid: int) -> bool:
    """Return whether a process is in no container of its own, where the pid in its mark is another process."""
    if sys.platform != "linux":
        return True
    try:
        return Path(f"/proc/{pid}/ns/pid").readlink() == Path("/proc/self/ns/pid").readlink()
    except OSError:
        return False


def _parent_has_ended(mark: str) -> bool:
    pid, _, _ = mark.partition("-")
    if not pid.isdigit():
        return False
    try:
        return not mark.startswith(_mark_of(int(pid)))
    except psutil.NoSuchProcess:
        return True
    except (psutil.Error, OverflowError):
        return False


def find(pid: int | None) -> psutil.Process | None:
    """Return the process with a pid; None if there is none."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid) if pid is not None else None
    return None


def kill(process: psutil.Process) -> None:
    """Kill one process, unless it has ended or its pid is another process's."""
    with contextlib.suppress(psutil.Error):
        process.kill()


def end_group(leader: int | None) -> None:
    """Kill the process group that a worker leads, where orphans have no other trace."""
    if leader is not None and hasattr(os, "killpg") and leader != os.getpgid(0):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)


def is_alive(process: psutil.Process) -> bool:
    """Return whether a process runs or is stopped; not whether another one has got its pid."""
    try:
        return bool(process.is_running()) and process.status() not in DEAD
    except psutil.Error:
        return False


def is_stopped(process: psutil.Process) -> bool:
    """Return whether a process is stopped, as by SIGSTOP."""
    try:
        return bool(process.status() == psutil.STATUS_STOPPED)
    except psutil.Error:
        return False


def end_tree(root: psutil.Process) -> None:
    """Kill a process and all its descendants, the root last: so far it adopts what they leave behind."""
    with contextlib.suppress(psutil.Error):
        root.suspend()  # it starts no more
        _end_all(lambda: [child.pid for child in root.children(recursive=True)])
        root.kill()


def end_children() -> None:
    """Kill what this process has started or adopted."""
    end_orphans(psutil.Process(), but=())


def end_orphans(adopter: psutil.Process, but: Iterable[int]) -> None:
    """Kill the descendants of a process, but not the children `but` and theirs."""
    kept = set(but)

    def orphans() -> list[int]:
        roots = [child for child in adopter.children() if child.pid not in kept]
        return [process.pid for root in roots for process in [*_children(root), root]]

    with contextlib.suppress(psutil.Error):
        _end_all(orphans)


def _children(root: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return root.children(recursive=True)
    return []


def _end_all(find: Callable[[], list[int]]) -> None:
    """Kill what `find` finds, until all of it has ended and `find` finds no more.

    A killed process needs a moment to end, and what it leaves behind is found only then. The same holds for one that
    ended by itself while `find` looked: its orphans may have moved behind the look, so another one follows.
    """
    killed: set[psutil.Process] = set()
    ends, looked_again = time.monotonic() + END_LIMIT_S, False
    while time.monotonic() < ends:
        listed = find()
        found = [process for process in map(_find_alive, listed) if process is not None and process not in killed]
        for process in found:
            kill(process)
        killed |= set(found)
        if not found and not any(map(is_alive, killed)):
            if looked_again or not listed:
                return
            looked_again = True
        time.sleep(PAUSE_S)


def _find_alive(pid: int) -> psutil.Process | None:
    process = find(pid)
    return process if process is not None and pid != os.getpid() and is_alive(process) else None


def become_adopter() -> None:
    """On Linux, make orphans among this process's descendants its children, instead of those of process 1."""
    if sys.platform == "linux":
        _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(number: int) -> None:
    """On Linux, have the kernel send signal `number` to this process when the thread that started it ends."""
    if sys.platform == "linux":
        _prctl(PR_SET_PDEATHSIG, number)


def _prctl(option: int, value: int) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)  # without it, marks still lead to most processes
