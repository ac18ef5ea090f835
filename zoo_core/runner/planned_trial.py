"""One trial of a plan: its settings, its jobs for the worker, and the key of its experiment."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import structs

from zoo_core import hub
from zoo_core.entries.unpackaged import address, attribute_of
from zoo_core.kinds import KINDS
from zoo_core.measure.environment import machine_id
from zoo_core.measure.processor import has_fast_bfloat16
from zoo_core.recipe import Recipe, RecipeClass
from zoo_core.runner.events import OpenJob, TrialJob, TryJob
from zoo_core.runner.identity import TrialCode, recipes_sha256, specs_sha256
from zoo_core.runner.request import Request
from zoo_core.specs import NO_WEIGHTS, DatasetSpec, ModelSpec, TaskSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedTrial:
    """One trial to run. Its job consists of names and JSON values, so any executor can run it.

    settings: those of its recipe that differ from other trials of the call, in words; "" without lists of values.
    timeout_s: after which it is ended; None for no limit.
    code, specs, key: what the code is, the hash of the specs and the key of the experiment; all are fixed when the
    trial is planned.
    """

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
    code: TrialCode
    settings: str = ""
    timeout_s: float | None = None
    specs: str = field(init=False)
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "specs", specs_sha256(self.task, self.dataset, self.model))
        object.__setattr__(self, "key", experiment_key(self))

    @property
    def device_class(self) -> str:
        """The device without its index, such as `cuda`."""
        return self.device.partition(":")[0]

    @property
    def dtype(self) -> str:
        """The precision of autocast: that of `--dtype`, or else what the recipe's `precision` means on this machine."""
        if self.request.dtype:
            return self.request.dtype
        is_auto = self.recipe.get("precision") == "auto"
        return "bfloat16" if is_auto and self.device_class == "cpu" and has_fast_bfloat16() else "float32"

    @property
    def device_name(self) -> str:
        """Product name of the device; "" before the devices are found."""
        return self.request.device_names.get(self.device, "")

    @property
    def name(self) -> str:
        words = (self.task.name, self.model.name, self.settings, self.device, f"seed {self.seed}")
        return " ".join(filter(None, words))

    @property
    def identity(self) -> tuple[str, str]:
        """Key and device, which together name it in its run: on two GPUs of one make, a trial has one key."""
        return self.key, self.device

    @property
    def weights_name(self) -> str:
        """Name of the file with the initial weights; "" for random weights."""
        if self.request.weights:
            return "" if self.request.weights == NO_WEIGHTS else Path(self.request.weights).name
        return self.model.weights.name if self.model.weights else ""

    def record_id(self, started: str) -> str:
        """Return the record's id: key, machine and the digits of the start time."""
        return f"{self.key[:16]}-{machine_id()}-{''.join(filter(str.isdigit, started))[:20]}"

    def to_open_job(self) -> OpenJob:
        """Make the job that decodes the trial's data set."""
        return OpenJob(
            dataset=self.dataset.qualified,
            fingerprint=self.fingerprint,
            data_root=str(self.data_root) if self.data_root else None,
            offline=self.request.offline,
            code=self.code.dataset,
        )

    def to_try_job(self, weights: str) -> TryJob:
        """Make the job that runs the model once. `weights`: path of the initial weights, "" for random ones."""
        return TryJob(**structs.asdict(self.to_trial_job(Path(), weights)))

    def to_trial_job(self, staging: Path, weights: str, weights_sha256: str = "") -> TrialJob:
        """Make the job that runs the trial and writes its artifacts to `staging`.

        weights, weights_sha256: path and hash of the initial weights; "" for random ones.
        """
        return TrialJob(
            task=self.task.qualified,
            dataset=self.dataset.qualified,
            model=address(self.model),
            fingerprint=self.fingerprint,
            recipe=dict(self.recipe),
            seed=self.seed,
            device=self.device,
            dtype=self.dtype,
            compiled=self.request.compiled,
            threads=self.request.threads,
            budget_s=self.request.budget_s,
            data_root=str(self.data_root) if self.data_root else None,
            offline=self.request.offline,
            staging=str(staging.absolute()),
            weights=weights,
            weights_sha256=weights_sha256,
            save=self.request.save,
            onnxruntime=self.request.onnxruntime,
            inspect=self.request.inspect,
            profile=self.request.profile,
            sandbox=self.request.sandbox,
            code=self.code,
            specs=self.specs,
            recipes=recipes_sha256(self.task, self.model),
            scored_apart=is_scored_apart(self.task),
            max_memory_mib=self.request.max_memory_mib,
        )


def is_scored_apart(task: TaskSpec) -> bool:
    """Return whether the task is that of a shared kind whose predictions another process can score."""
    return not task.entry and task.kind in KINDS and KINDS[task.kind].scored_apart


def experiment_key(trial: PlannedTrial) -> str:
    """Return the key of the experiment: a hash, 64 hexadecimal digits, of what the zoo knows to decide the result.

    It covers neither the machine, nor the version of torch, nor the code of zoo-core.
    """
    return _hash_of_parts(trial, trial.device_name)


def portable_key(trial: PlannedTrial) -> str:
    """Return the key without the name of the device, which is the same on machines with other devices of a class."""
    return _hash_of_parts(trial, "")


def _hash_of_parts(trial: PlannedTrial, device_name: str) -> str:
    request = trial.request
    parts = {
        "task": f"{trial.task.qualified}@{trial.task.version}",
        "kind": kind_version(trial.task),
        "dataset": f"{trial.dataset.qualified}@{trial.dataset.version}",
        "fingerprint": trial.fingerprint,
        "model": f"{trial.model.qualified}@{trial.model.version}{attribute_of(trial.model)}",
        "code": [code.sha256 for code in (trial.code.model, trial.code.dataset, trial.code.task)],
        "specs": trial.specs,
        "weights": _weights_identity(trial),
        "recipe": dict(trial.recipe),
        "budget_s": request.budget_s,
        "seed": trial.seed,
        "device": [trial.device_class, device_name],
        "dtype": trial.dtype,
        "compiled": request.compiled,
        "threads": request.threads,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _weights_identity(trial: PlannedTrial) -> str:
    """Return what identifies the initial weights: a checksum, or an address with a commit; "" for random weights.

    Of weights without either, it is the hash of the file that was downloaded first.
    """
    request, declared = trial.request, trial.model.weights
    if request.weights:
        return request.weights_sha256
    if declared is None:
        return ""
    if hub.needs_pin(declared):
        pin = hub.read_pin(declared, hub.weights_folder(trial.model))
        return pin.sha256 if pin else f"not downloaded: {declared.urls[0]}"
    return declared.sha256 or declared.md5 or declared.urls[0]


def kind_version(task: TaskSpec) -> int:
    """Return the version of the task's kind; for a plugin's own kind, that of the task."""
    return KINDS[task.kind].version if task.kind in KINDS else task.version
