"""Plans a `zoo bench` call: the trials to run, without those that already have a record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from msgspec import structs

from zoo_core import recipe as recipes
from zoo_core.data.locate import fingerprint, own_root
from zoo_core.entries.codehash import code_sha256
from zoo_core.entries.unpackaged import address, attribute_of
from zoo_core.errors import DataError, RecipeError, UsageError
from zoo_core.kinds import KINDS
from zoo_core.measure.environment import machine_id
from zoo_core.recipe import Recipe, RecipeClass
from zoo_core.registry import Pair, Registry
from zoo_core.results.records import FINAL, Record
from zoo_core.results.store import Store
from zoo_core.runner.events import OpenJob, TrialJob, TryJob
from zoo_core.runner.pair_recipe import pair_parameters, quick_preset
from zoo_core.runner.request import Request
from zoo_core.specs import NO_WEIGHTS, DatasetSpec, ModelSpec, TaskSpec

NO_DATA = "unavailable"  # the fingerprint of missing data


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedTrial:
    """One trial to run. Its job consists of names and JSON values, so any executor can run it."""

    task: TaskSpec
    model: ModelSpec
    dataset: DatasetSpec
    fingerprint: str
    data_root: Path | None
    recipe: Recipe
    recipe_class: RecipeClass
    seed: int
    device: str
    request: Request

    @property
    def device_kind(self) -> str:
        return self.device.partition(":")[0]

    @property
    def name(self) -> str:
        return f"{self.task.name} {self.model.name} {self.device} seed {self.seed}"

    @property
    def key(self) -> str:
        """The key of the experiment: a hash, 64 hexadecimal digits, of everything that influences the result."""
        request = self.request
        parts = {
            "task": f"{self.task.qualified}@{self.task.version}",
            "kind": kind_version(self.task),
            "dataset": f"{self.dataset.qualified}@{self.dataset.version}",
            "fingerprint": self.fingerprint,
            "model": f"{self.model.qualified}@{self.model.version}{attribute_of(self.model)}",
            "code": [code_sha256(spec.entry) for spec in (self.model, self.dataset, self.task)],
            "weights": self.weights_identity,
            "recipe": dict(self.recipe),
            "budget_s": request.budget_s,
            "seed": self.seed,
            "device": self.device_kind,
            "dtype": request.dtype,
            "compiled": request.compiled,
            "threads": request.threads,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def weights_identity(self) -> str:
        """Checksum of the initial weights, or their address if none is published; "" for random weights."""
        request, declared = self.request, self.model.weights
        if request.weights:
            return request.weights_sha256
        return (declared.sha256 or declared.md5 or declared.urls[0]) if declared else ""

    @property
    def weights_name(self) -> str:
        """Name of the file with the initial weights; "" for random weights."""
        if self.request.weights:
            return "" if self.request.weights == NO_WEIGHTS else Path(self.request.weights).name
        return self.model.weights.name if self.model.weights else ""

    def record_id(self, started: str) -> str:
        """Return the record's id: key, machine and start time, digits only."""
        return f"{self.key[:16]}-{machine_id()}-{''.join(filter(str.isdigit, started))[:20]}"

    def open_job(self) -> OpenJob:
        return OpenJob(
            dataset=self.dataset.qualified,
            fingerprint=self.fingerprint,
            data_root=str(self.data_root) if self.data_root else None,
            offline=self.request.offline,
        )

    def try_job(self, weights: str) -> TryJob:
        return TryJob(**structs.asdict(self.job(Path(), weights)))

    def job(self, staging: Path, weights: str) -> TrialJob:
        return TrialJob(
            task=self.task.qualified,
            dataset=self.dataset.qualified,
            model=address(self.model),
            fingerprint=self.fingerprint,
            recipe=dict(self.recipe),
            seed=self.seed,
            device=self.device,
            dtype=self.request.dtype,
            compiled=self.request.compiled,
            threads=self.request.threads,
            budget_s=self.request.budget_s,
            data_root=str(self.data_root) if self.data_root else None,
            offline=self.request.offline,
            staging=str(staging.absolute()),
            weights=weights,
            save=self.request.save,
        )


@dataclass(frozen=True, slots=True)
class Skipped:
    """A trial that will not run, and the reason. `status`: `error` if the plugin causes it."""

    trial: PlannedTrial
    reason: str
    status: Literal["skipped", "error"] = "skipped"


@dataclass(frozen=True, slots=True)
class Plan:
    """Trials to run, records that make a trial unnecessary, and trials that cannot run."""

    todo: list[PlannedTrial]
    done: list[Record]
    skipped: list[Skipped]


def make_plan(request: Request, registry: Registry, store: Store) -> Plan:
    """Plan every trial of a request. Raises UsageError and DataError before anything is written.

    Under `--all` (not `strict`), a problem with one pair skips only that pair.
    """
    plan = Plan([], [], [])
    for pair in request.pairs:
        dataset, no_dataset = _dataset_or_reason(pair.task, request, registry)
        root, identity, no_data = _find_data(dataset, request)
        recipe, kind, no_recipe = _recipe_or_reason(pair, request)
        if request.strict:
            registry.require_fit(pair.model, pair.task, dataset, recipe)
        for device in request.devices:
            for seed in request.seeds:
                trial = PlannedTrial(
                    task=pair.task,
                    model=pair.model,
                    dataset=dataset,
                    fingerprint=identity,
                    data_root=root,
                    recipe=recipe,
                    recipe_class=kind,
                    seed=seed,
                    device=device,
                    request=request,
                )
                if no_recipe:
                    plan.skipped.append(Skipped(trial, no_recipe, "error"))
                elif no_dataset or no_data:
                    plan.skipped.append(Skipped(trial, no_dataset or no_data))
                else:
                    _add_trial(trial, plan, store)
    return plan


def _dataset_or_reason(task: TaskSpec, request: Request, registry: Registry) -> tuple[DatasetSpec, str]:
    try:
        return choose_dataset(task, request, registry), ""
    except UsageError as error:
        if request.strict:
            raise
        return registry.datasets_of(task)[0], str(error)


def _recipe_or_reason(pair: Pair, request: Request) -> tuple[Recipe, RecipeClass, str]:
    try:
        params = pair_parameters(pair.task, pair.model)
        quick = quick_preset(pair)
        recipe = recipes.resolve_recipe(params, quick if request.quick else {}, _applicable_overrides(request, params))
    except RecipeError as error:
        if request.strict:
            raise
        return Recipe({}), "custom", str(error)
    timed = request.budget_s is not None
    return recipe, "custom" if timed else recipes.recipe_class(recipe, params, quick), ""


def _add_trial(trial: PlannedTrial, plan: Plan, store: Store) -> None:
    request = trial.request
    recorded = [] if request.force else store.find(trial.task.qualified, trial.key)
    done = [record for record in recorded if _is_enough(record, request)]
    if done:
        plan.done.append(done[-1])
    else:
        plan.todo.append(trial)


def _is_enough(record: Record, request: Request) -> bool:
    """Return whether a record makes its trial unnecessary."""
    if record.status == "ok":
        return bool(record.measured.checkpoint) or not request.save
    if request.retry_failed:
        return False
    if record.status == "timeout":  # with more time it may succeed
        earlier_timeout_s = record.timeout_s or 0.0
        return request.timeout_s is not None and request.timeout_s <= earlier_timeout_s
    return record.status in FINAL


def choose_dataset(task: TaskSpec, request: Request, registry: Registry) -> DatasetSpec:
    """Choose the named data set, or the offline one under `--offline`, or the task's default. Raises UsageError."""
    own = registry.datasets_of(task)
    if request.dataset:
        named = registry.dataset(request.dataset, task.plugin)
        if named not in own:
            names = ", ".join(dataset.name for dataset in own)
            raise UsageError(f"task {task.name} does not use dataset {named.qualified}; it uses {names}")
        return named
    if request.offline and request.data_root is None:
        offline = [dataset for dataset in own if dataset.offline]
        if not offline:
            raise UsageError(f"task {task.name} has no offline dataset; name one with --dataset and --data-root")
        return offline[0]
    return own[0]


def _find_data(dataset: DatasetSpec, request: Request) -> tuple[Path | None, str, str]:
    """Return the data's root, its fingerprint, and "", or the reason why they are missing (only if not `strict`).

    A `data_root` that does not exist is an error in any case.
    """
    several = len({pair.task.qualified for pair in request.pairs}) > 1
    root = own_root(dataset, request.data_root, several=several)
    try:
        return root, fingerprint(dataset, root), ""
    except DataError as error:
        if request.strict:
            raise
        return None, NO_DATA, str(error)


def _applicable_overrides(request: Request, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the overrides; under `--all`, only those of keys that this pair's recipe has."""
    if request.strict:
        return dict(request.overrides)
    return {key: value for key, value in request.overrides.items() if key in params}


def kind_version(task: TaskSpec) -> int:
    """Return the version of the task's kind; for a plugin's own kind, that of the task."""
    return KINDS[task.kind].version if task.kind in KINDS else task.version
