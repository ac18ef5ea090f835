"""Lists of values in `--set`: every combination is a trial of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo_core.errors import RecipeError, UsageError
from zoo_core.runner.grid import (
    as_one_value,
    combinations,
    count_combinations,
    require_few,
    settings_of,
    values_of,
)
from zoo_core.specs import Param

PARAMS = {
    "lr": Param(default=0.1),
    "steps": Param(default=10),
    "flip": Param(default=False),
    "activation": Param(default="relu", choices=("relu", "tanh")),
    "encoder": Param(default="resnet18"),
    "widths": Param(default=[16]),
    "anything": Param(default=None),
}


@pytest.mark.parametrize(
    ("key", "value", "values"),
    [
        ("activation", "relu,tanh", ["relu", "tanh"]),
        ("activation", "relu", ["relu"]),
        ("lr", "0.1, 1e-2 ,3", ["0.1", "1e-2", "3"]),
        ("flip", "yes,no", ["yes", "no"]),
        ("widths", "32,16", ["32,16"]),
        ("widths", [32, 16], [[32, 16]]),
        ("anything", "a,b", ["a,b"]),
        ("lr", [0.1, 0.2], [0.1, 0.2]),
        ("lr", 0.3, [0.3]),
        ("encoder", '"a,b"', ["a,b"]),
        ("encoder", ["a,b"], ["a,b"]),
    ],
)
def test_a_list_is_several_values_only_for_a_key_that_takes_one(key: str, value: Any, values: list[Any]) -> None:
    assert values_of(key, PARAMS[key], value) == values


@pytest.mark.parametrize("value", ["relu,", ",relu", "relu,,tanh", []])
def test_a_missing_value_is_told(value: Any) -> None:
    with pytest.raises(RecipeError, match=r"activation=.*value"):
        values_of("activation", PARAMS["activation"], value)


def test_a_text_with_a_quote_that_does_not_end_is_told() -> None:
    with pytest.raises(RecipeError, match="quotes"):
        values_of("encoder", PARAMS["encoder"], '"a"b"')


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.lists(st.integers(), min_size=1, max_size=4)))
def test_there_are_as_many_combinations_as_counted_and_none_twice(settings: dict[str, list[int]]) -> None:
    distinct = {key: list(dict.fromkeys(values)) for key, values in settings.items()}
    made = combinations(distinct)
    assert len(made) == count_combinations(distinct)
    assert len({tuple(overrides.items()) for overrides, _ in made}) == len(made)


def test_settings_of_unknown_keys_are_left_to_the_recipe() -> None:
    assert settings_of(PARAMS, {"typo": "1,2"}) == {"typo": ["1,2"]}


def test_many_trials_need_a_yes_and_a_million_are_refused() -> None:
    require_few(200, has_lists=True, allow_many=False)
    require_few(5000, has_lists=False, allow_many=False)
    require_few(5000, has_lists=True, allow_many=True)
    with pytest.raises(UsageError, match="201 trials, more than 200: add --yes"):
        require_few(201, has_lists=True, allow_many=False)
    with pytest.raises(UsageError, match="1,000,000 trials"):
        require_few(1_000_000, has_lists=True, allow_many=True)


LISTS = ("--set", "lr=0.01,0.1,0.010", "--set", "optimizer=sgd,adam", "--seeds", "3")


def test_a_dry_run_lists_every_combination_once(zoo: Callable[..., Any]) -> None:
    done = zoo("bench", "cosine", "--model", "mlp", *LISTS, "--dry-run", "--json")
    assert done.code == 0, done.err
    planned = [(item["settings"], item["seed"]) for item in json.loads(done.out)["todo"]]
    words = [f"lr={lr} optimizer={name}" for lr in ("0.01", "0.1") for name in ("sgd", "adam")]
    assert planned == [(setting, seed) for setting in words for seed in (0, 1, 2)]
    shown = zoo("bench", "cosine", "--model", "mlp", *LISTS, "--dry-run")
    assert "lr=0.1 optimizer=adam" in shown.out
    assert "12 to run" in shown.out


def test_more_than_200_trials_are_refused_before_anything_runs(zoo: Callable[..., Any]) -> None:
    many = ",".join(f"{number / 1000}" for number in range(1, 102))
    done = zoo("bench", "cosine", "--set", f"lr={many}")
    assert done.code == 2
    assert "202 trials" in done.err
    assert "--yes" in done.err
    assert zoo("bench", "cosine", "--set", f"lr={many}", "--dry-run").code == 0


def test_a_wrong_value_in_a_list_is_named(zoo: Callable[..., Any]) -> None:
    done = zoo("bench", "cosine", "--set", "optimizer=sgd,adm", "--dry-run")
    assert done.code == 2
    assert "optimizer='adm' is not one of" in done.err


def test_each_combination_gets_its_record_and_its_line(zoo: Callable[..., Any]) -> None:
    command = ("bench", "cosine", "--model", "linear", "--set", "lr=0.01,0.1", "--max-steps", "2", "--device", "cpu")
    done = zoo(*command)
    assert done.code == 0, done.err
    assert "linear lr=0.01" in done.out
    assert "linear lr=0.1" in done.out
    assert "2 trials of 1 pair" in done.out
    again = zoo(*command, "--json")
    assert [record["recipe"]["lr"] for record in json.loads(again.out)] == [0.01, 0.1]


def test_a_recorded_text_with_commas_is_one_value_again() -> None:
    recorded = {"encoder": "a,b", "lr": 0.1, "widths": [1, 2], "anything": "c,d", "gone": "e,f"}
    settings = settings_of(PARAMS, as_one_value(PARAMS, recorded))
    assert settings == {key: [value] for key, value in recorded.items()}
