"""A task that reports impossible steps, units or times fails its trial, with what it reported as the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoo_core.results.records import decode

LIAR = """
    import math
    from zoo_core import DatasetSpec, Evaluation, ModelSpec, Phase, Signature, Step, TaskSpec, hookimpl

    REPORTS = {
        "negative-time": lambda steps: [Phase("features", spent_s=-1e9), *_steps(steps)],
        "nan-time": lambda steps: [Phase("features", spent_s=math.nan), *_steps(steps)],
        "endless-time": lambda steps: [Phase("features", spent_s=1e12), *_steps(steps)],
        "negative-units": lambda steps: [Step(-5), *_steps(steps - 1)],
        "endless-units": lambda steps: [Step(2**70), *_steps(steps - 1)],
        "zero-steps": lambda steps: [Step(1, steps=0), *_steps(steps)],
        "no-steps": lambda steps: [],
        "too-many": lambda steps: _steps(100 * steps),
        "too-few": lambda steps: _steps(steps - 1),
        "jumps-over": lambda steps: [Step(1, steps=steps + 1)],
        "endless-steps": lambda steps: [Step(1, steps=2**70)],
        "half-a-step": lambda steps: [Step(1, steps=0.5), *_steps(steps)],
        "honest": lambda steps: _steps(steps),
        "jumps": lambda steps: [Step(2, steps=2), *_steps(steps - 2)],
    }

    def _steps(count):
        return [Step(1) for _ in range(count)]

    @hookimpl
    def zoo_tasks():
        return [TaskSpec(name="liar", title="T", summary="S", kind="zoo-liar/own", metric="m", higher_is_better=True,
                         datasets=("points",), entry="zoo_liar:Task")]

    @hookimpl
    def zoo_datasets():
        return [DatasetSpec(name="points", title="D", licence="CC0-1.0", origin="exact", entry="zoo_liar:Points",
                            signature=Signature(input_shape=(1,), outputs=1))]

    @hookimpl
    def zoo_models():
        return [ModelSpec(name=name, tasks=("liar",), entry=f"zoo_liar:{name.replace('-', '_')}") for name in REPORTS]

    def _build(name):
        def build(signature):
            from torch import nn
            model = nn.Linear(1, 1)
            model.reports = name
            return model
        return build

    globals().update({name.replace("-", "_"): _build(name) for name in REPORTS})

    class Points:
        signature = Signature(input_shape=(1,), outputs=1)

        def __init__(self, ctx):
            pass

        def load(self, split):
            import numpy as np
            return {"x": np.arange(20.0).reshape(20, 1)}

    class Task:
        def __init__(self, spec):
            pass

        def prepare(self, ctx, data, recipe):
            pass

        def train(self, ctx, model, recipe):
            name = model.reports if recipe.steps == 3 else "honest"  # the warm-up has a length of its own
            yield from REPORTS[name](recipe.steps)

        def evaluate(self, ctx, model, split):
            return Evaluation({"m": 1.0})
"""

REASONS = {
    "negative-time": "phase 'features' says that it took -1000000000.0 s: give seconds, 0 or more",
    "nan-time": "phase 'features' says that it took nan s",
    "endless-time": "the plugin reported 1e+12 s from cached phases",
    "negative-units": "n=-5: give a whole number, 0 or more",
    "endless-units": "n=1.18e+21: no step uses so many",
    "zero-steps": "steps=0: give a whole number, 1 or more",
    "no-steps": "ended after 0 steps, but the recipe says 3 steps",
    "too-many": "took 4 steps and went on, but the recipe says 3 steps",
    "too-few": "ended after 2 steps, but the recipe says 3 steps",
    "jumps-over": "took 4 steps and went on, but the recipe says 3 steps",
    "endless-steps": "steps=1.18e+21: no step uses so many",
    "half-a-step": "steps=0.5: give a whole number, 1 or more",
}


def test_what_a_task_reports_about_its_training_is_checked_and_named(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin("zoo-liar", LIAR)
    done = zoo("bench", "liar", "--max-steps", "3", "--device", "cpu")
    assert done.code == 1, done.err
    records = [decode(path.read_bytes()) for path in Path("results").glob("[!.]*/*.json")]
    found = {record.model.name.partition(":")[2]: record for record in records}
    for name, reason in REASONS.items():
        assert found[name].status == "error", name
        assert reason in found[name].reason
    assert {name for name, record in found.items() if record.status == "ok"} == {"honest", "jumps"}
    assert [found[name].measured.steps for name in ("honest", "jumps")] == [3, 3]
