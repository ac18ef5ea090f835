"""Copies of records for the boards: for the class without anything that tells who it is, for the teacher with names.

A published record is made anew from the fields that are known to tell nothing. What a submission can name or write,
such as options, reasons, pictures and file names, is not among them, and hashes of its code are salted.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from zoo_class.outcomes import WORDS
from zoo_class.settings import Target
from zoo_core.files import open_regular
from zoo_core.kinds import kind_recipe
from zoo_core.recipe import RUNNER_PARAMS
from zoo_core.results.records import (
    SCHEMA,
    DatasetFacts,
    DeviceFacts,
    Measured,
    ModelFacts,
    Record,
    TaskFacts,
)
from zoo_core.results.store import Store

if TYPE_CHECKING:
    from zoo_core.specs import TaskSpec

OWNER = "class"  # in the place of a plugin
RESULTS_BY_EXAMPLE = "per_example.npz"
KEPT_ARRAYS = ("score", "group")
MAX_ARRAYS_BYTES = 64 << 20


def common_keys(task: TaskSpec) -> set[str]:
    """Return the recipe keys that are not a submission's own options."""
    return {*RUNNER_PARAMS, *kind_recipe(task), *task.recipe}


def salted(secret: str, text: str) -> str:
    """Return a hash that nobody can compare with one of a text of his own; "" stays."""
    return hashlib.sha256(f"{secret}\0{text}".encode()).hexdigest() if text else ""


def anonymous(
    record: Record, *, name: str, secret: str, keys: Collection[str], targets: Iterable[Target], by_example: bool
) -> Record:
    """Return the record under another name, with nothing else that tells who it is.

    secret: for hashes. keys: of the recipe that stay. targets: shown as lines. by_example: whether results by example
    lie beside it.
    """
    key = salted(secret, record.key)
    digits = "".join(filter(str.isdigit, record.started_at))[:20]
    model, device = record.model, record.device
    return Record(
        schema=SCHEMA,
        id=f"{key[:16]}-{OWNER}-{digits}",
        key=key,
        status=record.status,
        reason=WORDS[record.status] if record.status != "ok" else "",
        started_at=record.started_at,
        task=_with_targets(record.task, record.dataset.name, targets),
        dataset=_dataset(record.dataset),
        model=ModelFacts(
            name=f"{OWNER}:{name}",
            title=name,
            version=1,
            code_sha256=salted(secret, model.code_sha256),
            pretrained_on="weights of its own" if model.weights_sha256 else "",
            weights_sha256=salted(secret, model.weights_sha256),
            parameters=model.parameters,
            trainable_parameters=model.trainable_parameters,
            size_mib=model.size_mib,
            flops_per_unit=model.flops_per_unit,
        ),
        device=DeviceFacts(
            kind=device.kind,
            name=device.name,
            dtype=device.dtype,
            compiled=device.compiled,
            requested_threads=device.requested_threads,
            threads=device.threads,
        ),
        seed=record.seed,
        recipe={name: value for name, value in record.recipe.items() if name in keys},
        recipe_class=record.recipe_class,
        budget=record.budget,
        budget_s=record.budget_s,
        timeout_s=record.timeout_s,
        curve=record.curve,
        wall_s=record.wall_s,
        measured=_measured(record.measured, by_example=by_example),
        environment={"python": str(record.environment.get("python", ""))},
    )


def _dataset(dataset: DatasetFacts) -> DatasetFacts:
    return replace(dataset, left_out=[], homepage="")


def _measured(measured: Measured, *, by_example: bool) -> Measured:
    """Return the numbers that the runner and the second scoring have measured."""
    return Measured(
        scores=measured.scores,
        val_scores={name: value for name, value in measured.val_scores.items() if name in measured.scores},
        tables=measured.tables,
        time_to_target=measured.time_to_target,
        steps=measured.steps,
        units=measured.units,
        train_s=measured.train_s,
        throughput=measured.throughput,
        latency=measured.latency,
        inference_throughput=measured.inference_throughput,
        inference_batch=measured.inference_batch,
        peak_memory_mib=measured.peak_memory_mib,
        load=measured.load,
        selected_step=measured.selected_step,
        initial_score=measured.initial_score,
        per_example=RESULTS_BY_EXAMPLE if by_example else "",
    )


def _with_targets(task: TaskFacts, dataset: str, targets: Iterable[Target]) -> TaskFacts:
    """Return the task with the class's targets as reference scores, which the boards show in tables and plots."""
    lines: list[dict[str, Any]] = [
        {"value": target.score, "source": "the class's target", "model": target.name, "dataset": dataset}
        for target in targets
    ]
    return replace(task, references=lines)


def publish(record: Record, source: Store, into: Store, **options: Any) -> None:
    """Write the anonymous copy of a record. options: those of `anonymous`."""
    arrays = _arrays_of(record, source)
    copy = anonymous(record, by_example=bool(arrays), **options)
    staged = into.stage(copy.id)
    if arrays:
        import numpy as np

        np.savez_compressed(staged / RESULTS_BY_EXAMPLE, **arrays)
    into.save(copy, staged)


def _arrays_of(record: Record, source: Store) -> dict[str, Any]:
    """Read the results by example that the statistics need, without the labels."""
    import numpy as np

    if not record.measured.per_example:
        return {}
    path = source.artifacts(record) / Path(record.measured.per_example).name
    try:
        with open_regular(path, max_bytes=MAX_ARRAYS_BYTES) as file, np.load(file, allow_pickle=False) as kept:
            return {name: kept[name] for name in KEPT_ARRAYS if name in kept.files}
    except Exception:  # a file that a submission has spoilt; numpy raises errors of many kinds
        return {}


def copy_for_teacher(record: Record, source: Store, into: Store, name: str, targets: Iterable[Target]) -> None:
    """Write a record under a student's name, with its files but the checkpoint."""
    measured = replace(record.measured, checkpoint="")
    copy = replace(
        record,
        model=replace(record.model, name=f"{OWNER}:{name}"),
        task=_with_targets(record.task, record.dataset.name, targets),
        measured=measured,
        command="",
    )
    staged = into.stage(copy.id)
    artifacts = source.artifacts(record)
    for path in sorted(artifacts.iterdir()) if artifacts.is_dir() and not artifacts.is_symlink() else ():
        if path.is_file() and not path.is_symlink() and path.name != record.measured.checkpoint:
            shutil.copyfile(path, staged / path.name)
    into.save(copy, staged)


def options_of(secret: str, task: TaskSpec, targets: Iterable[Target]) -> Mapping[str, Any]:
    """Return the options of `publish` that all records of a class share."""
    return {"secret": secret, "keys": common_keys(task), "targets": tuple(targets)}
