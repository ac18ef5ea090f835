"""Validates the specs of plugins."""

from __future__ import annotations

import re
from typing import TypeAlias

from zoo_core.data.packaged import find_fault, is_packaged
from zoo_core.errors import InvalidSpecError
from zoo_core.registry.types import find_mismatch
from zoo_core.specs import (
    PUBLISHED,
    CommandSpec,
    DatasetSpec,
    Download,
    ExecutorSpec,
    LoggerSpec,
    ModelFamily,
    ModelSpec,
    TaskSpec,
)

AnySpec: TypeAlias = TaskSpec | DatasetSpec | ModelSpec | ModelFamily | CommandSpec | LoggerSpec | ExecutorSpec

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
PACKAGE_PATTERN = re.compile(r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?", re.ASCII)
ENTRY_PATTERN = re.compile(r"[^:]+:[^:]+")
SHA256_PATTERN, MD5_PATTERN = re.compile(r"[0-9a-f]{8,64}"), re.compile(r"[0-9a-f]{32}")


def validate_spec(spec: AnySpec) -> None:
    """Validate a spec. Raises InvalidSpecError, which names the plugin, the spec, the field and its value."""
    try:
        _validate(spec)
    except InvalidSpecError as error:
        if spec.plugin:
            raise InvalidSpecError(f"plugin {spec.plugin}: {error}") from None
        raise


def _validate(spec: AnySpec) -> None:
    name = spec.prefix if isinstance(spec, ModelFamily) else spec.name
    spec_type = type(spec).__name__
    _refuse_text_as_tuple(spec)
    mismatch = find_mismatch(spec)
    if mismatch is not None:
        raise InvalidSpecError(f"{spec_type} {name}: {mismatch}")
    name = name.rstrip("/") if isinstance(spec, ModelFamily) else name
    if not NAME_PATTERN.fullmatch(name):
        raise InvalidSpecError(
            f"{spec_type} name {name!r}: use up to 64 of a-z 0-9 . _ - and begin with a letter or digit"
        )
    if isinstance(spec, TaskSpec):
        _validate_task(spec)
    elif isinstance(spec, DatasetSpec):
        _validate_dataset(spec)
    elif isinstance(spec, ModelSpec):
        _validate_model(spec)
    elif isinstance(spec, LoggerSpec | ExecutorSpec):
        _validate_needs(spec)
    has_no_code = isinstance(spec, TaskSpec) and not spec.entry  # the kind brings the implementation
    if not has_no_code and not ENTRY_PATTERN.fullmatch(spec.entry):
        raise InvalidSpecError(f"{spec_type} {name}: entry {spec.entry!r} is not of the form package.module:name")


def _validate_needs(spec: LoggerSpec | ExecutorSpec) -> None:
    what = "logger" if isinstance(spec, LoggerSpec) else "executor"
    for need in spec.needs:
        if not PACKAGE_PATTERN.fullmatch(need):
            raise InvalidSpecError(f"{what} {spec.name}: needs {need!r} is not the bare name of a package")


def _refuse_text_as_tuple(spec: AnySpec) -> None:
    """Raise InvalidSpecError for `("mnist")`, which is a text in Python, with the way to write a tuple of one."""
    for field in ("datasets", "tasks", "needs"):
        value: object = getattr(spec, field, None)
        if isinstance(value, str) and isinstance(spec, TaskSpec | ModelSpec | LoggerSpec | ExecutorSpec):
            raise InvalidSpecError(
                f"{type(spec).__name__} {spec.name}: `{field}` is a text, not a tuple: write ({value!r},)"
            )


def _validate_task(task: TaskSpec) -> None:
    if task.export and not ENTRY_PATTERN.fullmatch(task.export):
        raise InvalidSpecError(f"task {task.name}: export {task.export!r} is not of the form package.module:name")
    if not task.datasets:
        raise InvalidSpecError(f"task {task.name}: `datasets` is empty; name at least one")
    if "/" in task.kind and not task.entry:
        raise InvalidSpecError(
            f"task {task.name}: {task.kind!r} is no shared kind, so `entry` must name the task's class"
        )


def _validate_dataset(dataset: DatasetSpec) -> None:
    for download in dataset.downloads:
        _validate_download(f"dataset {dataset.name}", download)
        if not (download.sha256 or download.md5):
            raise InvalidSpecError(
                f"dataset {dataset.name}: download {download.name} has no checksum: give sha256 or md5"
            )


def _validate_model(model: ModelSpec) -> None:
    if len(model.mean) != len(model.std):
        raise InvalidSpecError(f"model {model.name}: `mean` has {len(model.mean)} channels, `std` {len(model.std)}")
    if model.year is not None and model.year not in PUBLISHED:
        raise InvalidSpecError(
            f"model {model.name}: `year` is {model.year}, not between {PUBLISHED[0]} and {PUBLISHED[-1]}"
        )
    weights = model.weights
    if weights is None:
        return
    _validate_download(f"model {model.name}", weights)
    if weights.sha256 or weights.md5:
        return
    from zoo_core.hub import is_fixed, is_on_hub  # takes 5 ms, which most plugins do not need

    for url in weights.urls:
        if not (is_fixed(url) or is_on_hub(url)):
            raise InvalidSpecError(
                f"model {model.name}: weights {weights.name} have no checksum, and the content of {url} may change: "
                "give sha256, or an address with a commit of 40 digits instead of a branch or tag"
            )


def _validate_download(owner: str, download: Download) -> None:
    if not download.urls:
        raise InvalidSpecError(f"{owner}: download {download.name} has no `urls`")
    for url in filter(is_packaged, download.urls):
        if fault := find_fault(url):
            raise InvalidSpecError(f"{owner}: download {download.name}: {url}: {fault}")
    for field, pattern, digits in (("sha256", SHA256_PATTERN, "8 to 64"), ("md5", MD5_PATTERN, "32")):
        stated = getattr(download, field)
        if stated and not pattern.fullmatch(stated):
            raise InvalidSpecError(
                f"{owner}: download {download.name}: {field} is {stated!r}; give {digits} hexadecimal digits in "
                "lower case"
            )
