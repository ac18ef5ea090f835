"""What the key of an experiment covers: another device, other metadata or other weights are another experiment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from zoo_core.entries.codehash import Code
from zoo_core.entries.loaded import file_sha256
from zoo_core.registry.types import find_mismatch
from zoo_core.results.records import Measured, Record, decode
from zoo_core.results.store import Store
from zoo_core.runner.identity import TrialCode, imports_are_unchanged, other_imports
from zoo_core.specs import ModelSpec, TaskSpec

STEP = ("bench", "cosine", "--model", "mlp", "--max-steps", "1", "--device", "cpu")


def records() -> list[Record]:
    found = [decode(path.read_bytes()) for path in Path("results").glob("*/*.json")]
    return sorted(found, key=lambda record: record.started_at)


def test_another_device_of_the_same_class_is_another_experiment(
    zoo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("First CPU", "Second CPU"):
        monkeypatch.setattr("zoo_core.runner.devices.cpu_name", lambda name=name: name)
        assert "1 new" in zoo(*STEP).out
        assert "1 recorded already" in zoo(*STEP).out
    first, second = records()
    assert (first.device.name, second.device.name) == ("First CPU", "Second CPU")
    assert first.device.kind == second.device.kind == "cpu"
    assert first.key != second.key


def test_an_ok_record_answers_before_a_later_failure_of_the_same_experiment(zoo: Callable[..., Any]) -> None:
    zoo(*STEP)
    (record,) = records()
    later = {"id": f"{record.id}9", "started_at": "2099-01-01T00:00:00.000000+00:00"}
    Store(Path("results")).save(replace(record, **later, status="error", reason="ValueError", measured=Measured()))
    done = zoo(*STEP)
    assert (done.code, "1 recorded already, 0 failed" in done.out) == (0, True)


SPEC = """
from zoo_core import ModelSpec, hookimpl

@hookimpl
def zoo_models():
    return [ModelSpec(name="self-edit", tasks=("cosine",), entry="self_edit_nets:{entry}")]
"""

NETS = """
import pathlib
from torch import nn

def one(signature):
    pathlib.Path({path!r}).write_text({text!r})
    return nn.Linear(1, 1)

def two(signature):
    return nn.Sequential(nn.Linear(1, 1))
"""


def test_metadata_that_change_during_a_run_refuse_the_trials_that_follow(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    folder = make_plugin("zoo-self-edit", SPEC.format(entry="one"))
    plugin = str(folder / "zoo_self_edit.py")
    (folder / "self_edit_nets.py").write_text(NETS.format(path=plugin, text=SPEC.format(entry="two") + "# edited\n"))
    done = zoo("bench", "cosine", "--model", "self-edit", "--max-steps", "2", "--device", "cpu", "--seeds", "2")
    assert done.code == 1
    first, second = records()
    assert (first.status, second.status) == ("ok", "skipped")
    assert "the metadata of" in second.reason
    assert "run the command again" in second.reason


NET = """
import pathlib
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(1, 1)

    def forward(self, x):
        pathlib.Path({path!r}).write_bytes(pathlib.Path({other!r}).read_bytes())
        return self.inner(x)
"""


def test_weights_that_change_during_a_run_refuse_the_trials_that_follow(zoo: Callable[..., Any]) -> None:
    import torch
    from safetensors.torch import save_file

    for name, value in (("start", 1.0), ("other", 2.0)):
        weights = {"inner.weight": torch.full((1, 1), value), "inner.bias": torch.zeros(1)}
        save_file(weights, f"{name}.safetensors")
    start, other = (str(Path(f"{name}.safetensors").absolute()) for name in ("start", "other"))
    # The warm-up of the first trial, not the check before it, replaces the file: the check uses evaluation mode.
    source = NET.format(path=start, other=other).replace("pathlib.Path(", "self.training and pathlib.Path(", 1)
    Path("net.py").write_text(source)
    command = ("bench", "cosine", "--model", "./net.py:Net", "--max-steps", "2", "--device", "cpu", "--seeds", "2")
    done = zoo(*command, "--weights", "start.safetensors")
    assert done.code == 1, done.out + done.err
    first, second = records()
    assert (first.status, second.status) == ("ok", "skipped")
    assert "start.safetensors changed after the run was planned" in second.reason
    assert first.model.weights_sha256


BODY = """
from zoo_core import Evaluation, ModelSpec, Step, Stop, TaskSpec, hookimpl

@hookimpl
def zoo_models():
    return [ModelSpec(name="any", tasks=("short",), entry="zoo_short:net")]

@hookimpl
def zoo_tasks():
    return [TaskSpec(name="short", title="T", summary="S", kind="zoo-short/own", datasets=("cosine",), metric="m",
                     higher_is_better=True, entry="zoo_short:Body",
                     recipe={"take": 1, "say": ""})]

class Body:
    def __init__(self, spec):
        pass

    def prepare(self, ctx, data, recipe):
        pass

    def train(self, ctx, model, recipe):
        for _ in range(recipe.take):
            yield Step(1)
        if recipe.say:
            yield Stop(recipe.say)

    def evaluate(self, ctx, model, split):
        return Evaluation({"m": 1.0})

def net(signature):
    from torch import nn
    return nn.Linear(1, 1)
"""


@pytest.mark.parametrize(
    ("take", "say", "status", "words"),
    [
        (1, "", "error", "ended after 1 step, but the recipe says 10 steps"),
        (1000, "", "error", "took 11 steps and went on, but the recipe says 10 steps"),
        (10, "", "ok", ""),
        (4, "nothing left to learn", "ok", ""),
    ],
)
def test_the_runner_enforces_the_length_of_a_body_of_ones_own(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path], take: int, say: str, status: str, words: str
) -> None:
    make_plugin("zoo-short", BODY)
    settings = ("--set", f"take={take}", "--set", f"say={say}")
    done = zoo("bench", "short", "--max-steps", "10", "--device", "cpu", *settings)
    assert done.code == (0 if status == "ok" else 1), done.err
    (record,) = records()
    assert record.status == status
    assert words in record.reason
    assert record.measured.stopped_because == say


def test_without_epochs_a_body_with_ten_epochs_in_its_recipe_is_an_error_and_trains_nothing(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin("zoo-short", BODY)
    assert zoo("bench", "short", "--epochs", "10", "--device", "cpu").code == 1
    (record,) = records()
    assert "the task has no epochs: set `steps`" in record.reason
    assert record.measured.steps is None


def test_a_plugin_whose_spec_has_a_wrong_type_is_not_loaded_and_the_field_is_named(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin("zoo-short", BODY.replace('metric="m"', 'metric="m", chance="0.2"'))
    done = zoo("bench", "short", "--max-steps", "2", "--device", "cpu")
    assert done.code == 2
    assert "plugin zoo-short: TaskSpec short: `chance` is '0.2', not a finite number or None" in done.err
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("chance", np.float64(0.2)), ("version", np.int64(1)), ("title", np.str_("t")), ("quick", {"lr": np.float64(1)})],
)
def test_a_number_or_text_of_numpy_is_refused_because_no_record_can_hold_it(field: str, value: Any) -> None:
    fields = {"name": "t", "title": "T", "summary": "s", "kind": "regression", "datasets": ("d",), "metric": "mse"}
    mismatch = find_mismatch(TaskSpec(**{**fields, "higher_is_better": False, field: value}))
    assert mismatch is not None
    assert mismatch.path.startswith(field)


def test_imports_are_recorded_from_the_models_folder_or_from_the_home_without_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, project = tmp_path / "home", tmp_path / "project"
    files = [home / "lib.py", project / "deep.py", tmp_path / "other.py"]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_text("a = 1")
    monkeypatch.setattr(Path, "home", lambda: home)
    model = ModelSpec(name="n", entry=f"{project / 'net.py'}:Net", plugin="unpackaged")
    code = TrialCode(model=Code(), dataset=Code(), task=Code())
    loaded = {str(file): file_sha256(file) for file in files}
    imports = other_imports(model, code, loaded)
    assert list(imports) == ["~/lib.py", "deep.py", "../other.py"]
    assert imports_are_unchanged(model, imports)
    for file in files:
        before = file.read_text()
        file.write_text("a = 2")
        assert not imports_are_unchanged(model, imports)
        file.write_text(before)


STOPPED_CLOCK = """
import time
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(1, 1)

    def forward(self, x):
        if self.training:
            time.perf_counter = {clock}
        return self.inner(x)
"""


@pytest.mark.parametrize(
    "clock",
    ["lambda: 5.0", "lambda start=time.perf_counter: 1e6 * start()", "lambda start=time.perf_counter: -start()"],
)
def test_a_model_that_replaces_the_clock_gets_no_result(zoo: Callable[..., Any], clock: str) -> None:
    Path("net.py").write_text(STOPPED_CLOCK.format(clock=clock))
    assert zoo("bench", "cosine", "--model", "./net.py:Net", "--max-steps", "3", "--device", "cpu").code == 1
    (record,) = records()
    assert record.status == "error"
    assert record.reason == "the trial's code replaced time.perf_counter, on which the measurement relies"
    assert (record.measured.train_s, record.measured.scores, record.curve) == (None, {}, [])
