"""The executor `ray` on a real cluster: two nodes on this machine, of which one is killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from zoo_core.registry import Registry
from zoo_core.results.records import Record, decode

TRIALS = 40
BENCH = ["bench", "cosine", "--model", "mlp", "--max-steps", "200", "--device", "cpu", "--threads", "1"]
BENCH += ["--seeds", str(TRIALS)]
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")


def test_the_plugin_adds_its_executor_without_importing_ray() -> None:
    assert Registry.load().executor("ray").needs == ("ray",)
    code = "import sys, zoo_ray.plugin; print('ray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head without CPUs, and two nodes with one each."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # Ray gives up a node that does not answer after half a minute by default.
    system = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": system})
    nodes = [made.add_node(num_cpus=1) for _ in range(2)]
    made.wait_for_nodes()
    try:
        yield made, nodes
    finally:
        made.shutdown()


def records(folder: Path) -> list[Record]:
    found = [decode(path.read_bytes()) for path in folder.glob("*/*.json")]
    return sorted(found, key=lambda record: record.seed)


def zoo_process(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from zoo_core.cli import main; main()", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for_records(process: subprocess.Popen[str], folder: Path, number: int) -> None:
    ends = time.monotonic() + 300
    while len([*folder.glob("*/*.json")]) < number:
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        assert time.monotonic() < ends
        time.sleep(0.2)


@needs_ray
@pytest.mark.nightly
def test_forty_trials_survive_a_node_that_is_killed_and_equal_a_local_run(
    cluster: Any, zoo: Callable[..., Any], tmp_path: Path
) -> None:
    made, nodes = cluster
    local, remote = tmp_path / "local", tmp_path / "remote"
    assert zoo(*BENCH, "--results", local).code == 0
    run = zoo_process(*BENCH, "--executor", "ray", "--address", made.address, "--results", remote)
    wait_for_records(run, remote, TRIALS // 4)
    made.remove_node(nodes[0], allow_graceful=False)
    output, _ = run.communicate(timeout=600)
    assert run.returncode == 0, output
    here, there = records(local), records(remote)
    assert [record.seed for record in there] == list(range(TRIALS)), "each once"
    assert [record.measured.scores for record in there] == [record.measured.scores for record in here]
    assert [record.status for record in there] == ["ok"] * TRIALS
    again = zoo_process(*BENCH, "--executor", "ray", "--address", made.address, "--results", remote, "--dry-run")
    assert f"{TRIALS} recorded already" in again.communicate(timeout=120)[0]


@needs_ray
@pytest.mark.nightly
def test_ctrl_c_records_what_ran_and_the_next_call_goes_on(cluster: Any, tmp_path: Path) -> None:
    made, _ = cluster
    command = [*BENCH, "--executor", "ray", "--address", made.address, "--results", tmp_path, "--jobs", "2"]
    run = zoo_process(*command)
    wait_for_records(run, tmp_path, 2)
    os.kill(run.pid, signal.SIGINT)
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 130, output
    statuses = [record.status for record in records(tmp_path)]
    assert statuses.count("ok") >= 2
    assert 1 <= statuses.count("interrupted") <= 2, "the trials in flight"
    listed = zoo_process(*command, "--dry-run", "--json").communicate(timeout=120)[0]
    assert len(json.loads(listed)["todo"]) == TRIALS - statuses.count("ok")
