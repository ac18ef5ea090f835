"""The error tree matches the drawing in the module's docstring, and errors for unknown names suggest others."""

from __future__ import annotations

import inspect
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo_core import errors
from zoo_core.errors import AmbiguousNameError, UnknownNameError, UsageError, ZooError, near_names

CLASSES = {name: item for name, item in vars(errors).items() if inspect.isclass(item) and issubclass(item, Exception)}
SEPARATORS = str.maketrans("", "", " -_.")


def drawn_parents() -> dict[str, str]:
    """Name -> parent, from the indentation of the tree in the module's docstring."""
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = []  # (column, name) of the line's ancestors
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"[ │├└─]*([A-Z]\w*Error)\b", line)
        if not found:
            continue
        column, name = found.start(1), found[1]
        above = [item for item in above if item[0] < column]
        parents[name] = above[-1][1] if above else "Exception"
        above.append((column, name))
    return parents


def test_the_drawing_and_the_module_name_the_same_errors():
    assert set(drawn_parents()) == set(CLASSES)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_an_error_has_the_parent_that_the_drawing_shows(name: str):
    assert [base.__name__ for base in CLASSES[name].__bases__] == [drawn_parents()[name]]


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_error_says_when_it_is_raised(name: str):
    assert CLASSES[name].__doc__


def test_everything_raised_on_purpose_is_a_zoo_error():
    assert all(issubclass(item, ZooError) for item in CLASSES.values())


def test_the_error_for_an_unknown_name_suggests_the_nearest_ones():
    message = str(UnknownNameError("task", "cosin", ["cosine", "mnist"], hint="`zoo list tasks`"))
    assert message == "unknown task 'cosin': did you mean cosine? (`zoo list tasks`)"


def test_several_near_names_are_all_suggested():
    message = str(UnknownNameError("model", "mlp-", ["mlp-1", "mlp-2", "resnet"]))
    assert message in [f"unknown model 'mlp-': did you mean {near}?" for near in ("mlp-1 or mlp-2", "mlp-2 or mlp-1")]


def test_where_nothing_is_near_the_known_names_are_listed_in_order():
    assert str(UnknownNameError("task", "xyz", ["mnist", "cosine"])) == "unknown task 'xyz': known: cosine, mnist"


def test_a_long_list_of_known_names_is_shortened_visibly():
    message = str(UnknownNameError("task", "xyz", [f"aaaa{number:02d}" for number in range(13)]))
    assert "aaaa11 ..." in message
    assert "aaaa12" not in message


def test_twelve_known_names_are_listed_whole():
    message = str(UnknownNameError("task", "xyz", [f"aaaa{number:02d}" for number in range(12)]))
    assert message.endswith("aaaa11")


def test_a_name_known_twice_is_listed_once():
    assert str(UnknownNameError("model", "xyz", ["mlp", "mlp"])).endswith("known: mlp")


def test_where_nothing_is_known_the_message_says_so():
    assert str(UnknownNameError("plugin", "xyz", [])) == "unknown plugin 'xyz': no plugin is known"


def test_the_error_for_an_ambiguous_name_lists_the_qualified_names():
    error = AmbiguousNameError("model", "mlp", ["zoo-b:mlp", "zoo-a:mlp"])
    assert str(error) == "model 'mlp' is ambiguous: say one of zoo-a:mlp, zoo-b:mlp"
    assert isinstance(error, UsageError)


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("CNN", ["cnn", "cnn-fast", "mlp"], ["cnn"]),
        ("batchsize", ["batch_size", "base_size"], ["batch_size"]),
        ("resnet", ["zoo-dogs:resnet-18", "mlp"], ["zoo-dogs:resnet-18"]),
        ("mlpp", ["mlp", "mlp-3", "cnn"], ["mlp", "mlp-3"]),
        ("x", ["mnist"], []),
        ("mnist", [], []),
    ],
)
def test_a_name_is_near_in_spite_of_case_and_separators_and_as_a_part(
    name: str, known: list[str], near: list[str]
) -> None:
    assert near_names(name, known) == near


def test_a_mapping_of_names_to_specs_counts_as_its_names() -> None:
    assert near_names("regresion", {"regression": object(), "segmentation": object()}) == ["regression"]  # type: ignore[dict-item]


def test_a_key_is_found_by_the_words_about_it_if_they_say_little_else() -> None:
    known = {"lr": "learning rate", "schedule": "learning rate over the training: constant, cosine", "epochs": "passes"}
    assert near_names("learning_rate", known) == ["lr"]


@given(st.text(max_size=20), st.lists(st.text(max_size=20), max_size=8))
def test_near_names_are_at_most_three_known_ones_and_a_known_name_is_the_nearest(name: str, known: list[str]) -> None:
    near = near_names(name, known)
    assert len(near) <= 3
    assert set(near) <= set(known)
    if name in known:
        assert near[0].casefold().translate(SEPARATORS) == name.casefold().translate(SEPARATORS)
