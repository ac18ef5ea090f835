"""What is known of one trial, as one JSON file that explains itself.

Units are suffixes: `_s` seconds, `_ms` milliseconds, `_mib` MiB. None is "not known", and where that has a reason, a
field beside it says it. Fields may be added within a schema; a change of meaning raises `SCHEMA`.
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
# A trial that ended so is not run again by the same command; a timeout is, where it is given more time.
FINAL: frozenset[Status] = frozenset({"ok", "diverged", "error", "crashed", "out_of_memory"})
FAILED: frozenset[Status] = frozenset({"diverged", "error", "crashed", "timeout", "out_of_memory", "interrupted"})


class JsonStruct(msgspec.Struct, frozen=True, kw_only=True):
    """Base of everything in a record."""


class TaskFacts(JsonStruct, frozen=True, kw_only=True):
    """The task as it was; `name` is qualified."""

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


class DatasetFacts(JsonStruct, frozen=True, kw_only=True):
    """The data; `examples` by split, val as held out by the recipe."""

    name: str
    title: str
    version: int
    origin: str
    licence: str
    fingerprint: str
    homepage: str = ""
    examples: dict[str, int] = {}


Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]  # what a table's column can hold


class ModelFacts(JsonStruct, frozen=True, kw_only=True):
    """The model; the numbers are None until it was built. FLOPs are those of the forward pass of one unit.

    `weights` names the file it began with, empty where it began at random; `weights_option` is what `--weights` said.
    """

    name: str
    title: str
    version: int
    code_sha256: str
    pretrained_on: str = ""
    weights: str = ""
    weights_option: str = ""
    weights_sha256: str = ""
    parameters: Count | None = None
    trainable_parameters: Count | None = None
    size_mib: float | None = None
    flops_per_unit: Count | None = None
    flops_unknown_because: str = ""


class DeviceFacts(JsonStruct, frozen=True, kw_only=True):
    """Where it ran; `kind` is the device class (`cpu`, `cuda` ...), `requested_threads` 0 where the rule chose."""

    kind: str
    name: str = ""
    index: int | None = None
    dtype: str = "float32"
    compiled: bool = False
    requested_threads: int = 0
    threads: int | None = None


class CurvePoint(JsonStruct, frozen=True, kw_only=True):
    """The state at an evaluation: train values are means over the steps since the last one, as they were trained."""

    step: int
    seconds: float
    epoch: float | None = None
    train_loss: float | None = None
    train_score: float | None = None
    val_score: float | None = None


class PhaseFacts(JsonStruct, frozen=True, kw_only=True):
    """One stretch of the trial's wall time, in order."""

    name: str
    seconds: float


class TimeToTarget(JsonStruct, frozen=True, kw_only=True):
    """`met` at `seconds` of training, `missed`, or `not applicable` (no target, or no val split held out)."""

    status: Literal["met", "missed", "not applicable"]
    seconds: float | None = None


class Latency(JsonStruct, frozen=True, kw_only=True):
    """Of the forward pass of one unit, synchronised, after a warm-up; n repeats."""

    median_ms: float
    p95_ms: float
    n: int


class Load(JsonStruct, frozen=True, kw_only=True):
    """How disturbed the timed windows were: CPU and wall seconds, involuntary context switches, other trials."""

    cpu_s: float
    wall_s: float
    involuntary_switches: int | None = None
    trials_beside: int = 0


class TableFacts(JsonStruct, frozen=True, kw_only=True):
    columns: list[str]
    rows: list[list[Any]]


class Measured(JsonStruct, frozen=True, kw_only=True):
    """All that the worker found out; the fields it did not reach keep their defaults."""

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
    per_example: str = ""
    checkpoint: str = ""
    pictures: dict[str, str] = {}
    left_out: dict[str, str] = {}


class BenchmarkFacts(JsonStruct, frozen=True, kw_only=True):
    """What pytest-benchmark measured of a model, apart from any trial: one call, with `examples` units at once.

    `name`: the test. `what`: the forward pass in eval mode, or one optimizer step. Times are of one call; there were
    `rounds` rounds of `iterations` calls. `throughput`: units a second at the median.
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
    """One trial. `key` is its experiment, `id` (key, machine, start) its own name and its file's.

    `source` tells a trial of the runner from what `zoo results import` took from pytest-benchmark: such a record has
    `benchmark` alone, nothing measured by the runner and no score, and is never ranked.
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
    environment: dict[str, Any] = {}
    command: str = ""
    source: Source = "runner"
    benchmark: BenchmarkFacts | None = None

    @property
    def score(self) -> float | None:
        """The test score in the task's metric, None where the trial did not come so far."""
        return self.measured.scores.get(self.task.metric)


class _Head(msgspec.Struct):
    schema: int


def encode(record: Record) -> bytes:
    """The record as JSON, indented for people."""
    try:
        content = msgspec.json.encode(record)
    except UnicodeEncodeError:  # lone surrogates, from arguments or file names that are no UTF-8
        content = json.dumps(_spelled(msgspec.to_builtins(record))).encode()
    return msgspec.json.format(content, indent=1) + b"\n"


def _spelled(value: Any) -> Any:
    """A JSON value with what is no Unicode as `?`, and what is not finite as None."""
    if isinstance(value, dict):
        return {_spelled(key): _spelled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_spelled(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def decode(content: bytes) -> Record:
    """A record from JSON. Raises DamagedRecordError, NewerSchemaError."""
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
    """The JSON Schema of a record."""
    return msgspec.json.schema(Record)
