"""Turns names on the command line into the subjects of the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from zoo_core.checks import Subject
from zoo_core.entries import names_file
from zoo_core.entries.unpackaged import PLUGIN, address
from zoo_core.errors import UnknownNameError, UsageError
from zoo_core.registry import Registry
from zoo_core.registry.plugins import Plugin
from zoo_core.specs import DatasetSpec, ModelSpec, TaskSpec


def find_subjects(registry: Registry, names: Sequence[str], task: str = "") -> list[Subject]:
    """Return the subjects with these names, each once; without names, those of all installed plugins.

    A plugin's name stands for everything that the plugin adds. `task` is the task on which to check models.
    Raises UsageError for an unknown name, an empty plugin, or a model that does not fit the task.
    """
    if not names:
        names = [plugin.name for plugin in registry.plugins if not _adds_only_commands(plugin)]
        names += [plugin.name for plugin in registry.failed]
    by_title: dict[tuple[str, str], Subject] = {}
    for name in names:
        subjects = list(_subjects_named(registry, name, task))
        if not subjects:
            registry.refuse_unusable(name)
            raise _unknown_name(registry, name)
        if len(subjects) == 1 and any(plugin.name == name and adds_nothing(plugin) for plugin in registry.plugins):
            raise UsageError(f"nothing to check: plugin {name} adds nothing, all its hooks return nothing")
        for subject in subjects:
            by_title.setdefault((subject.what, subject.title), subject)
    return list(by_title.values())


def _adds_only_commands(plugin: Plugin) -> bool:
    """Return whether the plugin adds only commands, like the leaderboard. It is checked only if it is named."""
    return bool(plugin.commands) and not _adds_specs(plugin)


def adds_nothing(plugin: Plugin) -> bool:
    """Return whether all hooks of the plugin return nothing."""
    return not plugin.commands and not _adds_specs(plugin)


def _adds_specs(plugin: Plugin) -> bool:
    specs = (plugin.tasks, plugin.datasets, plugin.models, plugin.families, plugin.loggers, plugin.executors)
    return any(specs)


def _unknown_name(registry: Registry, name: str) -> UnknownNameError:
    specs: list[Any] = [*registry.tasks, *registry.datasets, *registry.models]
    plugins: list[Any] = [*registry.plugins, *registry.failed]
    return UnknownNameError("name", name, [item.name for item in [*specs, *plugins]], hint="`zoo list`")


def _subjects_named(registry: Registry, name: str, task: str) -> Iterator[Subject]:
    for failed in registry.failed:
        if failed.name == name:
            yield Subject(what="plugin", name=name, plugin=name, version=failed.version)
    for plugin in registry.plugins:
        whole = plugin.name == name
        if whole:
            yield Subject(what="plugin", name=name, plugin=name, version=plugin.version)
        for dataset in plugin.datasets:
            if whole or name in (dataset.name, dataset.qualified):
                yield _subject("dataset", dataset, registry)
        for item in plugin.tasks:
            if whole or name in (item.name, item.qualified):
                yield _subject("task", item, registry)
        for model in plugin.models:
            if whole or name in (model.name, model.qualified):
                yield from _on_tasks(registry, model, task)
    if "/" in name or names_file(name):  # a member of a model family, or a file
        yield from _on_tasks(registry, registry.model_or_file(name, registry.task(task) if task else None), task)


def _on_tasks(registry: Registry, model: ModelSpec, task: str) -> Iterator[Subject]:
    """Yield the model on the given task, else on each task it is registered for, else on synthetic data."""
    if task:
        spec = registry.task(task)
        registry.require_fit(model, spec, registry.datasets_of(spec)[0])
        yield _subject("model", model, registry, spec.qualified)
        return
    names = [pair.task.qualified for pair in registry.pairs() if pair.model == model]
    for name in names or [""]:
        yield _subject("model", model, registry, name)


def _subject(what: Any, spec: DatasetSpec | TaskSpec | ModelSpec, registry: Registry, task: str = "") -> Subject:
    versions = {plugin.name: plugin.version for plugin in registry.plugins}
    return Subject(
        what=what,
        name=spec.qualified,
        plugin=spec.plugin,
        version=versions.get(spec.plugin, ""),
        task=task,
        address=address(spec) if isinstance(spec, ModelSpec) and spec.plugin == PLUGIN else "",
        expected=spec.expected_failures,
    )
