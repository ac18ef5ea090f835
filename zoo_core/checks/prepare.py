"""Prepares a subject for its checks. Torch-free: the checks import torch themselves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from zoo_core.checks import Subject
from zoo_core.checks.dataset import DatasetSubject
from zoo_core.checks.model import ModelSubject
from zoo_core.checks.plugin import PluginSubject
from zoo_core.checks.task import TaskSubject
from zoo_core.checks.watch import Watch
from zoo_core.registry import Registry

PreparedSubject: TypeAlias = PluginSubject | DatasetSubject | TaskSubject | ModelSubject


@dataclass(frozen=True, kw_only=True, slots=True)
class Workspace:
    """Where checks run: `folder` takes the files they write, `data_root` holds local data, `watch` records effects."""

    folder: Path = Path()
    data_root: Path | None = None
    watch: Watch | None = None


def prepare_subject(subject: Subject, registry: Registry, workspace: Workspace) -> PreparedSubject:
    """Find the subject's spec in the registry. Runs no code of the plugin except its hooks."""
    folder, data_root, watch = workspace.folder, workspace.data_root, workspace.watch
    if subject.what == "plugin":
        return PluginSubject(subject, registry, watch)
    if subject.what == "dataset":
        return DatasetSubject(registry.dataset(subject.key), data_root, watch)
    if subject.what == "task":
        return TaskSubject(registry.task(subject.key), registry, folder, data_root, watch)
    task = registry.task(subject.task) if subject.task else None
    return ModelSubject(registry.model_or_file(subject.key, task), task, registry, folder, data_root, watch)
