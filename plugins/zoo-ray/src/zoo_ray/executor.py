"""The executor `ray`: each trial is a task, which takes CPUs and perhaps a GPU of one node.

The task performs the trial in worker processes of that node, as `zoo bench` would, and returns its record. Ray retries
no task itself: the zoo decides what happens to a trial whose node was lost.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from zoo_core import ZooError
from zoo_core.executors import Began, Lost, Message, Refused, Returned, Work, perform


class Board:
    """An actor on which tasks note that they began."""

    def __init__(self) -> None:
        self._numbers: list[int] = []

    def note(self, number: int) -> None:
        self._numbers.append(number)

    def take(self) -> list[int]:
        """Return what was noted since the last call."""
        numbers, self._numbers = self._numbers, []
        return numbers


def run_task(number: int, content: str, board: Any) -> tuple[bytes, str]:
    """Perform a trial on the node of the task. Return what it left and "", or nothing and why it cannot run there.

    Errors come back as text: not every error can be sent between processes.
    """
    board.note.remote(number)
    try:
        return perform(content), ""
    except ZooError as error:
        return b"", f"node {ray.util.get_node_ip_address()}: {error}"


class RayExecutor:
    """Runs trials as tasks of the cluster at `address`; of a new one on this machine if it is "" and none is named."""

    def __init__(self, address: str = "") -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self._owns_connection = not ray.is_initialized()
        if self._owns_connection:
            ray.init(address=address or None, log_to_driver=False, logging_level=logging.ERROR)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        self._board: Any = ray.remote(Board).options(num_cpus=0, scheduling_strategy=here).remote()
        self._task: Any = ray.remote(run_task)
        self._running: dict[Any, int] = {}  # reference to the result -> number of the trial
        self._noted: Any = None  # the reference to an answer of the board

    def submit(self, work: Work) -> None:
        """Queue a task. Ray starts it on a node that has its CPUs, and a GPU if it needs one."""
        options = {"num_cpus": work.cpus, "num_gpus": 1 if work.accelerator else 0, "max_retries": 0}
        named = self._task.options(name=f"zoo trial {work.number}", **options)
        self._running[named.remote(work.number, work.content, self._board)] = work.number

    def collect(self, timeout_s: float) -> Iterator[Message]:
        """Yield which tasks began, and the results that have come within the time."""
        if not self._running:
            time.sleep(timeout_s)
        ready, _ = ray.wait([*self._running], num_returns=len(self._running), timeout=timeout_s)
        yield from self._begun()
        for reference in ready:
            yield self._message(reference, self._running.pop(reference))

    def _begun(self) -> Iterator[Began]:
        """Yield what the board has answered, without waiting for it. A lost board costs only the display."""
        if self._noted is None:
            self._noted = self._board.take.remote()
        ready, _ = ray.wait([self._noted], timeout=0)
        if ready:
            with contextlib.suppress(RayError):
                yield from (Began(number=number) for number in ray.get(self._noted))
            self._noted = None

    def _message(self, reference: Any, number: int) -> Message:
        try:
            content, refusal = ray.get(reference)
        except RayTaskError as error:  # what `perform` raised, other than an error of the zoo
            return Refused(number=number, reason=f"{type(error.cause).__name__}: {error.cause}")
        except RayError as error:  # the node, or the process on it, which a signal may have ended
            return Lost(number=number, reason=type(error).__name__)
        return Refused(number=number, reason=refusal) if refusal else Returned(number=number, content=content)

    def close(self) -> None:
        """End all tasks with their processes, and leave the cluster."""
        for reference in self._running:
            with contextlib.suppress(RayError, ValueError):
                ray.cancel(reference, force=True)
        self._running.clear()
        with contextlib.suppress(RayError):
            ray.kill(self._board)
        if self._owns_connection:
            ray.shutdown()
