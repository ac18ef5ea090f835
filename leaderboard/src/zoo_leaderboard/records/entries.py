"""One trial as the board needs it, without opening its record again.

`group`, `row` and `planned` are the texts of the keys in `keys`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from zoo_core.results.records import FAILED, Record
from zoo_leaderboard.records.keys import planned_key, row_key
from zoo_leaderboard.text.formats import counted

RUNNER = "runner"  # the source of trials; numbers from other programs are shown apart


class Entry(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One trial. `path` is the file of its record. Units are suffixes, as in the records."""

    path: str
    id: str
    status: str
    reason: str
    started_at: str
    task: str
    task_version: int
    higher_is_better: bool
    metric: str
    group: str
    row: str
    planned: str
    dataset: str
    dataset_version: int
    fingerprint: str
    origin: str
    recipe_class: str
    recipe: str
    model: str
    version: int
    title: str
    pretrained_on: str
    weights: str
    code: str
    device: str
    device_name: str
    machine: str
    dtype: str
    compiled: bool
    threads: int
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
    disturbed: str
    per_example: str
    pictures: bool
    curve: bool
    source: str
    benchmark: dict[str, Any] | None

    @property
    def failed(self) -> bool:
        return self.status in FAILED


def quiet_times(entries: Iterable[Entry], field: Literal["train_s", "latency_ms"] = "train_s") -> list[float]:
    """The known times of the undisturbed trials."""
    times = (getattr(entry, field) for entry in entries if not entry.disturbed)
    return [value for value in times if value is not None and value > 0]


def entry_of(record: Record, path: str) -> Entry:
    """The entry of the record at `path`."""
    task, dataset, model, device, measured = record.task, record.dataset, record.model, record.device, record.measured
    target, row = measured.time_to_target, row_key(record)
    return Entry(
        path=path,
        id=record.id,
        status=record.status,
        reason=record.reason,
        started_at=record.started_at,
        task=task.name,
        task_version=task.version,
        higher_is_better=task.higher_is_better,
        metric=task.metric,
        group=row.group.text,
        row=row.text,
        planned=planned_key(record).text,
        dataset=dataset.name,
        dataset_version=dataset.version,
        fingerprint=dataset.fingerprint,
        origin=dataset.origin,
        recipe_class=record.recipe_class,
        recipe=json.dumps(record.recipe),
        model=model.name,
        version=model.version,
        title=model.title,
        pretrained_on=model.pretrained_on,
        weights=model.weights_option,
        code=model.code_sha256,
        device=device.kind,
        device_name=device.name,
        machine=str(record.environment.get("machine", "")),
        dtype=device.dtype,
        compiled=device.compiled,
        threads=device.requested_threads,
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
        disturbed=disturbance(record),
        per_example=measured.per_example,
        pictures=bool(measured.pictures),
        curve=bool(record.curve),
        source=record.source,
        benchmark=msgspec.to_builtins(record.benchmark),
    )


MIN_CPU_SHARE = 0.85  # CPU time / wall time of a trial on the CPU; on a quiet machine it is at least 0.97
MAX_SWITCHES_PER_S = 100.0  # involuntary context switches; a few per second are normal
MIN_WINDOW_S = 0.2  # shorter timed windows are too short to judge the load


def disturbance(record: Record) -> str:
    """Why the trial's times are unreliable (other work was running); empty if nothing indicates that."""
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
