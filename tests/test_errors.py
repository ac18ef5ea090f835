"""The error tree matches the drawing in the module's docstring, and errors for unknown names suggest others."""

from __future__ import annotations

import errno
import inspect
import os
import re
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo_core import errors
from zoo_core.errors import (
    AmbiguousNameError,
    DamagedDataError,
    MachineError,
    UnknownNameError,
    UsageError,
    ZooError,
    machine_error_of,
    near_names,
)

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


# faults of the machine

MACHINE_FAULTS = ("ENOSPC", "EDQUOT", "EROFS", "EIO", "EFBIG", "EMFILE", "ENFILE", "ENOMEM", "ESTALE")


@pytest.mark.parametrize("name", MACHINE_FAULTS)
def test_an_error_of_the_machine_names_the_fault_the_file_and_a_remedy(name: str):
    number = getattr(errno, name)
    message = str(machine_error_of(OSError(number, os.strerror(number), "/data/x.npy")))
    assert re.fullmatch(r"[^:]+ \(/data/x\.npy\): .+", message)


@pytest.mark.parametrize("name", ["ENOENT", "EACCES", "EEXIST", "EISDIR", "ENOTDIR", "ECONNREFUSED", "EINVAL"])
def test_an_error_that_the_caller_or_the_code_made_is_no_error_of_the_machine(name: str):
    assert machine_error_of(OSError(getattr(errno, name), "words", "x")) is None


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (OSError("8192 requested and 4096 written"), "could not be written in full"),
        (RuntimeError("unable to open shared memory object </torch_1>: Too many open files (24)"), "too many open"),
        (RuntimeError("[enforce fail] . PytorchStreamWriter failed writing file data/0"), "written in full"),
        (sqlite3.OperationalError("database or disk is full"), "no space is left"),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"), "temporary files"),
        (RuntimeError("can't start new thread"), "no more threads"),
    ],
)
def test_a_fault_of_the_machine_is_found_in_the_words_of_a_library(error: Exception, what: str):
    assert what in str(machine_error_of(error))


def test_words_of_other_errors_are_not_searched():
    assert machine_error_of(ValueError("No space left on device")) is None
    assert machine_error_of(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) is None


def test_the_fault_is_found_behind_the_errors_that_were_raised_because_of_it():
    full = OSError(errno.ENOSPC, "No space left on device", "a.npy")
    damaged = DamagedDataError("the data are damaged")
    damaged.__cause__ = full
    assert "a.npy" in str(machine_error_of(damaged))
    assert "a.npy" in str(machine_error_of(ExceptionGroup("two", [ValueError("1"), full])))


def test_an_error_whose_cause_was_dropped_on_purpose_stands_for_itself():
    def rename() -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError:
            raise ValueError("the name is wrong") from None

    with pytest.raises(ValueError, match="the name is wrong") as caught:
        rename()
    assert machine_error_of(caught.value) is None


def test_a_machine_error_stays_itself_and_a_chain_in_a_circle_ends():
    one, two = ValueError("1"), ValueError("2")
    one.__cause__, two.__cause__ = two, one
    assert machine_error_of(one) is None
    two.__cause__ = fault = MachineError("the disk is full")
    assert machine_error_of(one) is fault
