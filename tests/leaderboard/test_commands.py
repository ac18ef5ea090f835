"""The commands that measure a row or a trial again."""

from __future__ import annotations

import shlex
from itertools import pairwise

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from zoo_leaderboard.board.commands import reproduce_trial

from zoo_core.recipe import Recipe, resolve_recipe
from zoo_core.results.records import DeviceFacts
from zoo_core.runner.grid import combinations, settings_of
from zoo_core.specs import Param
from zoo_core.ui.parsing import parse_duration, parse_seeds, parse_settings


def options(command: str) -> dict[str, list[str]]:
    """The values of each option of a command, in order."""
    words = shlex.split(command)
    found: dict[str, list[str]] = {}
    for word, value in pairwise(words):
        if word.startswith("--"):
            found.setdefault(word, []).append(value)
    return found


def test_the_command_of_a_trial_measures_it_alone_whatever_was_typed(record):
    made = record(seed=7, device="cuda", dtype="bfloat16", threads=2, command="zoo bench --all --seeds 3")
    made = msgspec.structs.replace(made, device=msgspec.structs.replace(made.device, index=1, compiled=True))
    assert reproduce_trial(made) == (
        "zoo bench zoo-a:digits --model zoo-a:net --dataset zoo-a:digits --device cuda:1 --seeds 7, "
        "--dtype bfloat16 --compile --threads 2"
    )


def test_a_quick_trial_is_repeated_with_its_preset(record):
    assert reproduce_trial(record(recipe_class="quick")).endswith("--seeds 1 --preset quick")


values = st.one_of(
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=9).map(str.strip),
    st.lists(st.integers(), min_size=1, max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
keys = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(recipe=st.dictionaries(keys, values, max_size=5), seed=st.integers(0, 99))
@example(recipe={"a": ",", "b": '"', "c": '""', "d": '"x,"'}, seed=1)
def test_the_command_of_a_custom_trial_gives_the_same_recipe_and_seed(record, recipe, seed):
    made = record(recipe_class="custom", recipe=recipe, seed=seed)
    found = options(reproduce_trial(made))
    defaults = {key: Param(default=value) for key, value in recipe.items()}
    ((overrides, _),) = combinations(settings_of(defaults, parse_settings(found.get("--set", []))))
    assert resolve_recipe(defaults, {}, overrides) == Recipe(recipe)
    assert set(found.get("--set", [])) or not recipe
    if seed:
        assert parse_seeds(found["--seeds"][0]) == [seed]


@pytest.mark.parametrize("budget_s", [0.5, 60.0, 3600.25])
def test_a_budget_is_repeated(budget_s, record):
    made = msgspec.structs.replace(record(recipe_class="custom"), budget_s=budget_s)
    assert parse_duration("--budget", options(reproduce_trial(made))["--budget"][0]) == budget_s


def test_a_model_from_a_file_is_repeated_with_the_file_that_was_typed(record):
    made = record(model="unpackaged:net.Net-12345678", command="zoo bench digits -m './my nets/net.py:Net' --seeds 3")
    assert options(reproduce_trial(made))["--model"] == ["./my nets/net.py:Net"]
    named = record(model="unpackaged:mine", command="zoo bench digits --model=a.py:Net --name mine")
    assert options(reproduce_trial(named))["--name"] == ["mine"]


@pytest.mark.parametrize(
    "command",
    [
        "zoo.bench('digits', model=Net)",  # a notebook
        "zoo bench digits --model a.py:Net --model b.py:Net",  # which of them?
        "zoo bench digits --model 'a.py:Net",
        "",
    ],
)
def test_a_model_whose_code_is_not_located_has_no_command(command, record):
    assert reproduce_trial(record(model="unpackaged:net.Net", command=command)) == ""


def test_own_data_and_weights_are_given_by_the_paths_that_were_typed(record):
    command = "zoo bench --all --data-root ~/'my data' --weights ~/nets/a.safetensors"
    made = record(model_weights_option="a.safetensors", command=command)
    assert reproduce_trial(made).endswith("--weights ~/nets/a.safetensors --data-root ~/'my data'")
    assert reproduce_trial(record(model_weights_option="none")).endswith("--weights none")


@pytest.mark.parametrize("task", ["--all", "-x", "a; rm -rf /", "$(id)"])
def test_names_of_a_record_are_neither_options_nor_code(task, record):
    command = reproduce_trial(record(task=task))
    assert "--all" not in shlex.split(command)
    assert not command or shlex.split(command)[2] == task


def test_device_index_zero_is_kept(record):
    made = msgspec.structs.replace(record(), device=DeviceFacts(kind="cuda", index=0))
    assert "--device cuda:0" in reproduce_trial(made)
