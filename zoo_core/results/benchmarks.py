"""Converts pytest-benchmark measurements of models to records: `zoo results import benchmark.json`.

The fixture `zoo_benchmark_model` adds a note to each benchmark that says what was measured. So the import needs
neither the plugin nor the machine. The file may come from anyone, so everything in it is validated.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec

from zoo_core.errors import RecordError, UsageError
from zoo_core.quote import brief
from zoo_core.results.bounds import Count, utc_time
from zoo_core.results.records import (
    SCHEMA,
    BenchmarkFacts,
    DatasetFacts,
    DeviceFacts,
    JsonStruct,
    ModelFacts,
    Record,
    TaskFacts,
    decode,
    encode,
)

BenchmarkedCall: TypeAlias = Literal["inference", "training step"]
EXTRA = "zoo"  # the key of the note in a benchmark's `extra_info`
MACHINE_ID = re.compile(r"[0-9a-f]{8}")


class Note(JsonStruct, frozen=True, kw_only=True):
    """What a benchmark measured, in the terms of a record."""

    what: BenchmarkedCall
    examples: Count
    task: TaskFacts
    dataset: DatasetFacts
    model: ModelFacts
    device: DeviceFacts
    recipe: dict[str, Any]
    environment: dict[str, Any]
    schema: int = SCHEMA

    def as_json(self) -> dict[str, Any]:
        """Return the note as plain JSON values."""
        value: dict[str, Any] = json.loads(msgspec.json.encode(self))
        return value


class _Stats(msgspec.Struct):
    """Seconds per call."""

    median: float
    min: float
    iqr: float
    rounds: Count
    iterations: Count


class _Benchmark(msgspec.Struct):
    fullname: str
    stats: _Stats
    extra_info: dict[str, Any]


class _Named(msgspec.Struct):
    fullname: str = "(no name)"


@dataclass(frozen=True, slots=True)
class Imported:
    """The records from a file, and the names of its benchmarks without a note, which measured no model."""

    records: list[Record]
    foreign: list[str]


def read_benchmarks(content: bytes) -> Imported:
    """Convert pytest-benchmark's JSON to records. Raises UsageError if it is not that, or a note is damaged."""
    try:
        whole = json.loads(content)  # msgspec refuses NaN, which pytest-benchmark may write for other benchmarks
        started_at = utc_time(whole["datetime"])
        benchmarks: list[Any] = whole["benchmarks"]
        foreign = [msgspec.convert(item, _Named).fullname for item in benchmarks if not _is_ours(item)]
        records = [_record(item, started_at) for item in benchmarks if _is_ours(item)]
    except (LookupError, TypeError, ValueError, OverflowError, RecursionError, RecordError) as error:
        raise UsageError(f"it is not a file of pytest-benchmark --benchmark-json: {_error_text(error)}") from error
    ids = [record.id for record in records]
    twice = [record.benchmark.name for record in records if record.benchmark and ids.count(record.id) > 1]
    if twice:
        raise UsageError(f"it holds a benchmark twice: {twice[0]!r}")
    return Imported(records, foreign)


def _error_text(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else brief(error)


def _is_ours(item: Any) -> bool:
    return isinstance(item["extra_info"], dict) and EXTRA in item["extra_info"]


def _record(item: Any, started_at: str) -> Record:
    measured = msgspec.convert(item, _Benchmark)
    note = msgspec.convert(measured.extra_info[EXTRA], Note)
    if note.schema > SCHEMA:
        raise ValueError(f"its notes are of schema {note.schema}, this zoo reads up to {SCHEMA}")
    machine = note.environment.get("machine")
    if not isinstance(machine, str) or not MACHINE_ID.fullmatch(machine):
        raise ValueError(f"{measured.fullname} ran on the machine {machine!r}: eight hexadecimal digits name one")
    facts = _benchmark_facts(measured, note)
    key = _experiment_key(note, facts)
    record = Record(
        schema=SCHEMA,
        id=f"{key[:16]}-{machine}-{''.join(filter(str.isdigit, started_at))[:20]}",
        key=key,
        status="ok",
        started_at=started_at,
        task=note.task,
        dataset=note.dataset,
        model=note.model,
        device=note.device,
        seed=0,
        recipe=note.recipe,
        recipe_class="custom",
        budget="length",
        environment=note.environment,
        command=f"pytest {measured.fullname}",
        source="pytest-benchmark",
        benchmark=facts,
    )
    return decode(encode(record))  # NaN in a recipe becomes None, as in the written file


def _benchmark_facts(measured: _Benchmark, note: Note) -> BenchmarkFacts:
    stats = measured.stats
    if not (math.isfinite(stats.median) and stats.median > 0 and stats.rounds and stats.iterations):
        raise ValueError(f"{measured.fullname} has a median of {stats.median} s in {stats.rounds} rounds")
    if not all(math.isfinite(value) and value >= 0 for value in (stats.min, stats.iqr)):
        raise ValueError(f"{measured.fullname} has the times {stats.min} s, {stats.iqr} s")
    return BenchmarkFacts(
        name=measured.fullname,
        what=note.what,
        examples=note.examples,
        median_ms=stats.median * 1000,
        min_ms=stats.min * 1000,
        iqr_ms=stats.iqr * 1000,
        rounds=stats.rounds,
        iterations=stats.iterations,
        throughput=note.examples / stats.median,
    )


def _experiment_key(note: Note, facts: BenchmarkFacts) -> str:
    """Hash everything that identifies the experiment, as for the key of a trial."""
    parts = {
        "source": "pytest-benchmark",
        "benchmark": [facts.name, facts.what, facts.examples],
        "task": f"{note.task.name}@{note.task.version}",
        "kind": note.task.kind_version,
        "dataset": f"{note.dataset.name}@{note.dataset.version}",
        "fingerprint": note.dataset.fingerprint,
        "model": f"{note.model.name}@{note.model.version}",
        "code": note.model.code_sha256,
        "recipe": note.recipe,
        "device": msgspec.to_builtins(note.device),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
