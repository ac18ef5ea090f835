"""Validates the specs of plugins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import TypeAlias, get_args

from zoo_core.errors import InvalidSpecError
from zoo_core.specs import Below, CommandSpec, DatasetSpec, ModelFamily, ModelSpec, TaskSpec

AnySpec: TypeAlias = TaskSpec | DatasetSpec | ModelSpec | ModelFamily | CommandSpec

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
ENTRY_PATTERN = re.compile(r"[^:]+:[^:]+")
# Types of fields that are checked, by the text of the annotation: `zoo_core.specs` does not evaluate annotations.
PLAIN_TYPES: Mapping[object, type] = {"str": str, "int": int, "bool": bool}


def validate_spec(spec: AnySpec) -> None:
    """Validate a spec. Raises InvalidSpecError, which names the field and its value."""
    name = spec.prefix.rstrip("/") if isinstance(spec, ModelFamily) else spec.name
    spec_type = type(spec).__name__
    if not NAME_PATTERN.fullmatch(name):
        raise InvalidSpecError(
            f"{spec_type} name {name!r}: use up to 64 of a-z 0-9 . _ - and begin with a letter or digit"
        )
    for item in fields(spec):
        value, expected = getattr(spec, item.name), PLAIN_TYPES.get(item.type)
        if expected is not None and type(value) is not expected:
            raise InvalidSpecError(f"{spec_type} {name}: {item.name} is {value!r}, not of type {item.type}")
    if isinstance(spec, TaskSpec):
        _validate_task(spec)
    elif isinstance(spec, DatasetSpec):
        _validate_dataset(spec)
    elif isinstance(spec, ModelSpec) and len(spec.mean) != len(spec.std):
        raise InvalidSpecError(f"model {name}: `mean` has {len(spec.mean)} channels, `std` {len(spec.std)}")
    elif isinstance(spec, CommandSpec) and spec.below not in get_args(Below):
        raise InvalidSpecError(f"command {name}: `below` is {spec.below!r}; allowed: 'results'")
    has_no_code = isinstance(spec, TaskSpec) and not spec.entry  # the kind brings the implementation
    if not has_no_code and not ENTRY_PATTERN.fullmatch(spec.entry):
        raise InvalidSpecError(f"{spec_type} {name}: entry {spec.entry!r} is not of the form package.module:name")


def _validate_task(task: TaskSpec) -> None:
    datasets: object = task.datasets
    if isinstance(datasets, str):
        raise InvalidSpecError(f"task {task.name}: `datasets` is a string, not a tuple: write ({datasets!r},)")
    if not task.datasets:
        raise InvalidSpecError(f"task {task.name}: `datasets` is empty; name at least one")
    if "/" in task.kind and not task.entry:
        raise InvalidSpecError(
            f"task {task.name}: {task.kind!r} is no shared kind, so `entry` must name the task's class"
        )


def _validate_dataset(dataset: DatasetSpec) -> None:
    for download in dataset.downloads:
        if not (download.sha256 or download.md5):
            raise InvalidSpecError(
                f"dataset {dataset.name}: download {download.name} has no checksum: give sha256 or md5"
            )
