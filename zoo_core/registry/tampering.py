"""Finds functions that a plugin replaced: those of the zoo, and those that the clock and the checks of a trial call."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator, Sequence
from types import FunctionType, ModuleType
from typing import Any, TypeAlias

METHODS = (property, classmethod, staticmethod)

# A function or class as it was: the name of its owner, the owner (a module or class), its own name, its value, and for
# a Python function also its code, at the first of its names. A tuple, because there are three thousand of them in a
# trial.
Original: TypeAlias = tuple[str, Any, str, Any, Any]


def list_originals() -> list[Original]:
    """List the functions and methods of all loaded modules of the zoo, before other code is imported."""
    found: list[Original] = [(owner.__name__, owner, name, vars(owner)[name], None) for owner, name in _relied_on()]
    for module in _modules_in(sys.modules["zoo_core"]):
        found += _originals_in(module.__name__, module)
    return list(_with_each_code_once(found))


def _with_each_code_once(originals: Sequence[Original]) -> Iterator[Original]:
    """Yield the originals. A function that other modules import has its code only once.

    Each reading of a code is an audit event, for which Python calls the hooks of the watch.
    """
    seen: set[int] = set()
    for original in originals:
        label, owner, name, value, code = original
        if id(value) in seen:
            original = label, owner, name, value, None
        if code is not None:
            seen.add(id(value))  # of the function: several, such as context managers, have the same code at first
        yield original


def _modules_in(package: ModuleType) -> Iterator[ModuleType]:
    """Yield the loaded modules inside of a package, which are its attributes.

    Reading all of `sys.modules` would take 15 ms in a forked worker, which then gets its own copy of those pages.
    """
    for value in list(vars(package).values()):
        if type(value) is ModuleType and value.__name__.startswith(f"{package.__name__}."):
            yield value
            if hasattr(value, "__path__"):
                yield from _modules_in(value)


def _relied_on() -> list[tuple[Any, str]]:
    found = [(time, "perf_counter"), (time, "process_time"), (hashlib, "file_digest")]
    torch = sys.modules.get("torch")
    return found if torch is None else [*found, (torch, "isfinite"), (torch.accelerator, "synchronize")]


def _originals_in(label: str, owner: Any) -> Iterator[Original]:
    for name, value in list(vars(owner).items()):
        kind = type(value)
        if kind is FunctionType:
            yield label, owner, name, value, value.__code__
        elif kind in METHODS or (callable(value) and not name.startswith("__")):
            yield label, owner, name, value, None
            if isinstance(value, type) and value.__module__ == label:
                yield from _originals_in(f"{label}.{name}", value)


def find_replaced(originals: Sequence[Original]) -> list[Original]:
    """Return the functions that were replaced, or whose code was changed, since they were listed."""
    return [original for original in originals if _is_replaced(original)]


def _is_replaced(original: Original) -> bool:
    _, owner, name, value, code = original
    now: Any = vars(owner).get(name)
    return now is not value or (code is not None and now.__code__ is not code)


def name_of_function(function: object, originals: Sequence[Original]) -> str:
    """Return the full name of a function that was listed; "" if it was not."""
    return next((f"{label}.{name}" for label, _, name, value, _ in originals if value is function), "")


def restore(originals: Sequence[Original]) -> None:
    """Undo the replacements."""
    for _, owner, name, value, code in originals:
        if code is not None:
            value.__code__ = code
        setattr(owner, name, value)


def names_of(originals: Sequence[Original]) -> str:
    """Return the full names, joined by commas."""
    return ", ".join(f"{label}.{name}" for label, _, name, _, _ in originals)
