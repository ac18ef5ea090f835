"""The docstrings that plugin authors read: everything public has one, and every example in them runs."""

from __future__ import annotations

import doctest
import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import zoo_core

MODULES = (
    "zoo_core.columns",
    "zoo_core.data.batches",
    "zoo_core.data.images",
    "zoo_core.data.names",
    "zoo_core.errors",
    "zoo_core.loggers",
    "zoo_core.metrics",
    "zoo_core.pictures",
    "zoo_core.protocols",
    "zoo_core.recipe",
    "zoo_core.specs",
    "zoo_core.train",
    "zoo_core.transfer",
    "zoo_core.weights",
)

modules = pytest.mark.parametrize("name", MODULES)


def public_objects(name: str) -> Iterator[tuple[str, Any]]:
    """Yield the public functions and classes of a module, and the public methods of these classes, with their names."""
    module = importlib.import_module(name)
    for key, item in vars(module).items():
        if key.startswith("_") or getattr(item, "__module__", "") != name:
            continue
        if inspect.isfunction(item):
            yield key, item
        elif inspect.isclass(item):
            yield key, item
            for method, member in vars(item).items():
                if inspect.isfunction(member) and not method.startswith("_"):
                    yield f"{key}.{method}", member


def has_own_docstring(item: Any) -> bool:
    """Return whether a docstring was written for the object: dataclasses get one of their fields otherwise."""
    return bool(item.__doc__) and not item.__doc__.startswith(f"{item.__name__}(")


@modules
def test_every_public_function_class_and_method_has_a_docstring(name: str) -> None:
    assert [key for key, item in public_objects(name) if not has_own_docstring(item)] == []


@modules
def test_the_examples_in_the_docstrings_of_a_module_run(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0, capsys.readouterr().out
    assert result.attempted > 0


@modules
def test_no_example_is_skipped(name: str) -> None:
    tests = doctest.DocTestFinder().find(importlib.import_module(name))
    skipped = [test.name for test in tests for example in test.examples if doctest.SKIP in example.options]
    assert skipped == []


def test_the_modules_of_all_public_classes_are_listed_here() -> None:
    classes = [getattr(zoo_core, name) for name in zoo_core.__all__ if inspect.isclass(getattr(zoo_core, name))]
    assert {item.__module__ for item in classes} <= set(MODULES)
