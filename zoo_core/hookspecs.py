"""The hooks: what a plugin can add. Each hook is one function, with its signature and one sentence.

A plugin is an installed package. Its entry point in the group `zoo` names a module that implements some of these
hooks with `hookimpl`. `zoo list` imports this module and calls the hooks, so they must not import torch or read data.

A plugin may state the version of the hooks that it was written for: `zoo_api = 1`, compared with `HOOK_VERSION`. An
older zoo-core then refuses the plugin with the reason, and a newer one lists what to change. A hook may gain arguments;
an implementation gets only those that it names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pluggy

from zoo_core.specs import CommandSpec, DatasetSpec, ExecutorSpec, LoggerSpec, ModelFamily, ModelSpec, TaskSpec

HOOK_VERSION = 1  # raised when plugins for the last version must be changed
HOOK_CHANGES: Mapping[int, str] = {}  # version -> what an author must change in a plugin for the version before

ENTRY_POINT_GROUP = "zoo"  # also pluggy's project name
hookspec = pluggy.HookspecMarker(ENTRY_POINT_GROUP)
hookimpl = pluggy.HookimplMarker(ENTRY_POINT_GROUP)


@hookspec
def zoo_tasks() -> Iterable[TaskSpec]:  # type: ignore[empty-body]
    """Return the tasks that this plugin adds."""


@hookspec
def zoo_datasets() -> Iterable[DatasetSpec]:  # type: ignore[empty-body]
    """Return the data sets that this plugin adds."""


@hookspec
def zoo_models() -> Iterable[ModelSpec | ModelFamily]:  # type: ignore[empty-body]
    """Return the models and model families that this plugin adds."""


@hookspec
def zoo_commands() -> Iterable[CommandSpec]:  # type: ignore[empty-body]
    """Return the commands that this plugin adds below `zoo`. A command's entry is imported when it is called."""


@hookspec
def zoo_loggers() -> Iterable[LoggerSpec]:  # type: ignore[empty-body]
    """Return the loggers that this plugin adds. A logger's entry is imported when `zoo bench --log` names it."""


@hookspec
def zoo_executors() -> Iterable[ExecutorSpec]:  # type: ignore[empty-body]
    """Return the executors that this plugin adds. An executor's entry is imported when `--executor` names it."""
