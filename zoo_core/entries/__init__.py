"""Entries: the texts by which specs name code, and the objects that they stand for.

`package.module:name` is code of an installed package, `/folder/net.py:Net` of a file, `/cache/<hash>.pickle:Net` of a
notebook. Torch-free until an entry is resolved.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from zoo_core.entries import file, notebook
from zoo_core.entries.unpackaged import PICKLE, SOURCE
from zoo_core.errors import EntryError
from zoo_core.specs import ModelSpec, TaskSpec


def names_file(name: str) -> bool:
    """Whether a model's name is the path of a file, with what builds the model in it behind a colon."""
    return name.rpartition(":")[0].endswith((SOURCE, PICKLE)) or name.endswith(SOURCE)


def model_of_path(name: str, task: TaskSpec | None = None) -> ModelSpec:
    """The model of `path.py:attribute` or `path.pickle:attribute`, for `task` if there is one. Raises UsageError."""
    text, _, attribute = name.rpartition(":")
    if text.endswith(PICKLE):
        return notebook.model_of_pickle(Path(text).expanduser().absolute(), attribute, task)
    return file.model_of_file(name, task)


def resolve_entry(entry: str) -> Any:
    """Import what `package.module:name`, or `/path/file.py:name`, names. Raises EntryError with what is missing."""
    module_name, _, attribute = entry.rpartition(":")
    if not module_name or not attribute:
        raise EntryError(f"entry {entry!r} is not of the form package.module:name")
    if Path(module_name).is_absolute():
        return notebook.load(entry) if module_name.endswith(PICKLE) else file.load(entry)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module is there; something that it imports is not
        raise EntryError(f"entry {entry!r}: there is no module {error.name}") from None
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise EntryError(f"entry {entry!r}: module {module_name} has no {attribute!r}") from None


def source_file(entry: str) -> Path | None:
    """The file of an entry's module, found without importing anything; None where it has none."""
    if Path(entry).is_absolute():
        return Path(entry.rpartition(":")[0])
    top, *rest = entry.partition(":")[0].split(".")
    found = importlib.util.find_spec(top) if top else None
    if found is None:
        return None
    if not rest:
        return Path(found.origin) if found.has_location and found.origin else None
    for folder in found.submodule_search_locations or ():
        for path in (Path(folder, *rest).with_suffix(".py"), Path(folder, *rest, "__init__.py")):
            if path.is_file():
                return path
    return None
