"""Names that a module offers without defining them: those that it imports on use, and its old public names."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence

from zoo_core.entries import resolve_entry


def find_renamed(module: str, name: str, entries: Mapping[str, str]) -> object:
    """Return the object that an old name of `module` stands for, with a DeprecationWarning that gives the new name.

    `entries`: old name -> entry `package.module:name` of the new one. For a module's `__getattr__`: raises
    AttributeError for a name that is not in `entries`.
    """
    if name not in entries:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    new_module, _, new_name = entries[name].partition(":")
    warnings.warn(f"{module}.{name} is now {new_module}.{new_name}", DeprecationWarning, stacklevel=3)
    return resolve_entry(entries[name])


def import_on_use(
    package: str, module: str, names: Sequence[str], renamed: Mapping[str, str]
) -> Callable[[str], object]:
    """Return a `__getattr__` for `package`, which imports `names` from its submodule `module` when they are used.

    So `zoo list` can import a kind's package without torch. `renamed`: old name -> new name in the submodule.
    """
    source = f"{package}.{module}"
    old_names = {old: f"{source}:{new}" for old, new in renamed.items()}

    def __getattr__(name: str) -> object:  # noqa: N807 - it becomes the package's
        return resolve_entry(f"{source}:{name}") if name in names else find_renamed(package, name, old_names)

    return __getattr__
