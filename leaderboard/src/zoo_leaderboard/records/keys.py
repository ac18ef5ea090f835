"""The keys that decide which trials are compared, averaged or replaced.

Each key is a frozen struct with named fields. `text` is its form in the cache and in frames, and anchors
are hashes of it. The order of the fields must not change, because links depend on it; their names may.
"""

from __future__ import annotations

import json
from typing import Any, Self

import msgspec

from zoo_core.results.records import Record


class Key(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Base of all keys: a list of its fields when encoded."""

    @property
    def text(self) -> str:
        """The key as JSON; equal for equal keys."""
        return json.dumps(msgspec.to_builtins(self), sort_keys=True)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a key from its `text`."""
        return msgspec.convert(json.loads(text), cls)


class TaskKey(Key, frozen=True, kw_only=True, array_like=True):
    """A task on a data set, whatever the content of the data.

    A task version determines the metric and the kind. They are part of the key in case a record says otherwise.
    """

    task: str
    task_version: int
    kind: str
    kind_version: int
    metric: str
    higher_is_better: bool
    dataset: str


class SettingKey(TaskKey, frozen=True, kw_only=True, array_like=True):
    """A group's key without the device class: groups of one setting differ only in the device class."""

    fingerprint: str
    recipe_class: str


class GroupKey(SettingKey, frozen=True, kw_only=True, array_like=True):
    """The fields that two trials must share to be compared."""

    device_class: str

    @property
    def setting(self) -> SettingKey:
        """The same without the device class."""
        return SettingKey(**{name: getattr(self, name) for name in SettingKey.__struct_fields__})


class ModelKey(Key, frozen=True, kw_only=True, array_like=True):
    """A model and how it was trained, apart from the seed."""

    model: str
    version: int
    pretrained_on: str
    weights_sha256: str
    dtype: str
    compiled: bool
    threads: int
    budget_s: float | None
    recipe: dict[str, Any]


class RowKey(Key, frozen=True, kw_only=True, array_like=True):
    """One row of a board: the trials that differ only in the seed."""

    group: GroupKey
    model: ModelKey


class PlannedKey(TaskKey, frozen=True, kw_only=True, array_like=True):
    """A trial as it was planned, before its data were found: the fingerprint is missing.

    A skipped trial has no fingerprint. This key links it to a later trial that ran.
    """

    recipe_class: str
    device_class: str
    model: str
    seed: int


def group_key(record: Record) -> GroupKey:
    """Return the key of the group that the record belongs to."""
    task, dataset = record.task, record.dataset
    return GroupKey(
        task=task.name,
        task_version=task.version,
        kind=task.kind,
        kind_version=task.kind_version,
        metric=task.metric,
        higher_is_better=task.higher_is_better,
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        recipe_class=record.recipe_class,
        device_class=record.device.kind,
    )


def row_key(record: Record) -> RowKey:
    """Return the key of the board row that the record belongs to."""
    model, device = record.model, record.device
    return RowKey(
        group=group_key(record),
        model=ModelKey(
            model=model.name,
            version=model.version,
            pretrained_on=model.pretrained_on,
            weights_sha256=model.weights_sha256,
            dtype=device.dtype,
            compiled=device.compiled,
            threads=device.requested_threads,
            budget_s=record.budget_s,
            recipe=record.recipe,
        ),
    )


def planned_key(record: Record) -> PlannedKey:
    """Return the record's key without the content of its data."""
    group = group_key(record)
    shared = {name: getattr(group, name) for name in GroupKey.__struct_fields__ if name != "fingerprint"}
    return PlannedKey(model=record.model.name, seed=record.seed, **shared)
