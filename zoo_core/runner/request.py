"""Makes a request from the options of `zoo bench` or `zoo.bench`, and runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo_core.data.downloads import digest_of
from zoo_core.errors import DataError, RecipeError, UnknownNameError, UsageError
from zoo_core.registry import Pair, Registry
from zoo_core.results.store import Store
from zoo_core.runner.executor import LocalExecutor
from zoo_core.runner.plan import Plan, Request, make_plan, pair_parameters
from zoo_core.runner.run import Listener, Outcome, Run, find_devices
from zoo_core.specs import NO_WEIGHTS, ModelSpec

MakeDisplay = Callable[[], AbstractContextManager[Listener]]


def choose_pairs(
    registry: Registry, task: str, models: Sequence[str | ModelSpec], *, all_pairs: bool = False, cross: bool = False
) -> list[Pair]:
    """Choose the pairs to run. Raises UsageError if there are none, or if the options contradict each other."""
    if all_pairs == bool(task):
        raise UsageError("name a task, or give --all: `zoo list` shows the tasks")
    if cross and not all_pairs:
        raise UsageError("--cross goes with --all")
    if all_pairs:
        if models:
            raise UsageError("--model goes with a named task, not with --all")
        pairs = registry.pairs(cross=cross)
    else:
        spec = registry.task(task)
        named = [model if isinstance(model, ModelSpec) else registry.model(model, spec) for model in models]
        _refuse_duplicate_names(named)
        pairs = [Pair(spec, model) for model in named or registry.models_for(spec)]
    if not pairs:
        raise UsageError("there is nothing to run: no installed plugin adds a fitting model (`zoo list pairs`)")
    return pairs


def _refuse_duplicate_names(models: Sequence[ModelSpec]) -> None:
    """Raise UsageError if two files give their models one name, which would mix up their records."""
    entries: dict[str, str] = {}
    for model in models:
        if entries.setdefault(model.qualified, model.entry) != model.entry:
            raise UsageError(f"two of these models would be called {model.qualified}: rename one, or its file")


def make_overrides(
    epochs: float | None, max_steps: int | None, *, timed: bool, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Collect the recipe's overrides. Raises UsageError if more than one option sets the trial's length."""
    lengths: dict[str, Any] = {"epochs": epochs, "steps": max_steps}
    overrides = {key: value for key, value in lengths.items() if value is not None}
    if len(overrides) + timed + sum(key in settings for key in lengths) > 1:
        raise UsageError("--epochs, --max-steps, --budget and --set of epochs or steps exclude each other: give one")
    overrides |= settings
    return {"steps": 0, **overrides} if "epochs" in overrides else overrides  # `steps` would override `epochs`


def weights_path(weights: str, models: Sequence[object]) -> str:
    """Return the weights file as an absolute path. Raises UsageError unless exactly one model is named."""
    if weights and len(models) != 1:
        raise UsageError("--weights goes with one --model: name the model that the weights are for")
    return weights if weights in ("", NO_WEIGHTS) else str(Path(weights).expanduser().absolute())


def weights_sha256(weights: str) -> str:
    """Hash the content of the weights file; "" without one. Raises UsageError if it is missing."""
    if weights in ("", NO_WEIGHTS):
        return ""
    try:
        with Path(weights).expanduser().open("rb") as content:
            return digest_of(content)
    except (FileNotFoundError, IsADirectoryError):
        raise UsageError(f"--weights {weights!r}: there is no such file; `none` means random initial weights") from None


def require_known_keys(request: Request) -> None:
    """Raise UnknownNameError for an override that no pair knows. Under --all, one pair that knows it is enough."""
    known = []
    for pair in request.pairs:
        try:
            known.append(pair_parameters(pair.task, pair.model))
        except RecipeError:  # under --all, the plan skips this pair
            if request.strict:
                raise
    for key in request.overrides:
        if not any(key in params for params in known):
            names = {name for params in known for name in params}
            raise UnknownNameError("recipe key", key, names, hint="`zoo show MODEL` lists them")


def make_request(
    registry: Registry,
    task: str,
    models: Sequence[str | ModelSpec],
    *,
    settings: Mapping[str, Any],
    all_pairs: bool = False,
    cross: bool = False,
    epochs: float | None = None,
    max_steps: int | None = None,
    weights: str = "",
    **fields: Any,
) -> Request:
    """Make the request from the options of `zoo bench` and `zoo.bench`.

    settings: recipe keys (`--set`). fields: passed to `Request` unchanged.
    Raises UsageError if the options contradict each other or name something unknown.
    """
    request = Request(
        pairs=choose_pairs(registry, task, models, all_pairs=all_pairs, cross=cross),
        overrides=make_overrides(epochs, max_steps, timed=fields.get("budget_s") is not None, settings=settings),
        strict=not all_pairs,
        models_named=bool(models),
        weights=weights_path(weights, models),
        weights_sha256=weights_sha256(weights),
        **fields,
    )
    require_known_keys(request)
    return request


def run_request(
    request: Request, registry: Registry, store: Store, make_display: MakeDisplay, *, dry_run: bool = False
) -> tuple[Plan, Outcome]:
    """Plan and run; with `dry_run` only plan. Raises UsageError for a mistake in the request or missing data."""
    try:
        make_plan(request, registry, store)  # report mistakes before torch is started
        executor = LocalExecutor()
        request = replace(request, devices=find_devices(request.devices, executor))
        plan = make_plan(request, registry, store)
        if dry_run:
            return plan, Outcome()
        with make_display() as display:
            run = Run(plan, store, executor, registry.versions, display)
            run.open_data()
            return plan, run.run()
    except DataError as error:
        raise UsageError(f"{error}{_offline_hint(request, registry)}") from error


def _offline_hint(request: Request, registry: Registry) -> str:
    """Suggest the task's offline data set to a user without data; "" if there is none, or it was requested."""
    for dataset in registry.datasets_of(request.pairs[0].task):
        if dataset.offline and request.strict and not request.offline:
            return f"; without a network or the files, --offline runs on {dataset.title} ({dataset.name})"
    return ""
