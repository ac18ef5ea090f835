"""Checks a plan before its first trial: decodes the data sets, fetches weights, and tries models that may not fit."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from zoo_core import hub
from zoo_core.data.downloads import digest_of
from zoo_core.entries.loaded import changed_file_error
from zoo_core.errors import (
    DamagedDataError,
    DataUnavailableError,
    IncompatibleError,
    MachineError,
    PluginError,
    RecipeError,
    UsageError,
    WeightsError,
    ZooError,
    machine_error_of,
)
from zoo_core.kinds import adapted_signature
from zoo_core.results.records import LeftOut
from zoo_core.runner.events import WeightsJob
from zoo_core.runner.executor import LocalExecutor
from zoo_core.runner.plan import Plan, Problem, Skipped
from zoo_core.runner.planned_trial import PlannedTrial
from zoo_core.runner.request import Request
from zoo_core.specs import NO_WEIGHTS, Signature


@dataclass(frozen=True, slots=True)
class InitialWeights:
    """A file with initial weights: its path, its hash, and its address on a hub if that has a commit.

    All are "" for random weights.
    """

    path: str = ""
    sha256: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class CheckedPlan:
    """A plan whose `todo` can run, and the initial weights by the model's qualified name.

    left_out: the files that were left out, by the data set's qualified name and fingerprint.
    faults: trials that are in neither list of the plan because of a fault of the machine, and the fault.
    """

    plan: Plan
    weights: Mapping[str, InitialWeights]
    left_out: Mapping[tuple[str, str], list[LeftOut]]
    faults: Sequence[tuple[PlannedTrial, str]] = ()


def preflight(plan: Plan, executor: LocalExecutor) -> CheckedPlan:
    """Return the plan with trials that cannot run moved to `skipped`, and the weights of all other trials.

    If the request names the task, errors of its data are raised instead, such as DataError and IncompatibleError, and
    faults of the machine as MachineError. Otherwise the trials that these faults concern are left for the next call.
    Errors of one model, such as WeightsError, are raised only if the request also names the models.
    """
    checks = _Checks(executor)
    todo, skipped, faults = [], list(plan.skipped), []
    for trial in plan.todo:
        try:
            problem = checks.find_problem(trial)
        except MachineError as error:
            if trial.request.named_task:
                raise
            faults.append((trial, str(error)))
            continue
        if problem is None:
            todo.append(trial)
        else:
            skipped.append(Skipped(trial, problem))
    checked = replace(plan, todo=tuple(todo), skipped=tuple(skipped))
    return CheckedPlan(checked, checks.weights, checks.left_out, faults)


class _Checks:
    """Checks each data set, and each model on it, only once. `weights`, `left_out`: as in `CheckedPlan`."""

    def __init__(self, executor: LocalExecutor) -> None:
        self._executor = executor
        self._opened: dict[tuple[str, str], Signature | Problem | MachineError] = {}  # data set -> result
        self._tried: dict[tuple[str, ...], Problem | None] = {}  # model and data set -> result
        self.weights: dict[str, InitialWeights] = {}
        self.left_out: dict[tuple[str, str], list[LeftOut]] = {}

    def find_problem(self, trial: PlannedTrial) -> Problem | None:
        """Return why the trial cannot run, or None if it can."""
        data = (trial.dataset.qualified, trial.fingerprint)
        if data not in self._opened:
            self._opened[data] = self._open(trial)
        opened = self._opened[data]
        if isinstance(opened, MachineError):
            raise opened
        if isinstance(opened, Problem):
            return opened
        if incompatible := _incompatibility(trial, opened):
            return incompatible
        model = (trial.model.qualified, trial.task.qualified, *data)
        if model not in self._tried:
            self._tried[model] = self._try(trial)
        return self._tried[model]

    def _open(self, trial: PlannedTrial) -> Signature | Problem | MachineError:
        """Decode the data set; return its signature, or a Problem if it is unavailable, or the machine's fault.

        Damaged data, and a loader that raises, hangs or dies, are no Problem: they fail in the trials, whose records
        then give the reason. The signature is then that of the spec.
        """
        try:
            opened: Any = self._executor.ask(trial.to_open_job(), trial.request.timeout_s)
        except MachineError as error:
            return error
        except ZooError as error:
            if trial.request.named_task or isinstance(error, UsageError):
                raise
            return Problem(str(error)) if isinstance(error, DataUnavailableError) else trial.dataset.signature
        except RuntimeError:
            return trial.dataset.signature
        key = (trial.dataset.qualified, trial.fingerprint)
        self.left_out[key] = msgspec.convert(opened["left_out"], list[LeftOut])
        return msgspec.convert(opened["signature"], Signature)

    def _try(self, trial: PlannedTrial) -> Problem | None:
        """Find the weights; run the model once if it has weights or is of a family, so untested on this task."""
        request = trial.request
        try:
            weights = self._find_weights(trial)
            if weights.path or trial.model.is_family_member:
                self._executor.ask(trial.to_try_job(weights.path), request.timeout_s)
        except MachineError:
            raise
        except ZooError as error:
            if request.named_task and request.named_models:
                raise
            at_fault = isinstance(error, WeightsError | DamagedDataError | PluginError | RecipeError)
            return Problem(str(error), "error" if at_fault else "skipped")
        except RuntimeError:  # the model hung or died; so will the trial, and its record gives the reason
            pass
        return None

    def _find_weights(self, trial: PlannedTrial) -> InitialWeights:
        """Fetch the model's initial weights, once. Raises WeightsError if the worker fails."""
        name = trial.model.qualified
        if name not in self.weights:
            path = self._weights_path(trial)
            self.weights[name] = _describe(path, trial) if path else InitialWeights()
        return self.weights[name]

    def _weights_path(self, trial: PlannedTrial) -> str:
        request, name = trial.request, trial.model.qualified
        if request.weights or trial.model.weights is None:
            return "" if request.weights == NO_WEIGHTS else request.weights
        try:
            return str(self._executor.ask(WeightsJob(model=name, offline=request.offline), request.timeout_s))
        except RuntimeError as error:  # without this, the trial would start from random weights
            raise WeightsError(f"the weights of model {name} cannot be fetched: {error}") from error


def _describe(path: str, trial: PlannedTrial) -> InitialWeights:
    """Hash a file with initial weights. Raises WeightsError if it changed since the trial was planned."""
    try:
        with Path(path).open("rb") as content:
            sha256 = digest_of(content)
    except OSError as error:
        cannot = WeightsError(f"the weights {path} cannot be read ({error.strerror})")
        raise machine_error_of(error) or cannot from error
    request, declared = trial.request, trial.model.weights
    if request.weights:
        if sha256 != request.weights_sha256:
            raise WeightsError(str(changed_file_error(path)))
        return InitialWeights(path, sha256)
    pin = hub.read_pin(declared, hub.weights_folder(trial.model)) if declared and hub.needs_pin(declared) else None
    return InitialWeights(path, sha256, pin.url if pin else "")


def _incompatibility(trial: PlannedTrial, signature: Signature) -> Problem | None:
    """Return a Problem if the model cannot take the data. Raises IncompatibleError if the request names the task."""
    reason = trial.model.accepts.refusal(adapted_signature(trial.model, trial.task, signature, trial.recipe))
    if reason and trial.request.named_task:
        raise IncompatibleError(f"model {trial.model.qualified} cannot take {trial.dataset.qualified}: {reason}")
    return Problem(reason) if reason else None


def download_unpinned_weights(request: Request, executor: LocalExecutor) -> None:
    """Download weights of which neither a checksum nor a commit is known, because the key needs their hash.

    A problem is not raised here: `preflight` meets it again, and knows which trials it concerns.
    """
    if request.weights:
        return
    for model in {pair.model.qualified: pair.model for pair in request.pairs}.values():
        weights = model.weights
        if weights is None or not hub.needs_pin(weights) or hub.read_pin(weights, hub.weights_folder(model)):
            continue
        with contextlib.suppress(ZooError, RuntimeError):
            executor.ask(WeightsJob(model=model.qualified, offline=request.offline), request.timeout_s)
