"""Finds the installed plugins and asks each what it adds; one that fails is named with its reason, the others go on.

`ZOO_LOAD_PLUGINS=zoo-mnist,zoo-mine` loads only those; the others are installed but disabled. Empty, it loads none.
"""

from __future__ import annotations

import ast
import dataclasses
import os
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeAlias

import pluggy

from zoo_core import hookspecs
from zoo_core.entries import source_file
from zoo_core.entries.unpackaged import PLUGIN as UNPACKAGED
from zoo_core.errors import DuplicateNameError, InvalidSpecError, PluginError, UnknownNameError
from zoo_core.specs import NAME, CommandSpec, DatasetSpec, ModelFamily, ModelSpec, TaskSpec, check_spec

ONLY = "ZOO_LOAD_PLUGINS"

Spec: TypeAlias = TaskSpec | DatasetSpec | ModelSpec | ModelFamily | CommandSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Plugin:
    """A plugin that works, with all it adds. `deprecated`: what its author should change, a line each."""

    name: str
    version: str
    summary: str = ""
    tasks: tuple[TaskSpec, ...] = ()
    datasets: tuple[DatasetSpec, ...] = ()
    models: tuple[ModelSpec, ...] = ()
    families: tuple[ModelFamily, ...] = ()
    commands: tuple[CommandSpec, ...] = ()
    deprecated: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedPlugin:
    """A plugin that is installed but cannot be used, and why."""

    name: str
    version: str
    reason: str
    traceback: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DisabledPlugin:
    """A plugin that is installed and was not asked for."""

    name: str
    version: str


def installed() -> tuple[list[EntryPoint], list[DisabledPlugin]]:
    """The entry points to load, and the plugins that `ZOO_LOAD_PLUGINS` leaves out. Raises UnknownNameError."""
    points = list(entry_points(group=hookspecs.PROJECT))
    named = os.environ.get(ONLY)
    if named is None:
        return points, []
    wanted = {name.strip() for name in named.split(",") if name.strip()}
    known = {point.name for point in points}
    for name in sorted(wanted - known):
        raise UnknownNameError("plugin", name, known, hint=f"the environment variable {ONLY} names it")
    left_out = {point.name: _version(point) for point in points if point.name not in wanted}
    disabled = [DisabledPlugin(name=name, version=version) for name, version in sorted(left_out.items())]
    return [point for point in points if point.name in wanted], disabled


def discover(found: Iterable[EntryPoint] | None = None) -> tuple[list[Plugin], list[FailedPlugin]]:
    """Load every plugin of the entry-point group `zoo` that is not disabled, or of `found`."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    points = installed()[0] if found is None else found
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
                    reason="; ".join(f"{type(error).__name__}: {error}".splitlines()),
                    traceback=traceback.format_exc(),
                )
            )
    return list(plugins.values()), failed


def _version(point: EntryPoint) -> str:
    return point.dist.version if point.dist is not None else "unknown"


def _load(manager: pluggy.PluginManager, point: EntryPoint) -> Plugin:
    if not NAME.fullmatch(point.name):
        raise InvalidSpecError(f"plugin name {point.name!r}: use up to 64 of a-z 0-9 . _ -")
    if point.name == UNPACKAGED:
        raise InvalidSpecError(f"the name {UNPACKAGED!r} is what records call models without a plugin: rename it")
    try:
        module = point.load()
    except (ImportError, AttributeError):  # perhaps of what only a newer zoo-core has
        check_api(_api_in_source(point))
        raise
    deprecated = check_api(getattr(module, "zoo_api", None))
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
            deprecated=deprecated,
        )
    except BaseException:
        manager.unregister(name=point.name)
        raise


def check_api(stated: object) -> tuple[str, ...]:
    """What a plugin that states this hook API has to change. Raises PluginError where this zoo-core is too old for it.

    One that states none is taken as written for this one.
    """
    here = hookspecs.API
    if stated is None:
        return ()
    if type(stated) is not int or stated < 1:
        raise InvalidSpecError(f"zoo_api is {stated!r}: give the hook API's number, such as {here}")
    if stated > here:
        raise PluginError(f"it needs hook API {stated}, this zoo-core has {here}: pip install -U zoo-core")
    return tuple(f"hook API {version}: {hookspecs.CHANGES[version]}" for version in range(stated + 1, here + 1))


def _api_in_source(point: EntryPoint) -> object:
    """The `zoo_api` of a module that cannot be imported, as its source says; None where it says none."""
    path = source_file(f"{point.module}:")
    for node in ast.parse(path.read_bytes()).body if path is not None and path.is_file() else ():
        names = [target.id for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)]
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and "zoo_api" in names:
            return node.value.value
    return None


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
