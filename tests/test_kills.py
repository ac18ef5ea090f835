"""The short form of `benchmarks/kills.py`: trials that are killed at random and restarted equal an undisturbed run."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def kills() -> ModuleType:
    spec = importlib.util.spec_from_file_location("zoo_kills", ROOT / "benchmarks" / "kills.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["zoo_kills"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.nightly
@pytest.mark.skipif(sys.platform != "linux", reason="the fork server is Linux's")
def test_ten_trials_under_random_kills_equal_an_undisturbed_run_and_leave_nothing(
    tmp_path: Path, kills: ModuleType
) -> None:
    outcome = kills.run(tmp_path, trials=10, seed=1)
    assert outcome.kills.total() > 0
    assert outcome.statuses["ok"] == 10
    assert outcome.different == []
    assert outcome.repeated == []
    assert outcome.processes == []
    assert outcome.files == []


def test_the_comparison_sees_another_score_a_missing_trial_and_one_that_ran_twice(
    tmp_path: Path, kills: ModuleType
) -> None:
    text = '{{"seed": {seed}, "status": "ok", "curve": [], "measured": {{"scores": {{"mse": {score}}}, "steps": 1}}}}'
    for folder, name, seed, score in (
        ("quiet", "a", 0, "0.1"),
        ("quiet", "b", 1, "0.2"),
        ("quiet", "c", 2, "0.3"),
        ("killed", "a", 0, "0.10000000000000002"),  # the next float after 0.1
        ("killed", "c", 2, "0.3"),
        ("killed", "d", 2, "0.3"),
    ):
        path = tmp_path / folder / "cosine" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(seed=seed, score=score))
    outcome = kills.Outcome(3)
    kills.compare(tmp_path, outcome)
    assert [line.partition(":")[0] for line in outcome.different] == ["seed 0", "seed 1"]
    assert outcome.repeated == ["seed 2: 2 times"]
    (tmp_path / "killed" / "cosine" / ".a.json.12ab.tmp").touch()
    assert kills.left_files(tmp_path) == ["killed/cosine/.a.json.12ab.tmp"]
