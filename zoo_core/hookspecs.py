"""What a plugin can add: one function a hook, a signature and one sentence each.

A plugin is a module named by an entry point of the group `zoo`; it implements any of these with `hookimpl`.
It may say which version of these hooks it was written for, `zoo_api = 1`: an older zoo-core then refuses it in clear
words, and a newer one tells what to change. Arguments may be added to a hook; an implementation takes those it names.
Executors (`zoo_executors`) and loggers (`zoo_loggers`) will be hooks of this file too; those names are reserved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pluggy

from zoo_core.specs import CommandSpec, DatasetSpec, ModelFamily, ModelSpec, TaskSpec

API = 1  # raised when a plugin that was written for the last version has to be changed
CHANGES: Mapping[int, str] = {}  # version -> what an author changes to come from the one before it

PROJECT = "zoo"  # the entry-point group and pluggy's project name
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def zoo_tasks() -> Iterable[TaskSpec]:  # type: ignore[empty-body]
    """Return the tasks this plugin adds; `zoo list` calls it, so it must not import torch."""


@hookspec
def zoo_datasets() -> Iterable[DatasetSpec]:  # type: ignore[empty-body]
    """Return the data sets this plugin adds; it must not import torch or read data."""


@hookspec
def zoo_models() -> Iterable[ModelSpec | ModelFamily]:  # type: ignore[empty-body]
    """Return the models, and the families of models, this plugin adds; it must not import torch."""


@hookspec
def zoo_commands() -> Iterable[CommandSpec]:  # type: ignore[empty-body]
    """Return the commands this plugin adds below `zoo`; their entries are imported when they are called."""
