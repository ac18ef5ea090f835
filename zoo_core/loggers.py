"""What an author of a logger uses: the protocol `Logger`, what its methods get, and shared names for the numbers.

`zoo bench --log NAME` starts a process for the logger and calls it there, in the background: the training never waits
for it. A logger that raises, hangs or dies costs one warning. Records and exit codes stay as they are.

All texts come from plugins and trials: they may have any length and hold any characters. Trackers refuse some of them,
so `safe_name` maps names and `plain_value` shortens values, each by one rule.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from zoo_core.quote import brief
from zoo_core.recipe import RecipeClass
from zoo_core.results.bounds import Name
from zoo_core.results.records import (
    CurvePoint,
    DatasetFacts,
    DeviceFacts,
    JsonStruct,
    ModelFacts,
    Record,
    TaskFacts,
)

__all__ = [
    "CurvePoint",
    "Logger",
    "Record",
    "TrialBegan",
    "TrialFiles",
    "numbers_of_point",
    "numbers_of_record",
    "params_of",
    "plain_value",
    "safe_name",
]

MAX_NAME_BYTES = 200  # of UTF-8: MLflow takes 250 characters, and its folder store makes a file of each name
MAX_VALUE_CHARS = 500  # older MLflow servers refuse more
HASH_DIGITS = 8
MAY_STAND = "_-. /"  # in a name, beside letters and digits

Value: TypeAlias = bool | int | float | str


class TrialBegan(JsonStruct, frozen=True, kw_only=True, tag="began"):
    """A trial at its start. The parts are those of its later record, without what only the trial itself finds out.

    name: in words, such as "cosine mlp cpu seed 0". slug: a name for a file or folder that no other trial has.
    number, total: "trial 2 of 9" of the run.
    recipe: every key with its value. overrides: the keys that the caller set, such as with `--set`.
    machine: the same eight digits as in records.
    """

    name: str
    slug: str
    number: int
    total: int
    key: Name
    task: TaskFacts
    dataset: DatasetFacts
    model: ModelFacts
    device: DeviceFacts
    seed: int
    recipe: dict[str, Any]
    recipe_class: RecipeClass
    overrides: list[str] = []
    budget_s: float | None = None
    machine: Name = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialFiles:
    """The files of a trial that has ended, at their final places. Do not change them.

    record: its JSON file. pictures (PNG), texts (UTF-8): by name. checkpoint, per_example: None if there is none.
    Links and files outside of the trial's own folder are never among them.
    """

    record: Path
    pictures: Mapping[str, Path] = field(default_factory=dict)
    texts: Mapping[str, Path] = field(default_factory=dict)
    checkpoint: Path | None = None
    per_example: Path | None = None


class Logger(Protocol):
    """Writes the trials of one run to a tracker. All calls come from one thread, trial after trial.

    An exception ends the logger: it is not called again in this run, and the reason is printed as a warning.
    """

    def began(self, trial: TrialBegan) -> None:
        """A trial began. If the one before has had no `finished`, the machine failed, and it has no record."""

    def evaluated(self, point: CurvePoint) -> None:
        """The trial has a new point of its training curve."""

    def finished(self, record: Record, files: TrialFiles) -> None:
        """The trial ended in any way (`record.status`), and its record is saved."""

    def close(self) -> str:
        """The run is over: write what is left. Return where to look, for the person, or ""."""


def params_of(trial: TrialBegan) -> dict[str, Value]:
    """Return what was chosen for a trial, by names such as `model` and `recipe/lr`."""
    chosen: dict[str, Any] = {
        "task": trial.task.name,
        "dataset": trial.dataset.name,
        "model": trial.model.name,
        "weights": trial.model.weights or "none",
        "device": trial.device.kind,
        "dtype": trial.device.dtype,
        "compiled": trial.device.compiled,
        "seed": trial.seed,
        "recipe_class": trial.recipe_class,
        "budget_s": trial.budget_s,
        "overrides": " ".join(trial.overrides),
        "machine": trial.machine,
    }
    chosen |= {f"recipe/{key}": value for key, value in trial.recipe.items()}
    return {name: plain_value(value) for name, value in chosen.items() if value is not None}


def numbers_of_point(point: CurvePoint, metric: str) -> dict[str, float]:
    """Return the numbers of a curve's point, by names such as `train/loss`; `metric` is the task's."""
    numbers = {
        "train/loss": point.train_loss,
        f"train/{metric}": point.train_score,
        f"val/{metric}": point.val_score,
        "train/epoch": point.epoch,
        "train/seconds": point.seconds,
    }
    return {name: float(value) for name, value in numbers.items() if value is not None}


def numbers_of_record(record: Record) -> dict[str, float]:
    """Return the final numbers of a trial, by names such as `test/accuracy` and `measured/train_s`."""
    numbers = dict(_final_numbers(record))
    return {name: float(value) for name, value in numbers.items() if value is not None}


def _final_numbers(record: Record) -> Iterator[tuple[str, float | None]]:
    measured, model, latency = record.measured, record.model, record.measured.latency
    yield from ((f"test/{name}", value) for name, value in measured.scores.items())
    yield from ((f"last_val/{name}", value) for name, value in measured.val_scores.items())
    for name in ("train_s", "throughput", "inference_throughput", "peak_memory_mib", "initial_score"):
        yield f"measured/{name}", getattr(measured, name)
    for name in ("steps", "units", "selected_step"):
        yield f"measured/{name}", getattr(measured, name)
    yield "measured/wall_s", record.wall_s
    if latency is not None:
        yield "measured/latency_median_ms", latency.median_ms
        yield "measured/latency_p95_ms", latency.p95_ms
    if measured.time_to_target is not None:
        yield "measured/time_to_target_s", measured.time_to_target.seconds
    yield from ((f"phase_s/{phase.name}", phase.seconds) for phase in record.phases)
    for name in ("parameters", "trainable_parameters", "size_mib", "flops_per_unit"):
        yield f"model/{name}", getattr(model, name)


def safe_name(name: str, also: str = MAY_STAND, max_bytes: int = MAX_NAME_BYTES) -> str:
    """Map a name to letters, digits and the characters `also`, in at most `max_bytes` of UTF-8.

    Other characters become `_`, and so do empty parts, `.` and `..` between slashes. A name that is changed or cut ends
    with digits of its hash, so that different names stay different.

    >>> safe_name("test/top-5 accuracy")
    'test/top-5 accuracy'
    >>> safe_name("test/a*b"), safe_name("test/a+b")
    ('test/a_b-48231066', 'test/a_b-0ff84965')
    """
    kept = "".join(letter if letter.isalnum() or letter in also else "_" for letter in name)
    kept = "/".join("_" if part in ("", ".", "..") else part for part in kept.split("/"))
    kept = kept or "_"
    if kept == name and len(name.encode()) <= max_bytes:
        return name
    digits = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_DIGITS]
    room = max_bytes - HASH_DIGITS - 1
    return f"{kept.encode()[:room].decode('utf-8', 'ignore').rstrip('/')}-{digits}"


def plain_value(value: Any, max_chars: int = MAX_VALUE_CHARS) -> Value:
    """Return a number as it is, and anything else as text: JSON for lists and mappings, cut if it is long.

    >>> plain_value([1, 2]), plain_value("x" * 9, max_chars=4)
    ('[1, 2]', 'xxx…')
    """
    if isinstance(value, bool | int | float):
        return value
    return brief(value if isinstance(value, str) else json.dumps(value, default=str), max_chars)
