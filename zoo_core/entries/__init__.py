"""Entries: strings by which specs name code. Resolving one imports the code; everything else here is torch-free.

`package.module:name` is in an installed package, `/folder/net.py:Net` in a file, `/cache/<hash>.pickle:Net` from a
notebook.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from zoo_core.entries.unpackaged import PICKLE, SOURCE
from zoo_core.errors import EntryError
from zoo_core.specs import ModelSpec, TaskSpec


def names_file(name: str) -> bool:
    """Return whether a model's name is a file, such as `net.py`, `net.py:Net` or `<hash>.pickle:Net`."""
    return name.rpartition(":")[0].endswith((SOURCE, PICKLE)) or name.endswith(SOURCE)


def model_of_path(name: str, task: TaskSpec | None = None) -> ModelSpec:
    """Make the spec of `path.py:attribute` or `path.pickle:attribute`, for `task` if given. Raises UsageError."""
    from zoo_core.entries import file, notebook  # `zoo list` needs neither

    text, _, attribute = name.rpartition(":")
    if text.endswith(PICKLE):
        return notebook.model_of_pickle(Path(text).expanduser().absolute(), attribute, task)
    return file.model_of_file(name, task)


def resolve_entry(entry: str) -> Any:
    """Import and return the object that an entry names. Raises EntryError, which says what is missing."""
    module_name, _, attribute = entry.rpartition(":")
    if not module_name or not attribute:
        raise EntryError(f"entry {entry!r} is not of the form package.module:name")
    if Path(module_name).is_absolute():
        from zoo_core.entries import file, notebook

        return notebook.load(entry) if module_name.endswith(PICKLE) else file.load(entry)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module exists, but one of its own imports is missing
        raise EntryError(f"entry {entry!r}: there is no module {error.name}") from None
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise EntryError(f"entry {entry!r}: module {module_name} has no {attribute!r}") from None


def source_file(entry: str) -> Path | None:
    """Find the file of an entry's module without importing it; None if there is no file."""
    if Path(entry).is_absolute():
        return Path(entry.rpartition(":")[0])
    top, *rest = entry.partition(":")[0].split(".")
    found = importlib.util.find_spec(top) if top else None
    if found is None:
        return None
    if not rest:
        return Path(found.origin) if found.has_location and found.origin else None
    for folder in found.submodule_search_locations or ():
        for path in (Path(folder, *rest, "__init__.py"), Path(folder, *rest).with_suffix(".py")):  # as Python looks
            if path.is_file():
                return path
    return None
