"""Checks of whole plugins."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points

from zoo_core.checks import CheckFailedError, NotApplicableError, Subject
from zoo_core.checks.subjects import adds_nothing
from zoo_core.checks.watch import Watch
from zoo_core.entries import resolve_entry
from zoo_core.executors import Executor
from zoo_core.hookspecs import ENTRY_POINT_GROUP
from zoo_core.loggers import Logger
from zoo_core.registry import Registry
from zoo_core.registry.plugins import Plugin, missing_needs
from zoo_core.registry.validate import validate_spec
from zoo_core.specs import ExecutorSpec, LoggerSpec, ModelSpec

HEAVY_LIBRARIES = (
    *("torch", "torchvision", "timm", "transformers", "tensorflow", "jax"),
    *("numpy", "pandas", "scipy", "sklearn"),
    *("tensorboard", "mlflow", "wandb", "ray"),
)
LOGGER_METHODS = tuple(name for name in vars(Logger) if not name.startswith("_"))
EXECUTOR_METHODS = tuple(name for name in vars(Executor) if not name.startswith("_"))
MAX_RESOLVED_MEMBERS = 3  # per family
MAX_DISCOVERY_S = 60.0

# Loads one plugin and prints the heavy libraries that this imported on the last line; the plugin may print before.
DISCOVERY_SCRIPT = """
import sys
from importlib.metadata import entry_points
from zoo_core.registry.plugins import discover
discover([point for point in entry_points(group={group!r}) if point.name == {name!r}])
print("\\n" + " ".join(name for name in {heavy!r} if name in sys.modules))
"""


@dataclass(slots=True)
class PluginSubject:
    """A plugin under test, prepared for its checks."""

    subject: Subject
    registry: Registry
    watch: Watch | None = None

    @property
    def plugin(self) -> Plugin:
        return self.registry.plugin(self.subject.name)

    @property
    def entry_point(self) -> EntryPoint:
        return next(point for point in entry_points(group=ENTRY_POINT_GROUP) if point.name == self.subject.name)


def loads(subject: PluginSubject) -> None:
    for failed in subject.registry.failed:
        if failed.name == subject.subject.name:
            raise CheckFailedError(failed.reason)
    if adds_nothing(subject.plugin):
        raise CheckFailedError("it adds nothing: all its hooks return nothing")


def torch_free(subject: PluginSubject) -> None:
    script = DISCOVERY_SCRIPT.format(group=ENTRY_POINT_GROUP, name=subject.subject.name, heavy=HEAVY_LIBRARIES)
    command = [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{script}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=MAX_DISCOVERY_S, check=False)
    except subprocess.TimeoutExpired:
        raise CheckFailedError(f"loading it took more than {MAX_DISCOVERY_S:g} s") from None
    if done.returncode:
        raise CheckFailedError(
            f"loading it in a new process ended with exit code {done.returncode}: {done.stderr[-200:]}"
        )
    imported_libraries = done.stdout.rstrip("\n").rpartition("\n")[2].split()
    if imported_libraries:
        raise CheckFailedError(f"loading it imports {', '.join(imported_libraries)}")


def metadata(subject: PluginSubject) -> None:
    dist = subject.entry_point.dist
    if dist is None:
        raise NotApplicableError("it does not come from an installed package")
    about = dist.metadata
    licences = [line for line in about.get_all("Classifier") or () if line.startswith("License")]
    stated = {
        "version": about["Version"],
        "description": about["Summary"],
        "license": about["License-Expression"] or about["License"] or licences,
    }
    missing = [name for name, value in stated.items() if not value]
    if missing:
        raise CheckFailedError(f"its package states no {' and no '.join(missing)}")


def commands(subject: PluginSubject) -> None:
    if not subject.plugin.commands:
        raise NotApplicableError("it adds no command")
    for command in subject.plugin.commands:
        target = resolve_entry(command.entry)
        if not callable(target):
            raise CheckFailedError(f"command {command.name}: {command.entry} is a {type(target).__name__}")


def loggers(subject: PluginSubject) -> None:
    _require_methods("logger", subject.plugin.loggers, LOGGER_METHODS)


def executors(subject: PluginSubject) -> None:
    _require_methods("executor", subject.plugin.executors, EXECUTOR_METHODS)


def _require_methods(what: str, specs: Sequence[LoggerSpec | ExecutorSpec], methods: Sequence[str]) -> None:
    """Raise CheckFailedError if an entry cannot be imported, or is a class without one of the methods."""
    if not specs:
        raise NotApplicableError(f"it adds no {what}")
    for spec in specs:
        if missing := missing_needs(spec):
            raise CheckFailedError(f"{what} {spec.name} needs packages that are not installed: {', '.join(missing)}")
        target = resolve_entry(spec.entry)
        if not callable(target):
            raise CheckFailedError(f"{what} {spec.name}: {spec.entry} is a {type(target).__name__}")
        absent = [name for name in methods if isinstance(target, type) and not hasattr(target, name)]
        if absent:
            raise CheckFailedError(f"{what} {spec.name}: {spec.entry} has no method {' and no '.join(absent)}")


def families(subject: PluginSubject) -> None:
    if not subject.plugin.families:
        raise NotApplicableError("it adds no model family")
    for family in subject.plugin.families:
        members = resolve_entry(family.entry)
        names = list(members.list(f"{family.prefix}*"))
        if not names:
            raise CheckFailedError(f"family {family.prefix} lists no member")
        for name in names[:MAX_RESOLVED_MEMBERS]:
            spec = members.resolve(name)
            if not isinstance(spec, ModelSpec) or spec.name != name:
                raise CheckFailedError(f"family {family.prefix}: resolve({name!r}) returned {spec!r}")
            validate_spec(replace(spec, name=spec.name.replace("/", "-")))
