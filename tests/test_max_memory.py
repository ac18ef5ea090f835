"""`--max-memory`: a trial that takes too much is a row `out_of_memory`, and the others go on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from zoo_core.errors import UsageError
from zoo_core.results.records import decode
from zoo_core.runner.memory_watch import family, watching_memory
from zoo_core.ui.parsing import parse_memory

GREEDY = """
    from zoo_core import ModelSpec, hookimpl

    @hookimpl
    def zoo_models():
        return [ModelSpec(name=name, tasks=("cosine",), entry=f"zoo_greedy:{name}") for name in ("greedy", "fine")]

    def _with(action):
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = nn.Linear(1, 1)

            def forward(self, x):
                if self.training:
                    action()
                return self.inner(x)

        return Net()

    def _take():
        import torch
        torch.ones(3 << 28)  # 3 GiB

    greedy = lambda signature: _with(_take)
    fine = lambda signature: _with(lambda: None)
"""


@pytest.mark.parametrize(("text", "mib"), [("4g", 4096), ("1.5 GiB", 1536), ("500m", 500), ("2TB", 2 << 20), ("", 0)])
def test_memory_is_written_with_a_unit(text: str, mib: int) -> None:
    assert parse_memory("--max-memory", text) == mib


@pytest.mark.parametrize("text", ["4", "0g", "-1g", "much", "1e9g", "9" * 20 + "t"])
def test_other_texts_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"--max-memory .*write 4g or 500m"):
        parse_memory("--max-memory", text)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of allocations is of Linux")
def test_a_greedy_trial_is_out_of_memory_and_runs_again_only_with_more(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin("zoo-greedy", GREEDY)
    command = ["bench", "cosine", "--model", "greedy", "--model", "fine", "--max-steps", "3", "--device", "cpu"]
    assert zoo(*command, "--max-memory", "1g").code == 1
    found = {record.model.name: record for record in (decode(path.read_bytes()) for path in Path().glob("*/*/*.json"))}
    greedy, fine = found["zoo-greedy:greedy"], found["zoo-greedy:fine"]
    assert (greedy.status, greedy.max_memory_mib) == ("out_of_memory", 1024)
    assert "--max-memory: 1,024 MiB" in greedy.reason
    assert fine.status == "ok"
    assert "2 recorded already" in zoo(*command, "--max-memory", "1g", "--dry-run").out
    assert "1 to run" in zoo(*command, "--max-memory", "2g", "--dry-run").out
    assert "1 to run" in zoo(*command, "--dry-run").out


def test_the_processes_of_a_worker_are_watched_together() -> None:
    takes = "x = bytearray(150 << 20); print('taken', flush=True); import time; time.sleep(60)"
    starts = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {takes!r}])"
    with subprocess.Popen([sys.executable, "-c", starts], stdout=subprocess.PIPE) as worker:
        try:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"taken\n"
            members = family(worker.pid)
            assert len(members) == 2
            with watching_memory(psutil.Process(worker.pid), 100) as excess:
                assert worker.wait(10) != 0
            assert excess.reason == "it took more than 100 MiB of memory, the limit of --max-memory"
        finally:
            for pid in members:
                if psutil.pid_exists(pid):
                    psutil.Process(pid).kill()


def test_a_worker_below_the_limit_is_left_alone() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.3)"]) as worker:
        with watching_memory(psutil.Process(worker.pid), 1000) as excess:
            assert worker.wait(10) == 0
        assert excess.reason == ""
