"""One trial in short: the facts of a record that the board needs, so that a build need not open the record again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from zoo_core.results.records import FAILED, ModelFacts, Record
from zoo_core.specs import PUBLISHED
from zoo_leaderboard.records.keys import planned_key, row_key
from zoo_leaderboard.records.times import (
    benchmark_of,
    describe_disturbance,
    describe_latency_disturbance,
    times_of,
)

MAX_SCORE = 1e100  # the square of a larger one may be no number any more; no metric has such scores
MAX_LABEL_CHARS = 100  # of what a record says about its CPU
MAX_TEXT_CHARS = 2000  # of a reason or a title; the record has all of it
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

    * `started_at` is empty if the record's start lies in the future, and so sorts before all others; `future_start` is
      what the record says. `with_known_start` moves it there, for the moment of a build.
    * `path` is the file of the record. `per_example_file` is the name of the file with results by example.
    * `group_text`, `row_text` and `planned_text` are the texts of the trial's GroupKey, RowKey and PlannedKey.
    * `recipe` is JSON. `code_sha256` is the hash of the model's code, `weights_option` the value of `--weights`.
    * `whole_code` is the `code_text` of model, data set and task.
    * `device_class` is `cpu`, `cuda` or the like, `device_name` the `device_label` of the processor.
    * `requested_threads` is the value of `--threads`; 0 is the default.
    * `score` is the test score. `target_status` is met, missed or not applicable; `target_s` is the time to target.
    * `disturbance` says why the training times are unreliable, and is empty if they are reliable; `latency_disturbance`
      says so of latency and inference throughput.
    * `latency_ms` and `latency_p95_ms` are the median and the 95th percentile of one trial's repeats.
    * `onnxruntime_ms` is the latency in onnxruntime, of trials with `zoo bench --onnxruntime`.
    * `refused_times` names the times of the record that cannot be true, with their values; they are unknown here.
    * `wall_s` is the duration of the trial; `commit` is the zoo's commit, if it ran from a checkout.
    * `untrained`: the model has nothing to train, so its score is the same in every recipe class.
    * `year` is the year in which the model was published, `paper` says where.
    * `source` is the program that measured; `benchmark` has the numbers of a program other than the runner.
    """

    path: str
    id: str
    status: str
    reason: str
    started_at: str
    future_start: str
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
    latency_p95_ms: float | None
    onnxruntime_ms: float | None
    peak_memory_mib: float | None
    parameters: int | None
    flops_per_unit: int | None
    flops_unknown_because: str
    untrained: bool
    disturbance: str
    latency_disturbance: str
    refused_times: str
    wall_s: float | None
    commit: str
    per_example_file: str
    has_pictures: bool
    has_texts: bool
    has_curve: bool
    has_val_curve: bool
    has_left_out: bool
    year: int | None
    paper: str
    source: str
    benchmark: dict[str, Any] | None

    @property
    def failed(self) -> bool:
        return self.status in FAILED

    @property
    def place(self) -> tuple[str, str]:
        """Machine and device: times of two places are never put into one median."""
        return (self.machine, self.device_name)

    @property
    def place_words(self) -> str:
        """The place in words: `NVIDIA T4 (machine 1a2b3c4d)`."""
        device = self.device_name or self.device_class
        return f"{device} (machine {self.machine})" if self.machine else device

    @property
    def disturbances(self) -> str:
        """Why its training times are unreliable, or else its latency."""
        latency = f"during the latency: {self.latency_disturbance}" if self.latency_disturbance else ""
        return self.disturbance or latency


def reliable_times(trials: Iterable[TrialSummary], field: Literal["train_s", "latency_ms"] = "train_s") -> list[float]:
    """Return the known times of the undisturbed trials; empty if every trial was disturbed."""
    disturbance = "disturbance" if field == "train_s" else "latency_disturbance"
    times = (getattr(trial, field) for trial in trials if not getattr(trial, disturbance))
    return [value for value in times if value is not None]


def summarise_trial(record: Record, path: str) -> TrialSummary:
    """Summarise the record that lies at `path`."""
    task, dataset, model, device, measured = record.task, record.dataset, record.model, record.device, record.measured
    target, key = measured.time_to_target, row_key(record)
    versions = {"model": model.version, "dataset": dataset.version, "task": task.version}
    times, refused = times_of(record)
    benchmark, refused_of_benchmark = benchmark_of(record)
    target_known = target is not None and (target.seconds is None or times["target_s"] is not None)
    return TrialSummary(
        path=path,
        id=record.id,
        status=record.status,
        reason=record.reason[:MAX_TEXT_CHARS],
        started_at=record.started_at,
        future_start="",
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
        model_title=model.title[:MAX_TEXT_CHARS],
        pretrained_on=model.pretrained_on,
        weights_option=model.weights_option,
        code_sha256=model.code_sha256,
        whole_code=code_text(model.code_sha256, record.other_code, versions),
        device_class=device.kind,
        device_name=device_label(record),
        machine=str(record.environment.get("machine", ""))[:MAX_TEXT_CHARS],
        dtype=device.dtype,
        compiled=device.compiled,
        requested_threads=device.requested_threads,
        budget_s=record.budget_s,
        seed=record.seed,
        score=record.score if abs(record.score or 0.0) < MAX_SCORE else None,
        target_status=target.status if target is not None and target_known else "not applicable",
        **times,
        peak_memory_mib=measured.peak_memory_mib,
        parameters=model.parameters,
        flops_per_unit=model.flops_per_unit,
        flops_unknown_because=model.flops_unknown_because[:MAX_TEXT_CHARS],
        untrained=has_nothing_to_train(model),
        disturbance=describe_disturbance(record),
        latency_disturbance=describe_latency_disturbance(record),
        refused_times=", ".join(filter(None, [refused, refused_of_benchmark])),
        wall_s=record.wall_s,
        commit=str(record.environment.get("commit", ""))[:MAX_TEXT_CHARS],
        per_example_file=measured.per_example,
        has_pictures=bool(measured.pictures),
        has_texts=bool(measured.texts),
        has_curve=any(point.val_score is not None or point.train_score is not None for point in record.curve),
        has_left_out=bool(dataset.left_out),
        has_val_curve=any(point.val_score is not None for point in record.curve),
        year=model.year if model.year in PUBLISHED else None,
        paper=model.paper[:MAX_TEXT_CHARS],
        source=record.source,
        benchmark=benchmark,
    )


def device_label(record: Record) -> str:
    """Return the device's name; a CPU's with its instruction sets, because "Intel Xeon Processor" says little.

    Records of earlier versions do not know them.
    """
    known = record.environment.get("cpu_features")
    if record.device.kind != "cpu" or not isinstance(known, list):
        return record.device.name
    words = ", ".join(item for item in known if isinstance(item, str))[:MAX_LABEL_CHARS]
    return " ".join(filter(None, [record.device.name, f"({words})" if words else ""]))


def with_known_start(trial: TrialSummary, latest: str) -> TrialSummary:
    """Return the trial with an unknown start if it started after `latest`: no record of the future is the newest one.

    latest: of `zoo_core.results.bounds.latest_time`. A wrong clock or a forged record would else replace all trials of
    its seed, and say which code is current, for years.
    """
    if trial.started_at <= latest:
        return trial
    return msgspec.structs.replace(trial, started_at="", future_start=trial.started_at)


def has_nothing_to_train(model: ModelFacts) -> bool:
    """Whether training cannot change the model: no trainable parameter, and no state but frozen parameters.

    A model that was never built has no known numbers. A model of buffers only may be fitted without gradients.
    """
    return model.trainable_parameters == 0 and (bool(model.parameters) or not model.size_mib)


def code_text(model: str, other: Mapping[str, str], versions: Mapping[str, int]) -> str:
    """Return the hashes of the code of the model, and of its data set and task if known, and the versions, as JSON."""
    parts = {**other, "model": model, **{f"{name} version": number for name, number in versions.items()}}
    return json.dumps(parts, sort_keys=True)
