"""Old public names of this folder, for plugins that were written before they changed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from zoo_core.entries import resolve_entry


def find_renamed(module: str, name: str, entries: Mapping[str, str]) -> object:
    """Return the object that an old name of `module` stands for, with a DeprecationWarning that gives the new name.

    `entries`: old name -> entry `package.module:name` of the new one. For a module's `__getattr__`: raises
    AttributeError for a name that never was.
    """
    if name not in entries:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    new_module, _, new_name = entries[name].partition(":")
    warnings.warn(f"{module}.{name} is now {new_module}.{new_name}", DeprecationWarning, stacklevel=3)
    return resolve_entry(entries[name])
