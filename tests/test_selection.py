"""Choosing pairs by names, patterns and kinds, and sweep files, which are options in TOML."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo_core.cli.app import app
from zoo_core.cli.sweep import read_words
from zoo_core.errors import UnknownNameError, UsageError
from zoo_core.registry import Registry
from zoo_core.runner.selection import Selection, choose_pairs


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.load()


def pairs(registry: Registry, **words: Any) -> set[tuple[str, str]]:
    return {(pair.task.name, pair.model.name) for pair in choose_pairs(registry, Selection(**words))}


def test_a_pattern_of_models_runs_those_of_each_task(registry: Registry) -> None:
    found = pairs(registry, tasks=["mnist", "cos*"], models=["mlp*"])
    assert ("cosine", "mlp") in found
    assert {task for task, _ in found} == {"cosine", "mnist"}
    assert all(model.startswith("mlp") for _, model in found)
    assert pairs(registry, tasks=["mnist", "cos*"], models=["*"]) == pairs(registry, tasks=["mnist", "cos*"])


def test_a_pattern_of_models_goes_with_one_task_and_with_all(registry: Registry) -> None:
    assert pairs(registry, tasks=["cosine"], models=["ml?"]) == {("cosine", "mlp")}
    everything = pairs(registry, all_pairs=True, models=["mlp"])
    assert ("cosine", "mlp") in everything
    assert {model for _, model in everything} == {"mlp"}


def test_a_model_that_is_registered_for_one_of_two_tasks_runs_there(registry: Registry) -> None:
    assert ("mnist", "mlp-100") in pairs(registry, tasks=["mnist", "cosine"], models=["mlp-100"])


def test_a_kind_keeps_its_tasks_and_alone_means_all_of_them(registry: Registry) -> None:
    regression = {task.name for task in registry.tasks if task.kind == "regression"}
    found = pairs(registry, kinds=["regression"])
    assert found
    assert {task for task, _ in found} <= regression
    assert {task for task, _ in pairs(registry, tasks=["*"], kinds=["regression"])} == {task for task, _ in found}
    both = pairs(registry, kinds=["regression", "image-classification"])
    assert {"cosine", "mnist"} <= {task for task, _ in both}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"kinds": ["regresion"]}, "did you mean regression"),
        ({"tasks": ["mnist"], "kinds": ["regression"]}, "image-classification"),
        ({"tasks": ["mnist", "cosine"], "models": ["zzz*"]}, "unknown model 'zzz"),
        ({"tasks": ["mnist", "cosine"], "models": ["net.py:Net"]}, "one named task"),
        ({"all_pairs": True, "models": ["mlpp"]}, "did you mean"),
        ({"all_pairs": True, "tasks": ["mnist"]}, "name a task"),
        ({}, "name a task"),
    ],
)
def test_words_that_choose_nothing_are_refused_with_advice(registry: Registry, words: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says.replace("*", r"\*")):
        choose_pairs(registry, Selection(**words))


SWEEP = """
tasks = ["cosine"]
model = ["mlp"]
seeds = [0, 3]
device = "cpu"
max-steps = 4
offline = true
[set]
lr = [0.1, 0.01]
"""


def params() -> Any:
    import typer

    root = typer.main.get_command(app)
    return root.get_command(None, "bench").params  # type: ignore[attr-defined]


def test_a_sweep_file_is_the_words_of_its_options(tmp_path: Path) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text(SWEEP)
    assert read_words(path, params()) == [
        "cosine",
        "--model=mlp",
        "--seeds=0,3,",
        "--device=cpu",
        "--max-steps=4",
        "--offline",
        "--set=lr=0.1,0.01",
    ]


def test_a_sweep_runs_as_its_options_would_and_the_call_comes_on_top(zoo: Callable[..., Any]) -> None:
    Path("sweep.toml").write_text(SWEEP)
    shown = json.loads(zoo("bench", "--sweep", "sweep.toml", "--dry-run", "--json").out)["todo"]
    assert [(item["settings"], item["seed"]) for item in shown] == [
        ("lr=0.1", 0),
        ("lr=0.1", 3),
        ("lr=0.01", 0),
        ("lr=0.01", 3),
    ]
    fewer = zoo("bench", "--sweep=sweep.toml", "--seeds", "1", "--dry-run", "--json")
    assert [item["seed"] for item in json.loads(fewer.out)["todo"]] == [0, 0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("modle = ['mlp']", "unknown key 'modle': did you mean model"),
        ("seeds = {a = 1}", "neither a text nor a number"),
        ("epochs = [1, 2]", "takes one value"),
        ("offline = 'yes'", "true or false"),
        ("tasks = ['--force']", "is an option"),
        ("set = 3", "write a table"),
        ("[set]\nname = ['a,b', 'c']", "no text may have a comma"),
        ("sweep = 'other.toml'", "unknown key 'sweep'"),
        ("= 3", "is not TOML"),
    ],
)
def test_a_mistake_in_a_sweep_file_names_the_file_and_the_key(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    with pytest.raises((UsageError, UnknownNameError), match=says) as caught:
        read_words(path, params())
    assert "sweep.toml" in str(caught.value)


def test_values_of_a_sweep_file_are_checked_as_options_are(zoo: Callable[..., Any]) -> None:
    Path("sweep.toml").write_text("tasks = ['cosine']\nepochs = 'many'\n")
    done = zoo("bench", "--sweep", "sweep.toml")
    assert done.code == 2
    assert "--epochs" in done.out + done.err
    missing = zoo("bench", "--sweep", "none.toml")
    assert (missing.code, "there is no such file" in missing.err) == (2, True)


def test_a_text_with_a_comma_stays_one_value(tmp_path: Path) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text('[set]\nname = "a,b"\n')
    assert read_words(path, params()) == ['--set=name="a,b"']
