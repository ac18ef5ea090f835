"""Runs work in several processes if there is enough of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from threading import Thread
from typing import TypeVar

from zoo_core.errors import UsageError

MIN_TRIALS_FOR_PROCESSES = 3000  # changed trials; below that, starting processes takes longer than it saves
MAX_PROCESSES = 8

Progress = Callable[[str, int, int], None]  # called with the name of the work, items done, items in all

T = TypeVar("T")
R = TypeVar("R")


@contextlib.contextmanager
def workers_for(trials: int) -> Iterator[Executor | None]:
    """Worker processes for that many changed trials; None if this process alone is faster."""
    count = min(MAX_PROCESSES, os.cpu_count() or 1)
    if trials < MIN_TRIALS_FOR_PROCESSES or count < 2:
        yield None
        return
    with ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_end_with_parent) as pool:
        try:
            yield pool
        except BrokenProcessPool as error:
            raise UsageError(
                "a process that reads records or renders pages was killed, perhaps for lack of memory: build again"
            ) from error


def _end_with_parent() -> None:
    """End this worker process as soon as its parent has ended, however that ended."""
    parent = parent_process()
    if parent is not None:
        Thread(target=_wait_and_end, args=(parent.sentinel,), daemon=True).start()


def _wait_and_end(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def run_all(
    function: Callable[[T], R], items: Sequence[T], workers: Executor | None, show: Callable[[int, int], None]
) -> Iterator[tuple[T, R]]:
    """Call the function with each item; yields (item, result) as they are finished. `show` gets (done, all)."""
    show(0, len(items))
    if workers is None:
        for done, item in enumerate(items, start=1):
            yield item, function(item)
            show(done, len(items))
        return
    waiting: dict[Future[R], T] = {workers.submit(function, item): item for item in items}
    for done, future in enumerate(as_completed(waiting), start=1):
        yield waiting.pop(future), future.result()
        show(done, len(items))
