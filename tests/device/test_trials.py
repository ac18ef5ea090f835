"""Whole trials on the test accelerator, in worker processes, as `zoo bench` runs them."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def bench(environment: dict[str, str], results: Path, *words: str) -> list[dict[str, Any]]:
    """The records of a `zoo bench` call with the accelerator."""
    command = [sys.executable, "-m", "zoo_core", "bench", *words, "--offline", "--device", "openreg", "--json"]
    done = subprocess.run(
        [*command, "--results", str(results)], capture_output=True, text=True, env=environment, cwd=results.parent
    )
    assert done.returncode in (0, 1), done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.nightly
def test_a_trial_of_every_shipped_pair_is_ok_with_its_pictures_and_its_peak_memory(
    accelerator: dict[str, str], tmp_path: Path
) -> None:
    words = ("--preset", "quick", "--max-steps", "2")
    found = bench(accelerator, tmp_path / "all", "--all", "--exclude", "torch-compile", *words)  # it has no compiler
    wanting = [row for row in found if "was never downloaded" in row["reason"]]  # published weights need a network
    rows = [row for row in found if row not in wanting]
    for row in wanting:
        task, model = row["task"]["name"], row["model"]["name"]
        rows += bench(accelerator, tmp_path / "all", task, "--model", model, "--weights", "none", *words)
    assert len(rows) > 30
    failed = {
        f"{row['task']['name']} {row['model']['name']}": (row["status"], row["reason"], row["measured"]["left_out"])
        for row in rows
        if row["status"] != "ok" or row["measured"]["left_out"] or not row["measured"]["peak_memory_mib"]
    }
    assert failed == {}


@pytest.mark.nightly
def test_forked_trials_start_in_a_fraction_of_the_time_of_spawned_ones_and_give_the_same_scores(
    accelerator: dict[str, str], tmp_path: Path
) -> None:
    words = ("cosine", "--model", "mlp", "--max-steps", "5", "--seeds", "3")
    starts, scores = [], []
    for start in ("fork", "spawn"):
        rows = bench({**accelerator, "ZOO_START": start}, tmp_path / start, *words)
        assert [row["status"] for row in rows] == ["ok"] * 3
        starts.append(statistics.median(row["phases"][0]["seconds"] for row in rows))
        scores.append([row["measured"]["scores"] for row in rows])
    assert scores[0] == scores[1]
    assert starts[0] < 0.3 * starts[1]


@pytest.mark.nightly
def test_the_session_for_a_gpu_passes_on_the_accelerator(accelerator: dict[str, str], tmp_path: Path) -> None:
    script = ROOT / "benchmarks" / "gpu" / "acceptance.py"
    words = ["--device", "openreg", "--short", "--out", str(tmp_path / "gpu")]
    done = subprocess.run([sys.executable, str(script), *words], capture_output=True, text=True, env=accelerator)
    assert done.returncode == 0, done.stdout[-4000:]
    assert {"report.txt", "trials.json", "steps.json", "doctor.json", "records.tgz"} <= {
        path.name for path in (tmp_path / "gpu").iterdir()
    }
