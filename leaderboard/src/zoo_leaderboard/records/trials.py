"""One trial in short: the facts of a record that the board needs, so that a build need not open the record again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from zoo_core.results.records import FAILED, ModelFacts, Record
from zoo_leaderboard.records.keys import planned_key, row_key
from zoo_leaderboard.text.formats import counted

RUNNER = "runner"  # `Record.source` of trials; numbers from other programs are shown in a table of their own

# Field -> column in the exports, where the two differ. Users' scripts read the columns, so these must not change.
EXPORT_COLUMNS = {
    "model_version": "version",
    "model_title": "title",
    "weights_option": "weights",
    "code_sha256": "code",
    "device_class": "device",
    "requested_threads": "threads",
    "disturbance": "disturbed",
}


class TrialSummary(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One trial. None means unknown or not measured; units are suffixes, as in the records.

    * `path` is the file of the record. `per_example_file` is the name of the file with results by example.
    * `group_text`, `row_text` and `planned_text` are the texts of the trial's GroupKey, RowKey and PlannedKey.
    * `recipe` is JSON. `code_sha256` is the hash of the model's code, `weights_option` the value of `--weights`.
    * `whole_code` is the `code_text` of model, data set and task.
    * `device_class` is `cpu`, `cuda` or the like, `device_name` the name of the processor.
    * `requested_threads` is the value of `--threads`; 0 is the default.
    * `score` is the test score. `target_status` is met, missed or not applicable; `target_s` is the time to target.
    * `disturbance` says why the times are unreliable, and is empty if they are reliable.
    * `untrained`: the model has nothing to train, so its score is the same in every recipe class.
    * `source` is the program that measured; `benchmark` has the numbers of a program other than the runner.
    """

    path: str
    id: str
    status: str
    reason: str
    started_at: str
    task: str
    task_version: int
    higher_is_better: bool
    metric: str
    group_text: str
    row_text: str
    planned_text: str
    dataset: str
    dataset_version: int
    fingerprint: str
    origin: str
    recipe_class: str
    recipe: str
    model: str
    model_version: int
    model_title: str
    pretrained_on: str
    weights_option: str
    code_sha256: str
    whole_code: str
    device_class: str
    device_name: str
    machine: str
    dtype: str
    compiled: bool
    requested_threads: int
    budget_s: float | None
    seed: int
    score: float | None
    target_status: str
    target_s: float | None
    train_s: float | None
    throughput: float | None
    inference_throughput: float | None
    latency_ms: float | None
    peak_memory_mib: float | None
    parameters: int | None
    flops_per_unit: int | None
    flops_unknown_because: str
    untrained: bool
    disturbance: str
    per_example_file: str
    has_pictures: bool
    has_curve: bool
    has_val_curve: bool
    has_left_out: bool
    source: str
    benchmark: dict[str, Any] | None

    @property
    def failed(self) -> bool:
        return self.status in FAILED


def reliable_times(trials: Iterable[TrialSummary], field: Literal["train_s", "latency_ms"] = "train_s") -> list[float]:
    """Return the known times of the undisturbed trials; empty if every trial was disturbed."""
    times = (getattr(trial, field) for trial in trials if not trial.disturbance)
    return [value for value in times if value is not None and value > 0]


def summarise_trial(record: Record, path: str) -> TrialSummary:
    """Summarise the record that lies at `path`."""
    task, dataset, model, device, measured = record.task, record.dataset, record.model, record.device, record.measured
    target, key = measured.time_to_target, row_key(record)
    versions = {"model": model.version, "dataset": dataset.version, "task": task.version}
    return TrialSummary(
        path=path,
        id=record.id,
        status=record.status,
        reason=record.reason,
        started_at=record.started_at,
        task=task.name,
        task_version=task.version,
        higher_is_better=task.higher_is_better,
        metric=task.metric,
        group_text=key.group.text,
        row_text=key.text,
        planned_text=planned_key(record).text,
        dataset=dataset.name,
        dataset_version=dataset.version,
        fingerprint=dataset.fingerprint,
        origin=dataset.origin,
        recipe_class=record.recipe_class,
        recipe=json.dumps(record.recipe),
        model=model.name,
        model_version=model.version,
        model_title=model.title,
        pretrained_on=model.pretrained_on,
        weights_option=model.weights_option,
        code_sha256=model.code_sha256,
        whole_code=code_text(model.code_sha256, record.other_code, versions),
        device_class=device.kind,
        device_name=device.name,
        machine=str(record.environment.get("machine", "")),
        dtype=device.dtype,
        compiled=device.compiled,
        requested_threads=device.requested_threads,
        budget_s=record.budget_s,
        seed=record.seed,
        score=record.score,
        target_status=target.status if target else "not applicable",
        target_s=target.seconds if target else None,
        train_s=measured.train_s,
        throughput=measured.throughput,
        inference_throughput=measured.inference_throughput,
        latency_ms=measured.latency.median_ms if measured.latency else None,
        peak_memory_mib=measured.peak_memory_mib,
        parameters=model.parameters,
        flops_per_unit=model.flops_per_unit,
        flops_unknown_because=model.flops_unknown_because,
        untrained=has_nothing_to_train(model),
        disturbance=describe_disturbance(record),
        per_example_file=measured.per_example,
        has_pictures=bool(measured.pictures),
        has_curve=any(point.val_score is not None or point.train_score is not None for point in record.curve),
        has_left_out=bool(dataset.left_out),
        has_val_curve=any(point.val_score is not None for point in record.curve),
        source=record.source,
        benchmark=msgspec.to_builtins(record.benchmark),
    )


def has_nothing_to_train(model: ModelFacts) -> bool:
    """Whether training cannot change the model: no trainable parameter, and no state but frozen parameters.

    A model that was never built has no known numbers. A model of buffers only may be fitted without gradients.
    """
    return model.trainable_parameters == 0 and (bool(model.parameters) or not model.size_mib)


def code_text(model: str, other: Mapping[str, str], versions: Mapping[str, int]) -> str:
    """Return the hashes of the code of the model, and of its data set and task if known, and the versions, as JSON."""
    parts = {**other, "model": model, **{f"{name} version": number for name, number in versions.items()}}
    return json.dumps(parts, sort_keys=True)


MIN_CPU_SHARE = 0.85  # CPU time / wall time of a trial on the CPU, whatever its threads; on an idle machine >= 0.97
MAX_SWITCHES_PER_S = 100.0  # involuntary context switches; a few per second are normal
MIN_WINDOW_S = 0.2  # shorter timed windows are too short to judge the load


def describe_disturbance(record: Record) -> str:
    """Say why the trial's times are unreliable (other work was running); empty if nothing indicates that."""
    load = record.measured.load
    if load is None:
        return ""
    reasons = []
    if load.trials_beside:
        reasons.append(counted(load.trials_beside, "concurrent trial"))
    if load.wall_s >= MIN_WINDOW_S:
        share = load.cpu_s / load.wall_s
        if record.device.kind == "cpu" and share < MIN_CPU_SHARE:
            reasons.append(f"used {share:.0%} of a CPU core")
        switches = (load.involuntary_switches or 0) / load.wall_s
        if switches > MAX_SWITCHES_PER_S:
            reasons.append(f"{switches:.0f} involuntary context switches per second")
    return ", ".join(reasons)
