"""The record of one trial: a JSON file that can be read without the plugins that made it.

Units are suffixes: `_s` seconds, `_ms` milliseconds, `_mib` MiB. None means "not known"; if there is a reason, another
field states it. Fields may be added within a schema. A change of a field's meaning raises `SCHEMA`. `bounds` says which
values are too large for a record.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from zoo_core.errors import DamagedRecordError, NewerSchemaError
from zoo_core.quote import brief
from zoo_core.recipe import RecipeClass
from zoo_core.results.bounds import (
    MAX_CELLS,
    Count,
    Few,
    Integer,
    Name,
    plain_values,
    portable_number,
    utc_time,
    why_no_table,
)

SCHEMA = 1

Status: TypeAlias = Literal["ok", "diverged", "error", "crashed", "timeout", "out_of_memory", "interrupted", "skipped"]
Source: TypeAlias = Literal["runner", "pytest-benchmark"]
# Statuses after which the same command does not run the trial again. A timeout runs again if it gets more time.
FINAL: frozenset[Status] = frozenset({"ok", "diverged", "error", "crashed", "out_of_memory"})
FAILED: frozenset[Status] = frozenset({"diverged", "error", "crashed", "timeout", "out_of_memory", "interrupted"})
ONNXRUNTIME = "onnxruntime"  # in `Measured.left_out`: why this latency, which was asked for, is missing


class JsonStruct(msgspec.Struct, frozen=True, kw_only=True):
    """Base class of everything in a record."""


class TaskFacts(JsonStruct, frozen=True, kw_only=True):
    """The task at the time of the trial; `name` is qualified."""

    name: Name
    title: str
    summary: str
    version: Integer
    kind: Name
    kind_version: Integer
    metric: Name
    higher_is_better: bool
    unit: Name
    target: float | None = None
    chance: float | None = None
    references: list[dict[str, Any]] = []


class LeftOut(JsonStruct, frozen=True, kw_only=True):
    """Files that the data set's loader left out for one reason: how many, and the path of one below the data root."""

    reason: str
    count: Integer
    example: str


class DatasetFacts(JsonStruct, frozen=True, kw_only=True):
    """The data set. `examples`: number by split, with val as the recipe holds it out. `left_out`: files not read."""

    name: Name
    title: str
    version: Integer
    origin: Name
    licence: str
    fingerprint: Name
    homepage: str = ""
    examples: Annotated[dict[str, Integer], Few] = {}
    left_out: Annotated[list[LeftOut], Few] = []


class ModelFacts(JsonStruct, frozen=True, kw_only=True):
    """The model; its numbers are None if it was never built. FLOPs are for the forward pass of one unit.

    `weights`: file name of the initial weights, "" for random ones. `weights_option`: the value of `--weights`.
    `weights_source`: the address of weights on a hub, with the commit that was downloaded.
    `source`: of a model without a package, a hash of where its code lies; "" for others and in earlier records.
    `year`, `paper`: when and where the model was published, as its spec says; unknown in earlier records.
    """

    name: Name
    title: str
    version: Integer
    code_sha256: Name
    year: Integer | None = None
    paper: Name = ""
    source: Name = ""
    pretrained_on: Name = ""
    weights: Name = ""
    weights_option: Name = ""
    weights_sha256: Name = ""
    weights_source: Name = ""
    parameters: Count | None = None
    trainable_parameters: Count | None = None
    size_mib: float | None = None
    flops_per_unit: Count | None = None
    flops_unknown_because: str = ""


class DeviceFacts(JsonStruct, frozen=True, kw_only=True):
    """The device. kind: the device class, such as `cpu` or `cuda`. requested_threads: 0 for an automatic choice."""

    kind: Name
    name: Name = ""
    index: Integer | None = None
    dtype: Name = "float32"
    compiled: bool = False
    requested_threads: Integer = 0
    threads: Integer | None = None


class CurvePoint(JsonStruct, frozen=True, kw_only=True):
    """The state at an evaluation. Train values are means over the training steps since the last evaluation."""

    step: Integer
    seconds: float
    epoch: float | None = None
    train_loss: float | None = None
    train_score: float | None = None
    val_score: float | None = None


class PhaseFacts(JsonStruct, frozen=True, kw_only=True):
    """One phase of the trial and its wall time; phases are in order."""

    name: Name
    seconds: float


class TimeToTarget(JsonStruct, frozen=True, kw_only=True):
    """`met` after `seconds` of training, `missed`, or `not applicable`: no target, or `holdout` is false."""

    status: Literal["met", "missed", "not applicable"]
    seconds: float | None = None


class Latency(JsonStruct, frozen=True, kw_only=True):
    """Latency of the forward pass of one unit: synchronised, after a warm-up, over n repeats.

    wall_s, cpu_s, wait_s, involuntary_switches: load during the n repeats, as in `Load`; None in older records.
    """

    median_ms: float
    p95_ms: float
    n: Integer
    wall_s: float | None = None
    cpu_s: float | None = None
    wait_s: float | None = None
    involuntary_switches: Integer | None = None


class Load(JsonStruct, frozen=True, kw_only=True):
    """Load during the training, in the timed windows.

    cpu_s, wall_s: CPU and wall seconds of the windows. wait_s: seconds that threads waited for a core, summed over the
        threads; None where the system does not count them. involuntary_switches: those of the main thread.
    trials_beside: trials that ran at the same time and may have shared a core or the device with this one; each of
        them makes the times unreliable. trials_apart: those that ran at the same time, on cores and devices of their
        own.
    """

    cpu_s: float
    wall_s: float
    wait_s: float | None = None
    involuntary_switches: Integer | None = None
    trials_beside: Integer = 0
    trials_apart: Integer = 0


class TableFacts(JsonStruct, frozen=True, kw_only=True):
    """A table of `Task.evaluate`; a row has one value per column."""

    columns: Annotated[list[str], Few]
    rows: list[list[Any]]


class ProfileFacts(JsonStruct, frozen=True, kw_only=True):
    """A profile of training steps, taken after everything else was measured, with a model of its own.

    what: by which the operators of the table are sorted. steps: how many were profiled; numbers are means per step.
    table: the costliest operators; `cpu_ms`, `device_ms`, `memory_mib` and `share_pct` are those of the operator
    itself, without operators that it calls. trace: file name of the trace, "" if it was left out.
    """

    what: Literal["time", "memory"]
    steps: Integer
    table: TableFacts
    trace: Name = ""


class Measured(JsonStruct, frozen=True, kw_only=True):
    """All measurements of the worker. Measurements that a failed trial did not reach keep their defaults.

    scores, val_scores: by metric, on test and at the last val evaluation. tables: of the test evaluation, by name.
    steps, units: optimizer steps, and units such as examples that they used. selected_step: the step whose weights
        were scored on test. stopped_because: why the training ended before the recipe's length; "" if it did not.
    initial_score: the task's metric on val before the first step; None without val, or if the model cannot be scored
        before it has seen data.
    train_s: training seconds, without evaluation. throughput: units per second of training, without other phases.
    onnxruntime: the same forward pass as `latency`, in onnxruntime on the CPU, in float32; only if it was asked for.
    inference_throughput: units per second in batches of `inference_batch`. load: during the training.
    peak_memory_mib: of the device, that of all tensors; on the CPU, the growth of the process. peak_reserved_mib: of
        the device, what its allocator held, also in free blocks; None on the CPU and in earlier records.
    per_example, checkpoint: file names, "" if there is no such file. pictures, texts: name -> file name.
    profile: of some training steps; None unless it was asked for.
    left_out: what is missing, such as a picture that was too large -> the reason.
    """

    scores: Annotated[dict[str, float | None], Few] = {}
    val_scores: Annotated[dict[str, float | None], Few] = {}
    tables: Annotated[dict[str, TableFacts], Few] = {}
    time_to_target: TimeToTarget | None = None
    steps: Integer | None = None
    units: Integer | None = None
    train_s: float | None = None
    throughput: float | None = None
    latency: Latency | None = None
    onnxruntime: Latency | None = None
    inference_throughput: float | None = None
    inference_batch: Integer | None = None
    peak_memory_mib: float | None = None
    peak_reserved_mib: float | None = None
    load: Load | None = None
    selected_step: Integer | None = None
    initial_score: float | None = None
    stopped_because: str = ""
    per_example: Name = ""
    checkpoint: Name = ""
    pictures: Annotated[dict[str, str], Few] = {}
    texts: Annotated[dict[str, str], Few] = {}
    profile: ProfileFacts | None = None
    left_out: Annotated[dict[str, str], Few] = {}


class BenchmarkFacts(JsonStruct, frozen=True, kw_only=True):
    """A pytest-benchmark measurement of a model, outside of any trial: one call with `examples` units at once.

    `name`: of the test. `what`: a forward pass in evaluation mode, or one optimizer step. Times are per call, over
    `rounds` rounds of `iterations` calls. `throughput`: units per second at the median.
    """

    name: Name
    what: Literal["inference", "training step"]
    examples: Count
    median_ms: float
    min_ms: float
    iqr_ms: float
    rounds: Count
    iterations: Count
    throughput: float


class Record(JsonStruct, frozen=True, kw_only=True):
    """One trial. `key` identifies the experiment; `id` (key, machine, start time) names the record and its file.

    started_at: ISO 8601, UTC, with microseconds. wall_s: from the start of the worker process to its end.
    budget: what ended the training, its `length` in steps or epochs, or the `time` budget_s.
    timeout_s, max_memory_mib: the limits of the trial; None: it had none.
    reason, traceback: why the status is not `ok`; `traceback` may be the end of the worker's output.
    other_code: hashes of the code of the `dataset` and the `task`, and of the `specs`, by these words; that of the
        model is in `model`.
    environment: machine, software versions and plugins. command: the command or call that made the record.
    imports: path from the model's folder -> SHA-256 of the files of code that the trial imported and the key does not
        cover, such as under computed names. If one of them changes, the same command runs the trial again.
    experiment: the key without the name of the device, which an executor compares between machines; "" in earlier
        records.
    source: the runner, or `pytest-benchmark` for records of `zoo results import`. These have only `benchmark`: no score
        and no measurements of the runner. They are never ranked.
    """

    schema: Integer
    id: Name
    key: Name
    status: Status
    started_at: str
    task: TaskFacts
    dataset: DatasetFacts
    model: ModelFacts
    device: DeviceFacts
    seed: Integer
    recipe: dict[str, Any]
    recipe_class: RecipeClass
    budget: Literal["length", "time"]
    budget_s: float | None = None
    timeout_s: float | None = None
    max_memory_mib: Integer | None = None
    reason: str = ""
    traceback: str = ""
    curve: list[CurvePoint] = []
    phases: Annotated[list[PhaseFacts], Few] = []
    wall_s: float | None = None
    measured: Measured = Measured()
    other_code: Annotated[dict[str, str], Few] = {}
    environment: dict[str, Any] = {}
    command: str = ""
    imports: Annotated[dict[str, str], Few] = {}
    experiment: Name = ""
    source: Source = "runner"
    benchmark: BenchmarkFacts | None = None

    @property
    def score(self) -> float | None:
        """The test score in the task's metric; None if the trial did not reach it."""
        return self.measured.scores.get(self.task.metric)


class _Head(msgspec.Struct):
    schema: int


def encode(record: Record) -> bytes:
    """Encode a record as indented JSON. Raises DamagedRecordError for a value that JSON cannot hold."""
    return _encode(record, indent=1)


def encode_line(part: JsonStruct) -> bytes:
    """Encode a part of a record, or a message with such parts, as one line of JSON. Raises DamagedRecordError."""
    return _encode(part, indent=-1)


def _encode(part: JsonStruct, indent: int) -> bytes:
    try:
        try:
            content = msgspec.json.encode(part)
        except (UnicodeEncodeError, OverflowError):  # lone surrogates, from names that are not UTF-8; large integers
            content = json.dumps(_encodable(msgspec.to_builtins(part))).encode()
        return msgspec.json.format(content, indent=indent) + b"\n"
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise DamagedRecordError(f"it holds a value that JSON cannot: {brief(error)}") from error


def _encodable(value: Any) -> Any:
    """Replace lone surrogates in a JSON value by `?`, numbers that are not finite by None, large integers by floats."""
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int):
        return portable_number(value)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def decode(content: bytes) -> Record:
    """Decode a record from JSON, with its start time in UTC. Raises DamagedRecordError, NewerSchemaError.

    A table that cannot be shown is left out, and noted so in the record.
    """
    try:
        head = msgspec.json.decode(content, type=_Head)
        if head.schema > SCHEMA:
            raise NewerSchemaError(
                f"written in schema {head.schema}, this zoo reads up to {SCHEMA}: install a newer zoo-core to read it"
            )
        return _in_bounds(msgspec.json.decode(content, type=Record))
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise DamagedRecordError(f"not a record: {brief(error)}") from error


def _in_bounds(record: Record) -> Record:
    """Check what the types cannot say, and put right what can be. Raises ValueError."""
    changes: dict[str, Any] = {}
    if (started_at := utc_time(record.started_at)) != record.started_at:
        changes["started_at"] = started_at
    for name in ("recipe", "environment"):
        value = getattr(record, name)
        if (plain := plain_values(value, f"its {name}")) is not value:
            changes[name] = plain
    references = record.task.references
    if references and (plain := plain_values(references, "its task's references")) is not references:
        changes["task"] = msgspec.structs.replace(record.task, references=plain)
    if record.measured.tables or record.measured.profile is not None:
        changes["measured"] = _with_good_tables(record.measured)
    if (record.source == "runner") != (record.benchmark is None):
        has = "has no" if record.benchmark is None else "has a"
        raise ValueError(f"its source is {record.source}, but it {has} part `benchmark`")
    return msgspec.structs.replace(record, **changes) if changes else record


def _with_good_tables(measured: Measured) -> Measured:
    """Leave out the tables that cannot be shown, by name and with the reason."""
    tables, left_out, profile = {}, dict(measured.left_out), measured.profile
    for name, table in measured.tables.items():
        good = _good_table(table)
        if isinstance(good, str):
            left_out[name] = good
        else:
            tables[name] = good
    if profile is not None:
        good = _good_table(profile.table)
        if isinstance(good, str):
            left_out["profile"], profile = good, None
        else:
            profile = msgspec.structs.replace(profile, table=good)
    return msgspec.structs.replace(measured, tables=tables, profile=profile, left_out=left_out)


def _good_table(table: TableFacts) -> TableFacts | str:
    """Return a table with numbers that every reader has, or why it cannot be shown."""
    try:
        rows = plain_values(table.rows, "it", MAX_CELLS)
        reason = why_no_table(table.columns, rows)
    except ValueError as error:
        return str(error)
    if reason:
        return reason
    return table if rows is table.rows else msgspec.structs.replace(table, rows=rows)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a record."""
    return msgspec.json.schema(Record)
