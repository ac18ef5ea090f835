"""Runs the attempts of a class in one `zoo bench`: in the sandbox, with limits, and only what has no result yet."""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo_class.places import Part, Places
from zoo_class.settings import Settings
from zoo_class.snapshots import Snapshot, UnusableError
from zoo_core.entries.naming import named
from zoo_core.errors import MachineError, UsageError, ZooError
from zoo_core.registry import Registry
from zoo_core.results.records import Record
from zoo_core.results.store import Store
from zoo_core.runner import hidden_labels, sandbox
from zoo_core.runner.outcome import NOT_RUN
from zoo_core.runner.pair_recipe import pair_parameters
from zoo_core.runner.plan import choose_dataset
from zoo_core.runner.planned_trial import is_scored_apart
from zoo_core.runner.request import Request, make_request
from zoo_core.runner.run import MakeDisplay, run_request
from zoo_core.specs import ModelSpec, TaskSpec
from zoo_core.ui.faults import print_faults
from zoo_core.ui.parsing import parse_duration, parse_seeds

COMMAND = "zoo class run"
ABSOLUTE_PATH = re.compile(r"(?<![\w.])/[^\s:;,()]+")  # in an error; it may be shortened, so no folder is found in it


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A snapshot and the spec under which it runs; the spec's name is the pseudonym and the hash of the contents."""

    snapshot: Snapshot
    spec: ModelSpec


@dataclass(slots=True)
class Ran:
    """The records by the name of the model; errors of single entries, by the same names; and how the run ended."""

    records: dict[str, list[Record]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    faults: dict[str, Counter[str]] = field(default_factory=dict)
    interrupted: bool = False
    new: int = 0


def make_entry(registry: Registry, task: TaskSpec, snapshot: Snapshot, alias: str) -> Entry:
    """Read a snapshot's model from its source, without running it. Raises UnusableError."""
    path, _, attribute = snapshot.model.rpartition(":")
    try:
        spec = named(registry.model_or_file(snapshot.model, task), Path(path), attribute, f"{alias} {snapshot.digest}")
        pair_parameters(task, spec)
    except UsageError as error:
        raise UnusableError(str(error).replace(f"{snapshot.folder}{os.sep}", "")) from None
    return Entry(snapshot=snapshot, spec=spec)


def require_hideable(task: TaskSpec, settings: Settings) -> None:
    """Raise UsageError if labels shall be hidden of a task that scores itself, in the process of the submission."""
    if settings.data.hide_labels and not is_scored_apart(task):
        raise UsageError(
            f"task {task.name} scores in the process of the submission, so its labels cannot be hidden: set "
            "data.hide_labels = false, and look at odd scores yourself"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """How entries run: the class, its settings, the part of the data, and how many trials at a time."""

    places: Places
    settings: Settings
    part: Part
    jobs: int = 1


def run_entries(entries: Sequence[Entry], registry: Registry, batch: Batch, display: MakeDisplay) -> Ran:
    """Run all entries; those with a checkpoint each in a request of their own, because weights belong to a request.

    Raises UsageError and MachineError for what concerns all of them; nothing has run then.
    """
    ran, store = Ran(), Store(batch.places.results(batch.part))
    each = {entry.spec.name: entry for entry in entries}.values()  # two attempts of a student may be equal
    together = [entry for entry in each if entry.snapshot.checkpoint is None]
    alone = [entry for entry in each if entry.snapshot.checkpoint is not None]
    with _limits_of_the_sandbox(batch.settings):
        for group in [*([together] if together else []), *([entry] for entry in alone)]:
            request = _request(registry, group, batch)  # its errors are mistakes in class.toml
            try:
                _, outcome = run_request(request, registry, store, display)
            except MachineError as error:
                if group is together:
                    raise
                ran.faults.setdefault(str(error), Counter())[NOT_RUN] += 1
                continue
            except ZooError as error:  # a submission can raise any of them when it is tried before the run
                if group is together:
                    raise
                ran.refused[group[0].spec.name] = ABSOLUTE_PATH.sub("the file", str(error))
                continue
            print_faults(outcome, store)
            for record in outcome.records:
                ran.records.setdefault(record.model.name.partition(":")[2], []).append(record)
            ran.new += len(outcome.new)
            for fault, costs in outcome.faults.items():
                ran.faults.setdefault(fault, Counter()).update(costs)
            if outcome.interrupted:
                ran.interrupted = True
                break
    return ran


def data_root(places: Places, settings: Settings, part: Part) -> Path | None:
    """Return the data root of a part. Raises UsageError for a private part without one."""
    named_root = settings.data.private if part == "private" else settings.data.public
    if part == "private" and not named_root:
        raise UsageError("there is no private part: name its data root in class.toml, data.private")
    return places.root / Path(named_root).expanduser() if named_root else None


def _request(registry: Registry, entries: Sequence[Entry], batch: Batch) -> Request:
    checkpoint, settings = entries[0].snapshot.checkpoint, batch.settings
    several: dict[str, Any] = {"jobs": batch.jobs} if batch.jobs > 1 else {}
    request = make_request(
        registry,
        [settings.task],
        [entry.spec for entry in entries],
        settings=settings.recipe,
        weights=str(checkpoint) if checkpoint else "",
        seeds=parse_seeds(str(settings.seeds)),
        devices=[settings.device],
        dataset=settings.dataset,
        offline=settings.data.offline,
        data_root=data_root(batch.places, settings, batch.part),
        quick=settings.preset == "quick",
        budget_s=parse_duration("budget", settings.budget) if settings.budget else None,
        timeout_s=parse_duration("limits.time", settings.limits.time),
        max_memory_mib=settings.limits.memory_mib,
        threads=settings.limits.threads,
        save=batch.part == "public",  # equal weights are found in the checkpoints
        sandbox=settings.sandbox,
        allow_many=True,
        command=COMMAND,
        **several,
    )
    dataset = choose_dataset(request.pairs[0].task, request, registry)
    if request.data_root is not None and dataset.offline:
        raise UsageError(
            f"data.{batch.part} = {settings.data.private if batch.part == 'private' else settings.data.public!r}: data "
            f"set {dataset.name} comes with its plugin, so no data root can replace it; name another data set"
        )
    return request


@contextlib.contextmanager
def _limits_of_the_sandbox(settings: Settings) -> Iterator[None]:
    """Set the variables from which the sandbox takes its limits, in the block."""
    limits = {
        sandbox.OUTPUT: str(settings.limits.output_mib),
        hidden_labels.LABELS: hidden_labels.HIDDEN if settings.data.hide_labels else "",
    }
    before = {name: os.environ.get(name) for name in limits}
    os.environ.update(limits)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
