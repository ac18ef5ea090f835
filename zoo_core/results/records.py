"""The record of one trial: a JSON file that can be read without the plugins that made it.

Units are suffixes: `_s` seconds, `_ms` milliseconds, `_mib` MiB. None means "not known"; if there is a reason, another
field states it. Fields may be added within a schema. A change of a field's meaning raises `SCHEMA`.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from zoo_core.errors import DamagedRecordError, NewerSchemaError
from zoo_core.recipe import RecipeClass

SCHEMA = 1

Status: TypeAlias = Literal["ok", "diverged", "error", "crashed", "timeout", "out_of_memory", "interrupted", "skipped"]
Source: TypeAlias = Literal["runner", "pytest-benchmark"]
# Statuses after which the same command does not run the trial again. A timeout runs again if it gets more time.
FINAL: frozenset[Status] = frozenset({"ok", "diverged", "error", "crashed", "out_of_memory"})
FAILED: frozenset[Status] = frozenset({"diverged", "error", "crashed", "timeout", "out_of_memory", "interrupted"})


class JsonStruct(msgspec.Struct, frozen=True, kw_only=True):
    """Base class of everything in a record."""


class TaskFacts(JsonStruct, frozen=True, kw_only=True):
    """The task at the time of the trial; `name` is qualified."""

    name: str
    title: str
    summary: str
    version: int
    kind: str
    kind_version: int
    metric: str
    higher_is_better: bool
    unit: str
    target: float | None = None
    chance: float | None = None
    references: list[dict[str, Any]] = []


class LeftOut(JsonStruct, frozen=True, kw_only=True):
    """Files that the data set's loader left out for one reason: how many, and the path of one below the data root."""

    reason: str
    count: int
    example: str


class DatasetFacts(JsonStruct, frozen=True, kw_only=True):
    """The data set. `examples`: number by split, with val as the recipe holds it out. `left_out`: files not read."""

    name: str
    title: str
    version: int
    origin: str
    licence: str
    fingerprint: str
    homepage: str = ""
    examples: dict[str, int] = {}
    left_out: list[LeftOut] = []


Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]  # the range of an integer column in a table


class ModelFacts(JsonStruct, frozen=True, kw_only=True):
    """The model; its numbers are None if it was never built. FLOPs are for the forward pass of one unit.

    `weights`: file name of the initial weights, "" for random ones. `weights_option`: the value of `--weights`.
    `weights_source`: the address of weights on a hub, with the commit that was downloaded.
    `source`: of a model without a package, a hash of where its code lies; "" for others and in earlier records.
    """

    name: str
    title: str
    version: int
    code_sha256: str
    source: str = ""
    pretrained_on: str = ""
    weights: str = ""
    weights_option: str = ""
    weights_sha256: str = ""
    weights_source: str = ""
    parameters: Count | None = None
    trainable_parameters: Count | None = None
    size_mib: float | None = None
    flops_per_unit: Count | None = None
    flops_unknown_because: str = ""


class DeviceFacts(JsonStruct, frozen=True, kw_only=True):
    """The device. kind: the device class, such as `cpu` or `cuda`. requested_threads: 0 for an automatic choice."""

    kind: str
    name: str = ""
    index: int | None = None
    dtype: str = "float32"
    compiled: bool = False
    requested_threads: int = 0
    threads: int | None = None


class CurvePoint(JsonStruct, frozen=True, kw_only=True):
    """The state at an evaluation. Train values are means over the training steps since the last evaluation."""

    step: int
    seconds: float
    epoch: float | None = None
    train_loss: float | None = None
    train_score: float | None = None
    val_score: float | None = None


class PhaseFacts(JsonStruct, frozen=True, kw_only=True):
    """One phase of the trial and its wall time; phases are in order."""

    name: str
    seconds: float


class TimeToTarget(JsonStruct, frozen=True, kw_only=True):
    """`met` after `seconds` of training, `missed`, or `not applicable`: no target, or `holdout` is false."""

    status: Literal["met", "missed", "not applicable"]
    seconds: float | None = None


class Latency(JsonStruct, frozen=True, kw_only=True):
    """Latency of the forward pass of one unit: synchronised, after a warm-up, over n repeats.

    wall_s, cpu_s, involuntary_switches: load during the n repeats, as in `Load`; None in older records.
    """

    median_ms: float
    p95_ms: float
    n: int
    wall_s: float | None = None
    cpu_s: float | None = None
    involuntary_switches: int | None = None


class Load(JsonStruct, frozen=True, kw_only=True):
    """Load during the training, in the timed windows.

    cpu_s, wall_s: CPU and wall seconds of the windows. involuntary_switches: involuntary context switches.
    trials_beside: trials of other zoo processes that ran at the same time.
    """

    cpu_s: float
    wall_s: float
    involuntary_switches: int | None = None
    trials_beside: int = 0


class TableFacts(JsonStruct, frozen=True, kw_only=True):
    """A table of `Task.evaluate`; a row has one value per column."""

    columns: list[str]
    rows: list[list[Any]]


class Measured(JsonStruct, frozen=True, kw_only=True):
    """All measurements of the worker. Measurements that a failed trial did not reach keep their defaults.

    scores, val_scores: by metric, on test and at the last val evaluation. tables: of the test evaluation, by name.
    steps, units: optimizer steps, and units such as examples that they used. selected_step: the step whose weights
        were scored on test. stopped_because: why the training ended before the recipe's length; "" if it did not.
    initial_score: the task's metric on val before the first step; None without val, or if the model cannot be scored
        before it has seen data.
    train_s: training seconds, without evaluation. throughput: units per second of training, without other phases.
    inference_throughput: units per second in batches of `inference_batch`. load: during the training.
    peak_memory_mib: of the device; on the CPU, the growth of the process.
    per_example, checkpoint: file names, "" if there is no such file. pictures: name -> file name.
    left_out: what is missing, such as a picture that was too large -> the reason.
    """

    scores: dict[str, float | None] = {}
    val_scores: dict[str, float | None] = {}
    tables: dict[str, TableFacts] = {}
    time_to_target: TimeToTarget | None = None
    steps: int | None = None
    units: int | None = None
    train_s: float | None = None
    throughput: float | None = None
    latency: Latency | None = None
    inference_throughput: float | None = None
    inference_batch: int | None = None
    peak_memory_mib: float | None = None
    load: Load | None = None
    selected_step: int | None = None
    initial_score: float | None = None
    stopped_because: str = ""
    per_example: str = ""
    checkpoint: str = ""
    pictures: dict[str, str] = {}
    left_out: dict[str, str] = {}


class BenchmarkFacts(JsonStruct, frozen=True, kw_only=True):
    """A pytest-benchmark measurement of a model, outside of any trial: one call with `examples` units at once.

    `name`: of the test. `what`: a forward pass in evaluation mode, or one optimizer step. Times are per call, over
    `rounds` rounds of `iterations` calls. `throughput`: units per second at the median.
    """

    name: str
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
    reason, traceback: why the status is not `ok`; `traceback` may be the end of the worker's output.
    other_code: hashes of the code of the `dataset` and the `task`, and of the `specs`, by these words; that of the
        model is in `model`.
    environment: machine, software versions and plugins. command: the command or call that made the record.
    imports: path from the model's folder -> SHA-256 of the files of code that the trial imported and the key does not
        cover, such as under computed names. If one of them changes, the same command runs the trial again.
    source: the runner, or `pytest-benchmark` for records of `zoo results import`. These have only `benchmark`: no score
        and no measurements of the runner. They are never ranked.
    """

    schema: int
    id: str
    key: str
    status: Status
    started_at: str
    task: TaskFacts
    dataset: DatasetFacts
    model: ModelFacts
    device: DeviceFacts
    seed: int
    recipe: dict[str, Any]
    recipe_class: RecipeClass
    budget: Literal["length", "time"]
    budget_s: float | None = None
    timeout_s: float | None = None
    reason: str = ""
    traceback: str = ""
    curve: list[CurvePoint] = []
    phases: list[PhaseFacts] = []
    wall_s: float | None = None
    measured: Measured = Measured()
    other_code: dict[str, str] = {}
    environment: dict[str, Any] = {}
    command: str = ""
    imports: dict[str, str] = {}
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
    try:
        content = msgspec.json.encode(record)
    except UnicodeEncodeError:  # lone surrogates, from arguments or file names that are not UTF-8
        content = json.dumps(_encodable(msgspec.to_builtins(record))).encode()
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise DamagedRecordError(f"it holds a value that JSON cannot: {error}") from error
    return msgspec.json.format(content, indent=1) + b"\n"


def _encodable(value: Any) -> Any:
    """Replace lone surrogates in a JSON value by `?`, and numbers that are not finite by None."""
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def decode(content: bytes) -> Record:
    """Decode a record from JSON. Raises DamagedRecordError, NewerSchemaError."""
    try:
        head = msgspec.json.decode(content, type=_Head)
        if head.schema > SCHEMA:
            raise NewerSchemaError(
                f"written in schema {head.schema}, this zoo reads up to {SCHEMA}: install a newer zoo-core to read it"
            )
        return msgspec.json.decode(content, type=Record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedRecordError(f"not a record: {error}") from error


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a record."""
    return msgspec.json.schema(Record)
