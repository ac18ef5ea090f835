"""What decides the result of a trial besides its recipe: the code, and the fields of the specs that the run reads."""

from __future__ import annotations

import hashlib
import json
import os.path
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from zoo_core.entries import source_file
from zoo_core.entries.codehash import Code, code_of
from zoo_core.entries.loaded import file_sha256
from zoo_core.entries.unpackaged import PLUGIN, attribute_of
from zoo_core.files import user_home
from zoo_core.specs import DatasetSpec, ModelSpec, TaskSpec

HOME = "~/"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialCode:
    """The code of a trial, as it was when the trial was planned."""

    model: Code
    dataset: Code
    task: Code

    @property
    def files(self) -> dict[str, str]:
        """Return the hash of each file by path."""
        return {**self.task.files, **self.dataset.files, **self.model.files}


def read_code(task: TaskSpec, dataset: DatasetSpec, model: ModelSpec) -> TrialCode:
    """Read the code of a trial from the disk."""
    return TrialCode(model=code_of(model.entry), dataset=code_of(dataset.entry), task=code_of(task.entry))


def specs_sha256(task: TaskSpec, dataset: DatasetSpec, model: ModelSpec) -> str:
    """Hash the fields of the specs that decide a result and are no part of the recipe: not titles and the like."""
    parts = {
        "task": [task.entry, task.kind, task.version, task.metric, task.higher_is_better, task.target],
        "dataset": [dataset.entry, dataset.version, dataset.signature],
        "model": [_entry(model), model.version, model.mean, model.std, model.accepts],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=_plain).encode()).hexdigest()


def recipes_sha256(task: TaskSpec, model: ModelSpec) -> str:
    """Hash the fields of the specs from which recipes are resolved, and by which scores are judged. It is in no key."""
    parts = [task.recipe, task.quick, task.chance, model.options, model.recipe, model.quick, model.pretrained_on]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=_plain).encode()).hexdigest()


def _entry(model: ModelSpec) -> str:
    """Return the entry without the folder of an unpackaged model, which may move."""
    return attribute_of(model) if model.plugin == PLUGIN else model.entry


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {item.name: getattr(value, item.name) for item in fields(value)}
    return dict(value) if isinstance(value, Mapping) else repr(value)


def other_imports(model: ModelSpec, code: TrialCode, loaded: Mapping[str, str]) -> dict[str, str]:
    """Return the hash of each loaded file that is no part of the planned code, by its path from the model's folder."""
    folder = _folder(model)
    return {_relative(Path(path), folder): sha256 for path, sha256 in loaded.items() if path not in code.files}


def imports_are_unchanged(model: ModelSpec, imports: Mapping[str, str]) -> bool:
    """Return whether each file of `other_imports` still has its hash."""
    folder = _folder(model)
    return all(file_sha256(_resolve(name, folder)) == sha256 for name, sha256 in imports.items())


def find_changed_file(code: TrialCode, loaded: Mapping[str, str], *, failed: bool) -> str:
    """Return the path of a planned file that the trial did not run as planned; "" if there is none.

    That is a file which was loaded with another content, or which was missing when it was needed. After a failure, it
    is also one which was not loaded and has changed since: it may be the cause.
    """
    for path, planned in code.files.items():
        if path in loaded:
            changed = loaded[path] != planned
        else:
            now = file_sha256(Path(path))
            changed = not now or (failed and now != planned)
        if changed:
            return path
    return ""


def _folder(model: ModelSpec) -> Path:
    """Return the folder of the model's file, or the current one for a model without a source file."""
    path = source_file(model.entry)
    return path.parent if path is not None and path.suffix == ".py" else Path.cwd()


def _relative(path: Path, folder: Path) -> str:
    """Return the path from `folder`, or from the user's home: records are published, and hold no name of a user."""
    home = user_home()
    if home and path.is_relative_to(home) and not folder.absolute().is_relative_to(home):
        return f"{HOME}{path.relative_to(home).as_posix()}"
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive of Windows
        return path.as_posix()


def _resolve(name: str, folder: Path) -> Path:
    """Return the path that `_relative` made."""
    home = user_home()
    return home / name.removeprefix(HOME) if home and name.startswith(HOME) else folder / name
