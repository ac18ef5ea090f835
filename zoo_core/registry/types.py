"""Checks the fields of a spec against their type annotations, also inside tuples, mappings and nested specs."""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from zoo_core.quote import brief
from zoo_core.specs import Param

MAX_VALUE_CHARS = 80  # of a wrong value in a message
WORDS = {
    str: "a text",
    bool: "True or False",
    int: "a whole number",
    float: "a finite number",
    type(None): "None",
    Any: "a JSON value: text, a finite number, True, False, None, a list, or a mapping with text as keys",
}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A value that is not of its declared type. path: such as `signature.input_shape[0]`. expected: in words."""

    path: str
    value: object
    expected: str

    def __str__(self) -> str:
        return f"`{self.path}` is {brief(repr(self.value), MAX_VALUE_CHARS)}, not {self.expected}"


def find_mismatch(spec: object) -> Mismatch | None:
    """Return the first field of a spec whose value is not of the field's type, or None."""
    return next(_mismatches_of_fields(spec, ""), None)


@functools.cache
def fields_of(spec_type: type) -> tuple[tuple[str, Any, object, object], ...]:
    """Return name and type annotation of each field; also the type itself if it has no parts, or the empty value."""
    empty: dict[object, object] = {tuple: (), Mapping: {}}
    return tuple(
        (name, hint, hint if hint in (str, int, bool) else None, empty.get(get_origin(hint)))
        for name, hint in get_type_hints(spec_type).items()
    )


def _mismatches_of_fields(spec: Any, before: str) -> Iterator[Mismatch]:
    spec_type: type = type(spec)
    for name, hint, plain, empty in fields_of(spec_type):  # `zoo list` checks a thousand: most end at the next line
        value = getattr(spec, name)
        if type(value) is not plain and (empty is None or type(value) is not type(empty) or value):
            yield from _mismatches(value, hint, f"{before}{name}")


def _mismatches(value: Any, hint: Any, path: str) -> Iterator[Mismatch]:
    """Yield the parts of `value` that do not fit the type annotation `hint`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any and isinstance(value, Param):
        yield from _mismatches_of_fields(value, f"{path}.")
    elif origin in (Union, types.UnionType):
        if is_dataclass(value) and type(value) in arguments:
            yield from _mismatches_of_fields(value, f"{path}.")
        elif all(any(_mismatches(value, option, path)) for option in arguments):
            yield Mismatch(path, value, in_words(hint))
    elif origin is tuple and isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _mismatches(item, arguments[0], f"{path}[{index}]")
    elif origin is Mapping and isinstance(value, Mapping):
        for key, item in value.items():
            yield from _mismatches(key, arguments[0], f"the key {key!r} of {path}")
            yield from _mismatches(item, arguments[1], f"{path}[{key!r}]")
    elif is_dataclass(hint) and isinstance(value, hint):  # type: ignore[arg-type]
        yield from _mismatches_of_fields(value, f"{path}.")
    elif not _is_plain(value, hint, arguments):
        yield Mismatch(path, value, in_words(hint))


def _is_plain(value: Any, hint: Any, arguments: tuple[Any, ...]) -> bool:
    """Return whether a value is of a type without parts, or one of the values of a Literal."""
    if hint is Any:
        return _is_json(value)
    if get_origin(hint) is Literal:
        return any(value == item and type(value) is type(item) for item in arguments)
    if hint is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is hint  # True is an int to Python, and JSON cannot hold numpy's float64, a subclass of float


def _is_json(value: Any) -> bool:
    if value is None or type(value) in (str, bool):
        return True
    if type(value) in (int, float):
        return math.isfinite(value)
    if isinstance(value, list | tuple):
        return all(map(_is_json, value))
    return isinstance(value, Mapping) and all(isinstance(key, str) and _is_json(value[key]) for key in value)


def in_words(hint: Any) -> str:
    """Describe a type annotation, such as "a tuple of: a text"."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(map(in_words, arguments))
    if origin is Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if origin is tuple:
        return f"a tuple, with each item {in_words(arguments[0])}"
    if origin is Mapping:
        return "a mapping with text as keys"
    return WORDS.get(hint) or f"a {hint.__name__}"
