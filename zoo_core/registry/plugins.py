"""Finds the installed plugins and collects what they add. A plugin that fails is reported; the others still work.

`ZOO_LOAD_PLUGINS=zoo-mnist,zoo-mine` loads only these plugins and disables the others. An empty value disables all.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pluggy

from zoo_core import hookspecs
from zoo_core.entries import source_file
from zoo_core.entries.unpackaged import PLUGIN as UNPACKAGED
from zoo_core.errors import DuplicateNameError, InvalidSpecError, PluginError, UnknownNameError
from zoo_core.reasons import readable_traceback, reason_of
from zoo_core.registry.entry_points import entry_points
from zoo_core.registry.guard import guarded
from zoo_core.registry.tampering import Original, find_replaced, names_of, restore
from zoo_core.registry.validate import NAME_PATTERN, AnySpec, validate_spec
from zoo_core.specs import CommandSpec, DatasetSpec, ExecutorSpec, LoggerSpec, ModelFamily, ModelSpec, TaskSpec

LOAD_ONLY = "ZOO_LOAD_PLUGINS"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plugin:
    """A usable plugin with everything it adds. `deprecated`: changes that its author should make, one line each."""

    name: str
    version: str
    summary: str = ""
    tasks: tuple[TaskSpec, ...] = ()
    datasets: tuple[DatasetSpec, ...] = ()
    models: tuple[ModelSpec, ...] = ()
    families: tuple[ModelFamily, ...] = ()
    commands: tuple[CommandSpec, ...] = ()
    loggers: tuple[LoggerSpec, ...] = ()
    executors: tuple[ExecutorSpec, ...] = ()
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
    """A plugin that is installed but not loaded."""

    name: str
    version: str


def installed() -> tuple[list[EntryPoint], list[DisabledPlugin]]:
    """Return the entry points to load, and the plugins that `ZOO_LOAD_PLUGINS` disables. Raises UnknownNameError."""
    points = entry_points(group=hookspecs.ENTRY_POINT_GROUP)
    named = os.environ.get(LOAD_ONLY)
    if named is None:
        return points, []
    wanted = {name.strip() for name in named.split(",") if name.strip()}
    known = {point.name for point in points}
    for name in sorted(wanted - known):
        raise UnknownNameError("plugin", name, known, hint=f"the environment variable {LOAD_ONLY} names it")
    left_out = {point.name: _version(point) for point in points if point.name not in wanted}
    disabled = [DisabledPlugin(name=name, version=version) for name, version in sorted(left_out.items())]
    return [point for point in points if point.name in wanted], disabled


def discover(
    found: Iterable[EntryPoint] | None = None, originals: Sequence[Original] = ()
) -> tuple[list[Plugin], list[FailedPlugin]]:
    """Load the plugins of `found`, by default every plugin of the entry-point group `zoo` that is not disabled.

    originals: functions that no plugin may replace.
    """
    manager = pluggy.PluginManager(hookspecs.ENTRY_POINT_GROUP)
    manager.add_hookspecs(hookspecs)
    points = installed()[0] if found is None else found
    plugins: dict[str, Plugin] = {}
    failed: list[FailedPlugin] = []
    for point in sorted(points, key=lambda point: point.name):
        try:
            if point.name in plugins:
                raise DuplicateNameError(
                    f"two installed plugins are named {point.name!r}; this one ({point.value}) is not loaded: "
                    "uninstall or rename one of them"
                )
            with guarded():
                loaded = _load(manager, point)
            _refuse_replaced(originals)
            plugins[point.name] = loaded
        # Plugin code may raise anything, even SystemExit. That must disable only this plugin.
        except (Exception, SystemExit) as error:
            failed.append(
                FailedPlugin(
                    name=point.name,
                    version=_version(point),
                    reason=reason_of(error),
                    traceback=readable_traceback(error),
                )
            )
    return list(plugins.values()), failed


def missing_needs(spec: LoggerSpec | ExecutorSpec) -> list[str]:
    """List the packages that a logger or executor needs and that are not installed; this imports none of them."""
    missing = []
    for name in spec.needs:
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    return missing


def _refuse_replaced(originals: Sequence[Original]) -> None:
    """Raise PluginError if a plugin replaced functions of the zoo, after undoing that."""
    if replaced := find_replaced(originals):
        restore(replaced)
        raise PluginError(f"it replaced {names_of(replaced)}: a plugin may not change the zoo")


def _version(point: EntryPoint) -> str:
    return point.dist.version if point.dist is not None else "unknown"


def _load(manager: pluggy.PluginManager, point: EntryPoint) -> Plugin:
    if not NAME_PATTERN.fullmatch(point.name):
        raise InvalidSpecError(f"plugin name {point.name!r}: use up to 64 of a-z 0-9 . _ -")
    if point.name == UNPACKAGED:
        raise InvalidSpecError(f"the name {UNPACKAGED!r} is reserved for models without a plugin: rename the plugin")
    try:
        module = point.load()
    except (ImportError, AttributeError):  # perhaps it imports a name that only a newer zoo-core has
        check_api(_api_in_source(point))
        raise
    deprecated = check_api(getattr(module, "zoo_api", None))
    manager.register(module, point.name)
    try:
        _refuse_unknown_hooks(manager, module)
        models = _call_hook(manager, point.name, "zoo_models", (ModelSpec, ModelFamily))
        return Plugin(
            name=point.name,
            version=_version(point),
            summary=(point.dist.metadata["Summary"] or "") if point.dist is not None else "",
            tasks=_call_hook(manager, point.name, "zoo_tasks", (TaskSpec,)),
            datasets=_call_hook(manager, point.name, "zoo_datasets", (DatasetSpec,)),
            models=tuple(spec for spec in models if isinstance(spec, ModelSpec)),
            families=tuple(spec for spec in models if isinstance(spec, ModelFamily)),
            commands=_call_hook(manager, point.name, "zoo_commands", (CommandSpec,)),
            loggers=_call_hook(manager, point.name, "zoo_loggers", (LoggerSpec,)),
            executors=_call_hook(manager, point.name, "zoo_executors", (ExecutorSpec,)),
            deprecated=deprecated,
        )
    except BaseException:
        manager.unregister(name=point.name)
        raise


def check_api(stated: object) -> tuple[str, ...]:
    """List the changes that a plugin for the hook API `stated` needs; none if it states no version.

    Raises PluginError if this zoo-core is too old for the plugin, InvalidSpecError if `stated` is not a version.
    """
    own = hookspecs.HOOK_VERSION
    if stated is None:
        return ()
    if type(stated) is not int or stated < 1:
        raise InvalidSpecError(f"zoo_api is {stated!r}: give the number of the hook API, such as {own}")
    if stated > own:
        raise PluginError(f"it needs hook API {stated}, this zoo-core has {own}: pip install -U zoo-core")
    return tuple(f"hook API {version}: {hookspecs.HOOK_CHANGES[version]}" for version in range(stated + 1, own + 1))


def _api_in_source(point: EntryPoint) -> object:
    """Read `zoo_api` from the source of a module that cannot be imported; None if it has none."""
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


def _call_hook(
    manager: pluggy.PluginManager, name: str, hook: str, types: tuple[type[AnySpec], ...]
) -> tuple[Any, ...]:
    """Call one hook of one plugin; validate the specs and set their `plugin`.

    An error of the plugin's code or of its specs gets a note with the hook, and with the file and line where it begins.
    """
    try:
        return _specs_of_hook(manager, name, hook, types)
    except (Exception, SystemExit) as error:
        if f"in {hook}" not in reason_of(error):  # the innermost line of the author may be elsewhere, or there is none
            error.add_note(f"in {_place_of_hook(manager, name, hook)}")
        raise


def _place_of_hook(manager: pluggy.PluginManager, name: str, hook: str) -> str:
    """Say where a plugin implements a hook: `hook zoo_tasks of zoo_mine.py, line 12`."""
    called = next(item for item in getattr(manager.hook, hook).get_hookimpls() if item.plugin_name == name)
    code = getattr(inspect.unwrap(called.function), "__code__", None)
    return f"hook {hook}" + (f" of {Path(code.co_filename).name}, line {code.co_firstlineno}" if code else "")


def _specs_of_hook(
    manager: pluggy.PluginManager, name: str, hook: str, types: tuple[type[AnySpec], ...]
) -> tuple[Any, ...]:
    others = [plugin for other, plugin in manager.list_name_plugin() if other != name and plugin is not None]
    specs = []
    seen: set[str] = set()
    for returned in manager.subset_hook_caller(hook, remove_plugins=others)():
        if not isinstance(returned, Iterable):
            raise InvalidSpecError(f"{hook} returned a {type(returned).__name__}, not a list: {returned!r}")
        for spec in returned:
            if not isinstance(spec, types):
                expected = " or ".join(spec_type.__name__ for spec_type in types)
                raise InvalidSpecError(f"{hook} returned a {type(spec).__name__}, not a {expected}: {spec!r}")
            spec = dataclasses.replace(spec, plugin=name)
            validate_spec(spec)
            key = spec.prefix if isinstance(spec, ModelFamily) else spec.name
            if key in seen:
                raise DuplicateNameError(f"{hook} returned two specs named {key!r}")
            seen.add(key)
            specs.append(spec)
    return tuple(specs)
