"""Recipes: the order of the layers, values read and checked by the default's type, and the recipe's class."""

from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo_core.errors import RecipeError, UnknownNameError
from zoo_core.kinds import KINDS, Kind
from zoo_core.recipe import (
    RUNNER_PARAMS,
    Recipe,
    as_param,
    check_value,
    parameters,
    parse,
    recipe_class,
    resolve_recipe,
)
from zoo_core.specs import ModelSpec, Param, TaskSpec

KIND = {"lr": Param(default=0.1, minimum=0.0), "optimizer": Param(default="sgd", choices=("sgd", "adam"))}
FEW = settings(max_examples=25, deadline=None)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON_SCALARS = st.none() | st.booleans() | st.integers() | FINITE | st.text()
JSON_VALUES = st.recursive(
    JSON_SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


def task(recipe: Mapping[str, Any] | None = None, entry: str = "") -> TaskSpec:
    return TaskSpec(
        name="t",
        title="T",
        summary="",
        kind="regression",
        datasets=("d",),
        metric="mse",
        higher_is_better=False,
        recipe=recipe or {},
        entry=entry,
        plugin="zoo-x",
    )


def model(options: Mapping[str, Any] | None = None, **recipe: Mapping[str, Any]) -> ModelSpec:
    overrides = {name.replace("every", "*").replace("__", ":").replace("_", "-"): keys for name, keys in recipe.items()}
    return ModelSpec(name="m", entry="m:n", options=options or {}, recipe=overrides, plugin="zoo-x")


LAYERS = [
    {"kind": 1.0},
    {"kind": 1.0, "task": 2.0},
    {"kind": 1.0, "task": 2.0, "every": 3.0},
    {"kind": 1.0, "task": 2.0, "every": 3.0, "of_task": 4.0},
    {"kind": 1.0, "task": 2.0, "every": 3.0, "of_task": 4.0, "preset": 5.0},
    {"kind": 1.0, "task": 2.0, "every": 3.0, "of_task": 4.0, "preset": 5.0, "override": 6.0},
]


@pytest.mark.parametrize("values", LAYERS, ids=lambda values: list(values)[-1])
def test_each_layer_goes_over_those_below_it(values: dict[str, float]):
    def layer(name: str) -> dict[str, float]:
        return {"lr": values[name]} if name in values else {}

    params = parameters(task(layer("task")), model(every=layer("every"), t=layer("of_task")), {"lr": values["kind"]})
    assert resolve_recipe(params, layer("preset"), layer("override")).lr == max(values.values())


def test_the_same_layers_hold_for_an_option_of_the_model():
    params = parameters(task(), model({"width": 1}, every={"width": 2}), KIND)
    assert resolve_recipe(params).width == 2
    params = parameters(task(), model({"width": 1}, every={"width": 2}, t={"width": 3}), KIND)
    assert resolve_recipe(params).width == 3
    assert resolve_recipe(params, {"width": 4}).width == 4
    assert resolve_recipe(params, {"width": 4}, {"width": "5"}).width == 5


def test_a_model_may_name_the_task_by_its_qualified_name():
    assert resolve_recipe(parameters(task(), model(t={"lr": 0.2}, zoo_x__t={"lr": 0.3}), KIND)).lr == 0.3


def test_overrides_that_a_model_has_for_another_task_are_ignored():
    assert resolve_recipe(parameters(task(), model(other={"lr": 0.5, "unknown": 1}), KIND)).lr == 0.1


def test_every_recipe_has_the_keys_that_the_runner_reads():
    assert resolve_recipe(parameters(task(), model(), {})) == {
        key: param.default for key, param in RUNNER_PARAMS.items() if param.unset is None
    }


def test_a_layer_changes_the_default_and_keeps_help_choices_and_minimum():
    kind = {"lr": Param(default=0.1, help="rate", minimum=0.0), "optimizer": KIND["optimizer"]}
    params = parameters(task({"lr": 0.2, "optimizer": "adam"}), model(), kind)
    assert params["lr"] == Param(default=0.2, help="rate", minimum=0.0)
    assert params["optimizer"] == Param(default="adam", choices=("sgd", "adam"))


def test_a_task_with_its_own_body_may_add_keys():
    params = parameters(task({"critic_steps": Param(default=5, minimum=1), "noise": 64}, "zoo_x:Body"), model(), {})
    assert params["critic_steps"] == Param(default=5, minimum=1)
    assert params["noise"] == Param(default=64)


def test_a_task_of_a_shared_kind_may_not_add_keys():
    with pytest.raises(RecipeError, match="task zoo-x:t: its recipe sets 'noise'"):
        parameters(task({"noise": 64}), model(), KIND)


def test_an_option_named_like_a_training_key_is_refused():
    with pytest.raises(RecipeError, match="model zoo-x:m: option 'lr' is also a training key of task zoo-x:t"):
        parameters(task(), model({"lr": 1.0}), KIND)


def test_a_models_recipe_for_a_task_may_not_name_an_unknown_key():
    with pytest.raises(RecipeError, match="model zoo-x:m: its recipe sets 'momentun'"):
        parameters(task(), model(t={"momentun": 0.9}), KIND)


def test_a_models_recipe_for_every_task_may_speak_of_keys_that_only_some_kinds_have():
    assert "label_smoothing" not in parameters(task(), model(every={"label_smoothing": 0.1}), KIND)


def test_a_wrong_value_in_a_layer_names_its_owner():
    with pytest.raises(RecipeError, match="task zoo-x:t: lr='fast' is not a number"):
        parameters(task({"lr": "fast"}), model(), KIND)
    with pytest.raises(RecipeError, match="model zoo-x:m: optimizer='lion' is not one of sgd, adam"):
        parameters(task(), model(t={"optimizer": "lion"}), KIND)


@pytest.mark.parametrize("layer", [0, 1])
def test_an_unknown_key_is_an_error_that_suggests_the_nearest_one(layer: int):
    layers: list[dict[str, Any]] = [{}, {}]
    layers[layer] = {"optimiser": "adam"}
    with pytest.raises(UnknownNameError, match=r"unknown recipe key 'optimiser': did you mean optimizer\?"):
        resolve_recipe(KIND, *layers)


@pytest.mark.parametrize("text", ["true", "True", "yes", "ON", "1"])
def test_words_for_true(text: str):
    assert parse("k", Param(default=False), text) is True


@pytest.mark.parametrize("text", ["false", "FALSE", "no", "off", "0"])
def test_words_for_false(text: str):
    assert parse("k", Param(default=True), text) is False


@pytest.mark.parametrize("text", ["", "2", "maybe", "truee", "[]"])
def test_other_words_are_refused_as_booleans(text: str):
    with pytest.raises(RecipeError, match="is not true or false"):
        parse("k", Param(default=True), text)


@FEW
@given(st.booleans(), st.booleans())
def test_a_boolean_is_parsed_back_from_its_text(default: bool, value: bool):
    assert parse("k", Param(default=default), str(value)) is value


@FEW
@given(st.integers(), st.integers())
def test_a_whole_number_survives_its_text(default: int, value: int):
    parsed = parse("k", Param(default=default), str(value))
    assert parsed == value
    assert type(parsed) is int


@FEW
@given(FINITE, FINITE)
def test_a_number_survives_its_text(default: float, value: float):
    assert parse("k", Param(default=default), repr(value)) == value


@FEW
@given(st.integers(-(2**53), 2**53))
def test_a_whole_number_becomes_a_float_where_the_default_is_one(value: int):
    parsed = parse("k", Param(default=0.5), str(value))
    assert parsed == value
    assert type(parsed) is float


@FEW
@given(st.text(), st.text())
def test_a_text_is_taken_as_it_is(default: str, value: str):
    assert parse("k", Param(default=default), value) == value


@FEW
@given(st.lists(JSON_VALUES))
def test_a_list_survives_its_json(value: list[Any]):
    assert parse("k", Param(default=[]), json.dumps(value)) == value


@FEW
@given(st.lists(st.integers(), min_size=1))
def test_a_list_may_be_written_without_brackets(value: list[int]):
    assert parse("k", Param(default=[1]), ",".join(map(str, value))) == value


@FEW
@given(st.dictionaries(st.text(), JSON_VALUES))
def test_a_dict_survives_its_json(value: dict[str, Any]):
    assert parse("k", Param(default={}), json.dumps(value)) == value


@FEW
@given(JSON_VALUES)
def test_any_json_is_taken_where_the_default_is_none(value: Any):
    assert parse("k", Param(default=None), json.dumps(value)) == value


def test_text_that_is_not_json_stays_text_if_the_default_is_none():
    assert parse("k", Param(default=None), "imagenet") == "imagenet"


@pytest.mark.parametrize(
    ("default", "text", "form"),
    [
        (1, "1.5", "a whole number"),
        (1, "one", "a whole number"),
        (1, "", "a whole number"),
        (1.0, "fast", "a number"),
        ([1], "a,b", "a list such as 512,256"),
        ([1], "[1,", "a list such as 512,256"),
        ({}, "[1]", "a JSON object"),
        ({}, "a=1", "a JSON object"),
    ],
)
def test_a_text_that_is_not_of_the_defaults_type_is_refused_with_key_value_and_default(
    default: Any, text: str, form: str
):
    with pytest.raises(RecipeError) as caught:
        parse("key", Param(default=default), text)
    message = str(caught.value)
    assert message.startswith("key=")
    assert f"is not {form}; the default is {default!r}" in message


@FEW
@given(st.text())
def test_no_text_ends_in_anything_but_a_value_or_a_recipe_error(text: str):
    for default in (True, 1, 1.0, "a", [1], (1,), {}, None):
        try:
            value = parse("k", Param(default=default), text)
        except RecipeError:
            continue
        assert not isinstance(value, float) or math.isfinite(value)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "Infinity"])
def test_a_number_that_is_not_finite_is_refused(text: str):
    with pytest.raises(RecipeError, match="is not a finite number"):
        parse("lr", Param(default=0.1), text)


@pytest.mark.parametrize("text", ["NaN", "[1, Infinity]", '[{"a": -Infinity}]'])
def test_a_number_inside_a_list_is_finite_too(text: str):
    with pytest.raises(RecipeError):
        parse("widths", Param(default=[1.0]), text)


@FEW
@given(st.integers(-100, 100), st.integers(-100, 100))
def test_a_number_below_the_minimum_is_refused(value: int, minimum: int):
    param = Param(default=minimum, minimum=minimum)
    if value >= minimum:
        assert parse("k", param, str(value)) == value
    else:
        with pytest.raises(RecipeError, match=f"k={value} is below {minimum}"):
            parse("k", param, str(value))


def test_a_value_that_is_not_among_the_choices_is_refused_with_the_choices():
    with pytest.raises(RecipeError, match="optimizer='lion' is not one of sgd, adam"):
        parse("optimizer", KIND["optimizer"], "lion")


@pytest.mark.parametrize(
    ("default", "value"),
    [(1, True), (True, 1), (1, 1.0), (1.0, True), ("a", 1), (1, "1"), ([1], 1), ({}, [1]), (1.0, None), ([1], "1")],
)
def test_a_value_of_another_type_is_refused(default: Any, value: Any):
    with pytest.raises(RecipeError, match="k="):
        check_value("k", Param(default=default), value)


def test_a_whole_number_is_a_number():
    value = check_value("lr", Param(default=0.1), 1)
    assert value == 1.0
    assert type(value) is float


def test_a_tuple_is_a_list():
    assert check_value("widths", Param(default=[1]), (1, 2)) == [1, 2]
    assert check_value("widths", Param(default=(1,)), [1, 2]) == [1, 2]


def test_a_plain_default_is_a_param_without_help():
    assert as_param(3) == Param(default=3)
    assert as_param(KIND["lr"]) is KIND["lr"]


QUICK = {"lr": 0.5}


def test_the_defaults_are_class_default():
    assert recipe_class(resolve_recipe(KIND), KIND, QUICK) == "default"


def test_the_preset_is_class_quick():
    assert recipe_class(resolve_recipe(KIND, QUICK), KIND, QUICK) == "quick"


def test_any_other_recipe_is_class_custom():
    assert recipe_class(resolve_recipe(KIND, QUICK, {"optimizer": "adam"}), KIND, QUICK) == "custom"
    assert recipe_class(resolve_recipe(KIND, {}, {"lr": "0.2"}), KIND, QUICK) == "custom"


def test_a_key_set_to_its_default_is_still_class_default():
    assert recipe_class(resolve_recipe(KIND, {}, {"lr": "0.1"}), KIND, QUICK) == "default"


def test_a_list_set_to_its_default_is_still_class_default_however_the_default_is_written():
    for default in ([512, 256], (512, 256)):
        params = {"widths": Param(default=default)}
        assert recipe_class(resolve_recipe(params, {}, {"widths": "512,256"}), params, {}) == "default"


def test_the_presets_values_set_by_hand_are_class_quick():
    assert recipe_class(resolve_recipe(KIND, {}, {"lr": "0.5"}), KIND, QUICK) == "quick"


def test_a_task_without_a_preset_has_no_class_quick():
    assert recipe_class(resolve_recipe(KIND), KIND, {}) == "default"
    assert recipe_class(resolve_recipe(KIND, {}, {"lr": "0.5"}), KIND, {}) == "custom"


@FEW
@given(st.dictionaries(st.text(), JSON_VALUES))
def test_a_recipe_is_a_mapping(values: dict[str, Any]):
    recipe = Recipe(values)
    assert dict(recipe) == values
    assert len(recipe) == len(values)
    assert recipe == Recipe(values)


def test_a_recipe_is_read_by_attribute():
    assert Recipe({"lr": 0.1}).lr == 0.1


def test_a_key_that_a_recipe_lacks_is_an_attribute_error_that_lists_the_keys():
    with pytest.raises(AttributeError, match="the recipe has no 'momentum'; it has lr, steps"):
        _ = Recipe({"lr": 0.1, "steps": 3}).momentum
    assert not hasattr(Recipe({}), "lr")


def test_a_recipe_does_not_follow_the_dict_it_was_made_from():
    values = {"lr": 0.1}
    recipe = Recipe(values)
    values["lr"] = 0.2
    assert recipe.lr == 0.1


def test_a_recipe_can_be_copied_and_pickled():
    recipe = Recipe({"lr": 0.1})
    assert copy.copy(recipe) == copy.deepcopy(recipe) == pickle.loads(pickle.dumps(recipe)) == recipe


def test_a_recipe_shows_its_values():
    assert repr(Recipe({"lr": 0.1})) == "Recipe({'lr': 0.1})"


# Keys that kinds got later


LATER = {
    **KIND,
    "ema": Param(default=0.0, unset=0.0, minimum=0.0, maximum=1.0),
    "milestones": Param(default=[0.5, 0.75], unset=[0.5, 0.75], minimum=0.0, maximum=1.0),
}


def test_a_later_key_is_left_out_of_the_recipe_while_it_changes_nothing():
    assert resolve_recipe(LATER) == resolve_recipe(KIND)
    assert resolve_recipe(LATER, None, {"ema": "0", "milestones": "0.5,0.75"}) == resolve_recipe(KIND)
    assert resolve_recipe(LATER, None, {"ema": "0.9", "milestones": [0.5]}) == {
        **resolve_recipe(KIND),
        "ema": 0.9,
        "milestones": [0.5],
    }


def test_a_later_key_with_its_default_leaves_the_class_of_the_recipe():
    assert recipe_class(resolve_recipe(LATER, None, {"ema": "0"}), LATER, QUICK) == "default"
    assert recipe_class(resolve_recipe(LATER, QUICK), LATER, QUICK) == "quick"
    assert recipe_class(resolve_recipe(LATER, None, {"ema": "0.5"}), LATER, QUICK) == "custom"


def test_a_model_that_sets_a_later_key_may_be_asked_to_do_without():
    params = parameters(task(), model(t={"ema": 0.9}), LATER)
    assert resolve_recipe(params).ema == 0.9
    assert "ema" not in resolve_recipe(params, None, {"ema": 0.0})
    assert recipe_class(resolve_recipe(params, None, {"ema": 0.0}), params, QUICK) == "custom"


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_recipes_of_the_shared_kinds_have_the_keys_of_before(kind: Kind):
    before = {
        "batch_size",
        "optimizer",
        "lr",
        "momentum",
        "nesterov",
        "weight_decay",
        "schedule",
        "warmup",
        "clip_norm",
    }
    later = {"accumulate", "ema", "milestones", "gamma", "loss"}
    later |= {"train_per_class"} if kind.name == "image-classification" else set()
    params = {key: as_param(value) for key, value in kind.recipe.items()}
    assert {key for key, param in params.items() if param.unset is not None} == later
    assert before <= set(resolve_recipe(params)) == set(params) - later


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("ema", "1.5", "ema=1.5 is above 1"),
        ("ema", "-0.1", "ema=-0.1 is below 0"),
        ("milestones", "0.5,2", r"milestones=\[0.5, 2\] is above 1"),
        ("milestones", "[-1]", r"milestones=\[-1\] is below 0"),
        ("milestones", '["half"]', "'half' is not a number; the default is"),
        ("milestones", "[true]", "True is not a number; the default is"),
    ],
)
def test_numbers_outside_their_range_are_refused_also_in_a_list(key: str, text: str, message: str):
    with pytest.raises(RecipeError, match=message):
        parse(key, LATER[key], text)


def test_a_minimum_of_a_key_without_a_type_binds_numbers_only():
    assert parse("k", Param(default=None, minimum=1.0), "auto") == "auto"
    with pytest.raises(RecipeError, match="k=0 is below 1"):
        parse("k", Param(default=None, minimum=1.0), "0")
