"""Finds the installed plugins and asks each what it adds; one that fails is named with its reason, the others go on."""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeAlias

import pluggy

from zoo_core import hookspecs
from zoo_core.errors import DuplicateNameError, InvalidSpecError, PluginError
from zoo_core.specs import NAME, CommandSpec, DatasetSpec, ModelFamily, ModelSpec, TaskSpec, check_spec

Spec: TypeAlias = TaskSpec | DatasetSpec | ModelSpec | ModelFamily | CommandSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Plugin:
    """A plugin that works, with all it adds."""

    name: str
    version: str
    summary: str = ""
    tasks: tuple[TaskSpec, ...] = ()
    datasets: tuple[DatasetSpec, ...] = ()
    models: tuple[ModelSpec, ...] = ()
    families: tuple[ModelFamily, ...] = ()
    commands: tuple[CommandSpec, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedPlugin:
    """A plugin that is installed but cannot be used, and why."""

    name: str
    version: str
    reason: str
    traceback: str


def discover(found: Iterable[EntryPoint] | None = None) -> tuple[list[Plugin], list[FailedPlugin]]:
    """Load every plugin of the entry-point group `zoo`, or of `found`."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    points = entry_points(group=hookspecs.PROJECT) if found is None else found
    plugins: dict[str, Plugin] = {}
    failed: list[FailedPlugin] = []
    for point in sorted(points, key=lambda point: point.name):
        try:
            if point.name in plugins:
                raise DuplicateNameError(
                    f"two installed plugins are named {point.name!r}; this one ({point.value}) is left out: "
                    "uninstall or rename one of them"
                )
            plugins[point.name] = _load(manager, point)
        # A plugin is foreign code: whatever it raises when imported or asked, SystemExit included, costs only itself.
        except (Exception, SystemExit) as error:
            failed.append(
                FailedPlugin(
                    name=point.name,
                    version=_version(point),
                    reason=f"{type(error).__name__}: {error}",
                    traceback=traceback.format_exc(),
                )
            )
    return list(plugins.values()), failed


def _version(point: EntryPoint) -> str:
    return point.dist.version if point.dist is not None else "unknown"


def _load(manager: pluggy.PluginManager, point: EntryPoint) -> Plugin:
    if not NAME.fullmatch(point.name):
        raise InvalidSpecError(f"plugin name {point.name!r}: use up to 64 of a-z 0-9 . _ -")
    module = point.load()
    manager.register(module, point.name)
    try:
        _refuse_unknown_hooks(manager, module)
        models = _ask(manager, point.name, "zoo_models", (ModelSpec, ModelFamily))
        return Plugin(
            name=point.name,
            version=_version(point),
            summary=(point.dist.metadata["Summary"] or "") if point.dist is not None else "",
            tasks=_ask(manager, point.name, "zoo_tasks", (TaskSpec,)),
            datasets=_ask(manager, point.name, "zoo_datasets", (DatasetSpec,)),
            models=tuple(spec for spec in models if isinstance(spec, ModelSpec)),
            families=tuple(spec for spec in models if isinstance(spec, ModelFamily)),
            commands=_ask(manager, point.name, "zoo_commands", (CommandSpec,)),
        )
    except BaseException:
        manager.unregister(name=point.name)
        raise


def _refuse_unknown_hooks(manager: pluggy.PluginManager, module: object) -> None:
    for caller in manager.get_hookcallers(module) or ():
        if not caller.has_spec():
            known = sorted(name for name in vars(hookspecs) if name.startswith("zoo_"))
            raise PluginError(f"it implements the unknown hook {caller.name!r}; the hooks are {', '.join(known)}")


def _ask(manager: pluggy.PluginManager, name: str, hook: str, types: tuple[type[Spec], ...]) -> tuple[Any, ...]:
    """What one plugin returns from one hook, checked and marked with the plugin's name."""
    others = [plugin for other, plugin in manager.list_name_plugin() if other != name and plugin is not None]
    specs = []
    seen: set[str] = set()
    for answer in manager.subset_hook_caller(hook, remove_plugins=others)():
        if not isinstance(answer, Iterable):
            raise InvalidSpecError(f"{hook} returned a {type(answer).__name__}, not a list: {answer!r}")
        for spec in answer:
            if not isinstance(spec, types):
                expected = " or ".join(kind.__name__ for kind in types)
                raise InvalidSpecError(f"{hook} returned a {type(spec).__name__}, not a {expected}: {spec!r}")
            check_spec(spec)
            key = spec.prefix if isinstance(spec, ModelFamily) else spec.name
            if key in seen:
                raise DuplicateNameError(f"{hook} returned two specs named {key!r}")
            seen.add(key)
            specs.append(dataclasses.replace(spec, plugin=name))
    return tuple(specs)
