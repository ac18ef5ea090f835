"""Runs a record's experiment again and compares the results bit for bit: `zoo verify`.

A rerun is the same experiment only with the same code, data, recipe and weights; otherwise nothing is compared. On
another machine or with another version of torch, sums may be computed in another order, so equal scores are not
claimed: equal ones verify the record there too, other ones say nothing about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from zoo_core import hub
from zoo_core.entries import names_file
from zoo_core.entries.unpackaged import PLUGIN
from zoo_core.errors import MachineError, ZooError
from zoo_core.measure.environment import describe, machine_id, usable_cores
from zoo_core.quote import brief
from zoo_core.registry import Pair, Registry
from zoo_core.results.records import FINAL, Record
from zoo_core.results.store import Store
from zoo_core.runner.compare import Comparison, compare_results
from zoo_core.runner.current import other_code
from zoo_core.runner.devices import find_devices
from zoo_core.runner.executor import LocalExecutor
from zoo_core.runner.grid import as_one_value
from zoo_core.runner.naming import name_models
from zoo_core.runner.pair_recipe import pair_parameters
from zoo_core.runner.plan import make_plan
from zoo_core.runner.planned_trial import PlannedTrial
from zoo_core.runner.preflight import download_unpinned_weights
from zoo_core.runner.record_facts import dataset_facts, model_facts, task_facts
from zoo_core.runner.request import Request, weights_path, weights_sha256
from zoo_core.runner.run import MakeDisplay, run_request
from zoo_core.specs import NO_WEIGHTS, ModelSpec, TaskSpec

SHOWN_DIGITS = 12  # of a hash in a message


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """What a record does not hold, because it names no path: where data, weights and an unpackaged model lie."""

    data_root: Path | None = None
    offline: bool = False
    model: str = ""
    weights: str = ""
    timeout_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """The result for one record.

    reason: why nothing is said about the record; "" if it is. surroundings: what differs between the two runs and may
    change the last bits of a score.
    """

    record: Record
    comparison: Comparison = field(default_factory=Comparison)
    reason: str = ""
    surroundings: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def same(self) -> bool | None:
        """Whether all compared results are equal; None if the rerun says nothing about the record."""
        if self.reason:
            return None
        if not self.comparison.differs:
            return True
        return None if self.surroundings and not self.comparison.counts_differ else False


class _CannotRerunError(Exception):
    """The record's experiment cannot be run again; the message says why."""


def verify(
    record: Record, registry: Registry, store: Store, *, sources: Sources, make_display: MakeDisplay
) -> Verification:
    """Run a record's experiment again in a staging folder, and compare. Never changes the record.

    Raises MachineError for a fault of the machine, which says nothing about the record.
    """
    try:
        _require_repeatable(record)
        request = _request_of(record, registry, sources)
        store.clean(machine_id())
        folder = store.stage(f"verify-{machine_id()}-rerun")  # if this process is killed, the next run removes it
        try:
            return _rerun(record, request, registry, stores=(store, Store(folder)), make_display=make_display)
        finally:
            store.discard(folder)
    except MachineError:
        raise
    except (_CannotRerunError, ZooError) as error:
        return Verification(record=record, reason=str(error))


def _require_repeatable(record: Record) -> None:
    if record.source != "runner":
        raise _CannotRerunError(f"it was imported from {record.source}, so there is no trial to run again")
    if record.status not in FINAL or record.status in ("crashed", "out_of_memory"):
        raise _CannotRerunError(f"its status is {record.status}: there is no result to compare")
    if record.budget == "time":
        raise _CannotRerunError("its length was a time budget: another run takes another number of steps")


def _request_of(record: Record, registry: Registry, sources: Sources) -> Request:
    """Make the request of exactly the record's trial. Raises _CannotRerunError, and the errors of names and files."""
    task = registry.task(record.task.name)
    model = _model_of(record, registry, task, sources)
    params = pair_parameters(task, model)
    left_out = {key: param.unset for key, param in params.items() if param.unset is not None}
    device = record.device.kind if record.device.index is None else f"{record.device.kind}:{record.device.index}"
    weights = _weights_of(record, sources)
    return Request(
        pairs=[Pair(task, model)],
        seeds=[record.seed],
        devices=[device],
        dataset=record.dataset.name,
        offline=sources.offline,
        data_root=sources.data_root,
        overrides=as_one_value(params, {**left_out, **record.recipe}),
        dtype=record.device.dtype,
        compiled=record.device.compiled,
        threads=record.device.requested_threads,
        timeout_s=sources.timeout_s,
        weights=weights,
        weights_sha256=weights_sha256(weights),
        command=f"zoo verify {record.id}",
    )


def _model_of(record: Record, registry: Registry, task: TaskSpec, sources: Sources) -> ModelSpec:
    plugin, _, name = record.model.name.partition(":")
    if names_file(record.model.name):  # a record may be a stranger's: only the caller names files to run
        raise _CannotRerunError(f"its model is called {record.model.name!r}, like a file: no plugin has such a model")
    if plugin != PLUGIN:
        return registry.model(record.model.name, task)
    if not sources.model:
        raise _CannotRerunError(f"its model {name} is in no plugin: name its source, --model ./FILE.py:NAME")
    (model,) = name_models(registry, [task.qualified], [sources.model], name)
    assert isinstance(model, ModelSpec)
    return model


def _weights_of(record: Record, sources: Sources) -> str:
    option = record.model.weights_option
    if option in ("", NO_WEIGHTS):
        return option
    if not sources.weights:
        raise _CannotRerunError(f"it began from the file {option}: name it, --weights FILE")
    return weights_path(sources.weights, [record.model.name])


def _rerun(
    record: Record, request: Request, registry: Registry, *, stores: tuple[Store, Store], make_display: MakeDisplay
) -> Verification:
    """Plan the trial, run it on the record's number of threads, and compare. stores: the record's, and of the rerun."""
    store, fresh = stores
    executor = LocalExecutor()
    found = find_devices(request.devices, executor)
    request = replace(request, devices=[*found], device_names=found)
    download_unpinned_weights(request, executor)  # the key holds their hash
    (trial,) = make_plan(request, registry, fresh).todo
    if changes := _changes(record, trial):
        raise _CannotRerunError(f"it is no longer the same experiment: {'; '.join(changes)}")
    surroundings = tuple(_surroundings(record, trial, registry))
    if trial.key != record.key and trial.device_name == record.device.name:
        named = f"its key {record.key[:SHOWN_DIGITS]} is not that of the experiment it describes"
        # Another zoo may have made the key from other parts, and `--model` may name another class of the file.
        if surroundings or record.model.name.startswith(f"{PLUGIN}:") or not record.other_code:
            raise _CannotRerunError(named)
        return Verification(record=record, comparison=Comparison(differs=(named,), counts_differ=True))
    if record.device.threads:  # the automatic choice may be another one today
        request = replace(request, threads=min(record.device.threads, max(request.threads, usable_cores())))
    _, outcome = run_request(request, registry, fresh, make_display)
    if outcome.interrupted:
        return Verification(record=record, reason="stopped", interrupted=True)
    for fault in outcome.faults:
        raise MachineError(fault)
    (rerun,) = outcome.new
    if rerun.status not in FINAL:
        raise _CannotRerunError(f"the rerun was {rerun.status}: {rerun.reason}")
    comparison = compare_results(record, rerun, store.artifacts(record), fresh.artifacts(rerun))
    return Verification(record=record, comparison=comparison, surroundings=surroundings)


def _changes(record: Record, trial: PlannedTrial) -> list[str]:
    """Say what makes the planned trial another experiment than the recorded one; nothing if it is the same."""
    task, model = task_facts(trial.task), model_facts(trial)
    dataset = dataset_facts(trial.dataset, trial.fingerprint, {})
    recorded: dict[str, Any] = {
        "the version of the task": record.task.version,
        "the version of the kind": record.task.kind_version,
        "the version of the data set": record.dataset.version,
        "the data (their fingerprint)": record.dataset.fingerprint,
        "the version of the model": record.model.version,
        "the code of the model": record.model.code_sha256,
        "the initial weights": record.model.weights,
        **_recipe_items(record.recipe),
    }
    now: dict[str, Any] = {
        "the version of the task": task.version,
        "the version of the kind": task.kind_version,
        "the version of the data set": dataset.version,
        "the data (their fingerprint)": dataset.fingerprint,
        "the version of the model": model.version,
        "the code of the model": model.code_sha256,
        "the initial weights": model.weights,
        **_recipe_items(trial.recipe),
    }
    code = other_code(trial)
    for name, words in (("dataset", "code of the data set"), ("task", "code of the task"), ("specs", "metadata")):
        if name in record.other_code:  # not in the first records
            recorded[f"the {words}"], now[f"the {words}"] = record.other_code[name], code[name]
    if (sha256 := trial.request.weights_sha256 or _published_sha256(trial)) and record.model.weights_sha256:
        recorded["the content of the initial weights"] = record.model.weights_sha256
        now["the content of the initial weights"] = sha256
    return _differences(recorded, now)


def _published_sha256(trial: PlannedTrial) -> str:
    """Return the hash of the weights of the model's spec, by the spec or by the first download; "" if unknown."""
    declared = trial.model.weights
    if declared is None or trial.request.weights:
        return ""
    pin = hub.read_pin(declared, hub.weights_folder(trial.model)) if hub.needs_pin(declared) else None
    return pin.sha256 if pin else declared.sha256


def _recipe_items(recipe: Mapping[str, Any]) -> dict[str, Any]:
    return {f"recipe key {key}": value for key, value in recipe.items()}


def _surroundings(record: Record, trial: PlannedTrial, registry: Registry) -> Iterable[str]:
    """Say what differs besides the experiment and may change the order of sums: the device, and the software."""
    here, there = describe(registry.versions), record.environment
    recorded: dict[str, Any] = {"the device": record.device.name, "the CPU": there.get("cpu", "")}
    now: dict[str, Any] = {"the device": trial.device_name, "the CPU": here["cpu"]}
    for name in ("torch", "torchvision", "timm", "numpy", "zoo-core"):
        recorded[f"the version of {name}"] = _version(there, name)
        now[f"the version of {name}"] = _version(here, name)
    recorded["the commit of the zoo"], now["the commit of the zoo"] = there.get("commit", ""), here["commit"]
    if (threads := record.device.threads or 1) > max(record.device.requested_threads, here["usable_cores"]):
        recorded["the number of threads"], now["the number of threads"] = threads, f"{here['usable_cores']} cores"
    return _differences(recorded, now)


def _version(environment: Mapping[str, Any], name: str) -> str:
    versions = environment.get("versions")
    return str(versions.get(name, "")) if isinstance(versions, Mapping) else ""


def _differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say which values differ: `the version of torch: 2.8 recorded, 2.9 now`."""
    plain = msgspec.json.decode(msgspec.json.encode({**now}))  # as in a record: lists instead of tuples
    return [
        f"{name}: {_shown(recorded.get(name))} recorded, {_shown(plain.get(name))} now"
        for name in dict.fromkeys([*recorded, *plain])
        if recorded.get(name) != plain.get(name)
    ]


def _shown(value: Any) -> str:
    text = "none" if value in (None, "") else str(value)
    return text if len(text) <= 2 * SHOWN_DIGITS else brief(text, SHOWN_DIGITS + 1)
