"""`precision=auto`: bfloat16 where the CPU has instructions for it, and the record says what it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo_core.measure import processor
from zoo_core.registry import Registry
from zoo_core.results.store import Store
from zoo_core.runner import planned_trial
from zoo_core.runner.plan import make_plan
from zoo_core.runner.planned_trial import PlannedTrial
from zoo_core.runner.record_facts import device_facts
from zoo_core.runner.request import make_request


def plan(tmp_path: Path, *, precision: str = "", dtype: str = "", device: str = "cpu") -> PlannedTrial:
    registry = Registry.load()
    settings = {"precision": precision} if precision else {}
    request = make_request(registry, ["cosine"], ["mlp"], settings=settings, dtype=dtype, devices=[device])
    (trial,) = make_plan(request, registry, Store(tmp_path)).todo
    return trial


def with_fast_bfloat16(monkeypatch: pytest.MonkeyPatch, has: bool) -> None:
    monkeypatch.setattr(planned_trial, "has_fast_bfloat16", lambda: has)


@pytest.mark.parametrize(
    ("flags", "fast"),
    [
        ("avx2 avx512f", False),
        ("avx2", False),
        ("avx512f avx512_bf16", True),
        ("amx_tile amx_bf16", True),
        ("bf16 sve", False),
    ],
)
def test_the_cpu_tells_by_its_flags_whether_bfloat16_is_fast(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flags: str, fast: bool
) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(f"processor\t: 0\nflags\t\t: fpu {flags}\n")
    monkeypatch.setattr(processor, "CPUINFO", path)
    assert processor.has_fast_bfloat16.__wrapped__() == fast


@pytest.mark.parametrize(("fast", "dtype"), [(True, "bfloat16"), (False, "float32")])
def test_auto_is_what_suits_the_cpu_and_the_job_and_the_record_say_which(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fast: bool, dtype: str
) -> None:
    with_fast_bfloat16(monkeypatch, fast)
    trial = plan(tmp_path, precision="auto")
    assert trial.to_trial_job(tmp_path, "").dtype == dtype
    assert device_facts(trial).dtype == dtype
    assert trial.recipe["precision"] == "auto"


def test_the_two_precisions_of_auto_are_two_experiments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keys = set()
    for fast in (True, False):
        with_fast_bfloat16(monkeypatch, fast)
        keys.add(plan(tmp_path, precision="auto").key)
    assert len(keys) == 2


def test_an_option_overrides_the_recipe_and_an_accelerator_stays_at_float32(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_fast_bfloat16(monkeypatch, True)
    assert plan(tmp_path, precision="auto", dtype="float32").dtype == "float32"
    assert plan(tmp_path, dtype="bfloat16").dtype == "bfloat16"
    assert plan(tmp_path, precision="auto", device="cuda:0").dtype == "float32"
    with_fast_bfloat16(monkeypatch, False)
    assert plan(tmp_path, precision="auto", dtype="bfloat16").dtype == "bfloat16"


def test_without_the_key_recipe_and_experiment_are_those_of_before(tmp_path: Path) -> None:
    bare, stated = plan(tmp_path), plan(tmp_path, precision="float32")
    assert "precision" not in bare.recipe
    assert bare.dtype == "float32"
    assert bare.key == stated.key == plan(tmp_path, dtype="float32").key


def test_another_value_is_refused_with_the_known_ones(zoo: Callable[..., Any]) -> None:
    done = zoo("bench", "cosine", "--model", "mlp", "--set", "precision=bf8")
    assert done.code == 2
    assert "precision='bf8' is not one of float32, auto" in done.err
