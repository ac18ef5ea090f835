"""The hooks: what a plugin can add. Each hook is one function, with its signature and one sentence.

A plugin is a module named by an entry point of the group `zoo`. It implements any of these hooks with `hookimpl`.
A plugin may state the hook version that it was written for, `zoo_api = 1`. An older zoo-core then refuses the plugin
and says why; a newer one lists what to change. A hook may gain arguments: an implementation takes the ones it names.
The names `zoo_executors` and `zoo_loggers` are reserved for future hooks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pluggy

from zoo_core.specs import CommandSpec, DatasetSpec, ModelFamily, ModelSpec, TaskSpec

API = 1  # raised when plugins for the last version must be changed
CHANGES: Mapping[int, str] = {}  # version -> what an author must change in a plugin for the version before

PROJECT = "zoo"  # the entry-point group and pluggy's project name
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def zoo_tasks() -> Iterable[TaskSpec]:  # type: ignore[empty-body]
    """Return the tasks that this plugin adds. `zoo list` calls this hook, so it must not import torch."""


@hookspec
def zoo_datasets() -> Iterable[DatasetSpec]:  # type: ignore[empty-body]
    """Return the data sets that this plugin adds, without importing torch or reading data."""


@hookspec
def zoo_models() -> Iterable[ModelSpec | ModelFamily]:  # type: ignore[empty-body]
    """Return the models and model families that this plugin adds, without importing torch."""


@hookspec
def zoo_commands() -> Iterable[CommandSpec]:  # type: ignore[empty-body]
    """Return the commands that this plugin adds below `zoo`. A command's entry is imported when it is called."""
