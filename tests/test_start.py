"""Which way a worker starts: as a fork, unless it needs an accelerator whose driver the fork server has started."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from zoo_core.runner.events import EvaluateJob
from zoo_core.runner.executor import LocalExecutor
from zoo_core.runner.interrupts import deferred_interrupts
from zoo_core.runner.start import Fork

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the fork server is Linux's")


class FakeFork(Fork):
    """Starts nothing, and says that it did."""

    def __init__(self, *, can_use_accelerators: bool) -> None:
        self._can = can_use_accelerators

    @property
    def can_use_accelerators(self) -> bool:
        return self._can

    def is_ready(self, interrupts: Any) -> bool:
        return True

    def worker(self, *_: Any) -> Any:
        return "forked"


class FakeSpawn:
    def worker(self, *_: Any) -> Any:
        return "spawned"


@pytest.mark.parametrize(
    ("device", "can_use_accelerators", "way"),
    [("cpu", True, "forked"), ("cpu", False, "forked"), ("cuda:0", True, "forked"), ("cuda:0", False, "spawned")],
)
def test_a_worker_is_forked_unless_a_fork_could_not_use_its_device(
    device: str, can_use_accelerators: bool, way: str
) -> None:
    executor = LocalExecutor("fork")
    executor._fork = FakeFork(can_use_accelerators=can_use_accelerators)
    executor._spawn = FakeSpawn()  # type: ignore[assignment]
    job = EvaluateJob(checkpoint="", dataset="", data_root=None, offline=True, device=device, threads=0)
    with deferred_interrupts() as interrupts:
        assert executor._start(job, b"", interrupts)[0] == way


def test_the_fork_server_starts_no_driver() -> None:
    fork = Fork()
    with deferred_interrupts() as interrupts:
        assert fork.is_ready(interrupts)
    assert fork.can_use_accelerators
    another = Fork()  # of a second call of `zoo.bench`, which finds the server running
    with deferred_interrupts() as interrupts:
        assert another.is_ready(interrupts)
    assert another.can_use_accelerators
