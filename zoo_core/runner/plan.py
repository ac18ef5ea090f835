"""Plans a `zoo bench` call: the trials to run, without those that already have a record."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from zoo_core import recipe as recipes
from zoo_core.data.locate import dataset_root, fingerprint
from zoo_core.errors import DataError, RecipeError, UsageError
from zoo_core.inside import FEATURE_MAPS
from zoo_core.recipe import Recipe, RecipeClass
from zoo_core.registry import Pair, Registry
from zoo_core.results.records import FINAL, ONNXRUNTIME, Measured, Record
from zoo_core.results.store import Store
from zoo_core.runner.estimates import Estimate
from zoo_core.runner.grid import combinations, count_combinations, require_few, settings_of
from zoo_core.runner.identity import imports_are_unchanged, read_code
from zoo_core.runner.pair_recipe import pair_parameters, quick_preset
from zoo_core.runner.planned_trial import PlannedTrial
from zoo_core.runner.request import Request
from zoo_core.specs import DatasetSpec, TaskSpec

MISSING_FINGERPRINT = "unavailable"  # the fingerprint of missing data

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a trial cannot run. `status`, in its record: `error` if a plugin or a damaged file is the cause."""

    reason: str
    status: Literal["skipped", "error"] = "skipped"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A trial that will not run, and why."""

    trial: PlannedTrial
    problem: Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Trials to run, records that make a trial unnecessary, and trials that cannot run.

    left: trials that do not fit into `--limit`. estimates: of trials, by their identity.
    """

    todo: tuple[PlannedTrial, ...]
    recorded: tuple[Record, ...]
    skipped: tuple[Skipped, ...]
    left: tuple[PlannedTrial, ...] = ()
    estimates: Mapping[tuple[str, str], Estimate] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Resolved(Generic[Value]):
    """A part of a pair's trials, or a placeholder for it and the Problem that prevents the trials."""

    value: Value
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class _Location:
    """The folder or archive of a data set, None if it has none, and the fingerprint of its files."""

    root: Path | None
    fingerprint: str


@dataclass(frozen=True, slots=True)
class _PairRecipe:
    """A recipe of a pair, its class, and the settings that differ between the recipes of the call, in words."""

    recipe: Recipe
    recipe_class: RecipeClass
    settings: str = ""


def make_plan(request: Request, registry: Registry, store: Store) -> Plan:
    """Plan every trial of a request. Raises UsageError and DataError before anything is written.

    Under `--all`, a problem with one pair skips only that pair.
    """
    todo: list[PlannedTrial] = []
    recorded: list[Record] = []
    skipped: list[Skipped] = []
    _require_few_trials(request)
    for pair in request.pairs:
        for trial, problem in _plan_pair(pair, request, registry):
            if problem is not None:
                skipped.append(Skipped(trial, problem))
            elif (record := _find_record(trial, store)) is not None:
                recorded.append(record)
            else:
                todo.append(trial)
    return Plan(todo=tuple(todo), recorded=tuple(recorded), skipped=tuple(skipped))


def _require_few_trials(request: Request) -> None:
    """Raise UsageError if lists of values make too many trials."""
    recipes_by_pair = []
    for pair in request.pairs:
        try:
            recipes_by_pair.append(count_combinations(_settings(pair, request)))
        except RecipeError:  # raised again where the pair is planned, or skipped
            recipes_by_pair.append(1)
    trials = sum(recipes_by_pair) * len(request.devices) * len(request.seeds)
    require_few(trials, has_lists=max(recipes_by_pair) > 1, allow_many=request.allow_many)


def _plan_pair(pair: Pair, request: Request, registry: Registry) -> Iterator[tuple[PlannedTrial, Problem | None]]:
    """Plan the trials of a pair, one for each device, recipe and seed. One with a Problem cannot run."""
    dataset = _resolve_dataset(pair.task, request, registry)
    location = _locate_data(dataset.value, request)
    resolved = _resolve_recipes(pair, request)
    if request.named_task:
        for item in resolved:
            registry.require_fit(pair.model, pair.task, dataset.value, item.value.recipe)
    code = read_code(pair.task, dataset.value, pair.model)
    for device, item, seed in itertools.product(request.devices, resolved, request.seeds):
        trial = PlannedTrial(
            task=pair.task,
            model=pair.model,
            dataset=dataset.value,
            fingerprint=location.value.fingerprint,
            data_root=location.value.root,
            recipe=item.value.recipe,
            recipe_class=item.value.recipe_class,
            settings=item.value.settings,
            seed=seed,
            device=device,
            request=request,
            code=code,
            timeout_s=request.timeout_s,
        )
        yield trial, item.problem or dataset.problem or location.problem


def _resolve_dataset(task: TaskSpec, request: Request, registry: Registry) -> _Resolved[DatasetSpec]:
    try:
        return _Resolved(choose_dataset(task, request, registry))
    except UsageError as error:
        if request.named_task:
            raise
        return _Resolved(registry.datasets_of(task)[0], Problem(str(error)))


def _locate_data(dataset: DatasetSpec, request: Request) -> _Resolved[_Location]:
    """Find the data's root and their fingerprint. A `data_root` that does not exist always raises DataError."""
    several = len({pair.task.qualified for pair in request.pairs}) > 1
    root = dataset_root(dataset, request.data_root, several=several)
    try:
        return _Resolved(_Location(root, fingerprint(dataset, root)))
    except DataError as error:
        if request.named_task:
            raise
        return _Resolved(_Location(None, MISSING_FINGERPRINT), Problem(str(error)))


def _resolve_recipes(pair: Pair, request: Request) -> list[_Resolved[_PairRecipe]]:
    """Resolve the recipes of a pair: one, or one for each combination of listed values, without equal ones."""
    found: dict[str, _Resolved[_PairRecipe]] = {}
    try:
        params = pair_parameters(pair.task, pair.model)
        quick = quick_preset(pair)
        for overrides, words in combinations(_settings(pair, request)):
            recipe = recipes.resolve_recipe(params, quick if request.quick else {}, overrides)
            kind = "custom" if request.budget_s is not None else recipes.recipe_class(recipe, params, quick)
            found.setdefault(json.dumps(dict(recipe), sort_keys=True), _Resolved(_PairRecipe(recipe, kind, words)))
    except RecipeError as error:
        if request.named_task:
            raise
        return [_Resolved(_PairRecipe(Recipe({}), "custom"), Problem(str(error), "error"))]
    return [*found.values()]


def _settings(pair: Pair, request: Request) -> dict[str, list[Any]]:
    """Return the values that the request gives each key of a pair's recipe."""
    params = pair_parameters(pair.task, pair.model)
    return settings_of(params, _applicable_overrides(request, params))


def _applicable_overrides(request: Request, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the overrides; under `--all`, only those of keys that this pair's recipe has."""
    if request.named_task:
        return dict(request.overrides)
    return {key: value for key, value in request.overrides.items() if key in params}


def _find_record(trial: PlannedTrial, store: Store) -> Record | None:
    """Return the latest record that makes the trial unnecessary, an ok one before one of a failure; or None."""
    request = trial.request
    earlier = [] if request.force else store.find(trial.task.qualified, trial.key)
    enough = [
        record
        for record in earlier
        if is_enough(record, request) and imports_are_unchanged(trial.model, record.imports)
    ]
    return max(enough, key=lambda record: (record.status == "ok", record.started_at), default=None)


def is_enough(record: Record, request: Request) -> bool:
    """Return whether a record makes its trial unnecessary."""
    if record.status == "ok":
        return _has_what_is_asked(record.measured, request)
    if request.retry_failed:
        return False
    if record.status == "timeout":  # with more time it may succeed
        earlier_timeout_s = record.timeout_s or 0.0
        return request.timeout_s is not None and request.timeout_s <= earlier_timeout_s
    if record.status == "out_of_memory" and record.max_memory_mib:  # with more memory it may succeed
        return 0 < request.max_memory_mib <= record.max_memory_mib
    return record.status in FINAL


def _has_what_is_asked(measured: Measured, request: Request) -> bool:
    """Return whether a record has the checkpoint, times, pictures and profile that are asked for, or says why not."""
    left_out = measured.left_out.keys()
    if "others" in left_out:  # too many to be named: a trial that runs again would leave out the same
        return bool(measured.checkpoint) or not request.save
    profiled = measured.profile.what if measured.profile else ""
    timed = measured.onnxruntime is not None or ONNXRUNTIME in left_out
    # Every inspection draws the feature maps; the picture's name goes on with the layer.
    inspected = any(name.startswith(FEATURE_MAPS) for name in measured.pictures) or any(
        what == "inspection" or what.startswith(f"picture {FEATURE_MAPS}") for what in left_out
    )
    return (
        (bool(measured.checkpoint) or not request.save)
        and (timed or not request.onnxruntime)
        and (inspected or not request.inspect)
        and (request.profile in ("", profiled) or "profile" in left_out)
    )


def choose_dataset(task: TaskSpec, request: Request, registry: Registry) -> DatasetSpec:
    """Choose the named data set, or the offline one under `--offline`, or the task's default. Raises UsageError."""
    datasets = registry.datasets_of(task)
    if request.dataset:
        named = registry.dataset(request.dataset, task.plugin)
        if named not in datasets:
            names = ", ".join(dataset.name for dataset in datasets)
            raise UsageError(f"task {task.name} does not use dataset {named.qualified}; it uses {names}")
        return named
    if request.offline and request.data_root is None:
        offline = [dataset for dataset in datasets if dataset.offline]
        if not offline:
            raise UsageError(f"task {task.name} has no offline dataset; name one with --dataset and --data-root")
        return offline[0]
    return datasets[0]
