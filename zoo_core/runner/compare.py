"""Compares the results of two trials of one experiment bit for bit. Times and memory are measured, never compared."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from zoo_core.quote import brief
from zoo_core.results.records import CurvePoint, Record

MAX_SHOWN_CHARS = 60  # of a value in a message


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What two trials have in common.

    same: names of equal results. differs: the others in words, with both values. counts_differ: whether numbers
    differ that no rounding changes, such as those of steps, examples and parameters, or the status. not_compared:
    results of which a file is missing.
    """

    same: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    counts_differ: bool = False
    not_compared: tuple[str, ...] = ()


def compare_results(record: Record, rerun: Record, record_artifacts: Path, rerun_artifacts: Path) -> Comparison:
    """Compare a record with that of its rerun, also the results by example in both folders of artifacts."""
    same: list[str] = []
    differs: list[str] = []
    counts_differ = False
    for names, before, after in (("counts", _counts(record), _counts(rerun)), ("", _values(record), _values(rerun))):
        for name in dict.fromkeys([*before, *after]):
            if before.get(name) == after.get(name):
                same.append(name)
            else:
                differs.append(f"{name}: {_both(before.get(name), after.get(name))}")
                counts_differ = counts_differ or names == "counts"
    missing: list[str] = []
    if record.measured.per_example or rerun.measured.per_example:
        name = "results by example"
        # Records may come from strangers: the file's name must not lead out of the folder.
        parts = tuple(
            folder / (Path(item.measured.per_example).name or "none")
            for folder, item in ((record_artifacts, record), (rerun_artifacts, rerun))
        )
        if not parts[0].is_file():
            missing.append(f"{name}: the record's file is missing")
        elif difference := _file_difference(*parts):
            differs.append(f"{name}: {difference}")
        else:
            same.append(name)
    return Comparison(
        same=tuple(same), differs=tuple(differs), counts_differ=counts_differ, not_compared=tuple(missing)
    )


def _counts(record: Record) -> dict[str, Any]:
    """Return the results that no rounding changes. Unknown ones of failed trials are None in both records."""
    measured, model = record.measured, record.model
    return {
        "status": record.status,
        "steps": measured.steps,
        "units": measured.units,
        "examples": record.dataset.examples,
        "parameters": model.parameters,
        "trainable parameters": model.trainable_parameters,
        "evaluations": [point.step for point in record.curve],
        "scores": sorted(measured.scores),
    }


def _values(record: Record) -> dict[str, Any]:
    """Return the results that depend on every bit of the training. Metrics are named one by one."""
    measured = record.measured
    return {
        **{f"test {name}": value for name, value in measured.scores.items()},
        **{f"val {name}": value for name, value in measured.val_scores.items()},
        "learning curve": [_without_times(point) for point in record.curve],
        "tables": msgspec.to_builtins(measured.tables),
        "selected step": measured.selected_step,
        "end of training": measured.stopped_because,
        "target": measured.time_to_target.status if measured.time_to_target else None,
    }


def _without_times(point: CurvePoint) -> tuple[Any, ...]:
    return point.step, point.epoch, point.train_loss, point.train_score, point.val_score


def _both(recorded: Any, now: Any) -> str:
    """Write both values, or the first items that differ of two long ones."""
    if isinstance(recorded, list) and isinstance(now, list):
        for number, (before, after) in enumerate(zip(recorded, now, strict=False)):
            if before != after:
                return f"item {number} is {_shown(before)} recorded, {_shown(after)} now"
        return f"{len(recorded)} recorded, {len(now)} now"
    if isinstance(recorded, Mapping) and isinstance(now, Mapping):
        name = next(name for name in [*recorded, *now] if recorded.get(name) != now.get(name))
        return f"{name!r} is {_shown(recorded.get(name))} recorded, {_shown(now.get(name))} now"
    return f"{_shown(recorded)} recorded, {_shown(now)} now"


def _shown(value: Any) -> str:
    return brief(repr(value), MAX_SHOWN_CHARS)


def _file_difference(recorded: Path, now: Path) -> str:
    """Say how two files of results by example differ; "" if all arrays are equal, bit for bit."""
    import numpy as np

    if not now.is_file():
        return "recorded, missing now"
    try:
        if _sizes(recorded) != _sizes(now):  # before anything is unpacked
            return "other arrays, or arrays of other sizes"
        with np.load(recorded, allow_pickle=False) as before, np.load(now, allow_pickle=False) as after:
            for name in before.files:
                old, new = before[name], after[name]
                if old.dtype != new.dtype or old.shape != new.shape:
                    return f"{name!r} is {old.dtype} {old.shape} recorded, {new.dtype} {new.shape} now"
                if old.tobytes() != new.tobytes():
                    rows = int((old != new).reshape(len(old), -1).any(axis=1).sum())
                    return f"{name!r} differs for {rows} of {len(old)} examples"
    # The record's file may be anything. That it cannot be read is the difference.
    except Exception as error:
        return f"the record's file cannot be read: {error}"
    return ""


def _sizes(path: Path) -> dict[str, int]:
    """Return the unpacked size of each array in a file of results by example."""
    with zipfile.ZipFile(path) as archive:
        return {item.filename: item.file_size for item in archive.infolist()}
