"""What passes between the parent and a worker: jobs down, events up; JSON, never objects."""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias

import msgspec

from zoo_core.results.records import CurvePoint, JsonStruct, Measured, Status


class BaseJob(JsonStruct, frozen=True, kw_only=True):
    """A job names its handler, `package.module:function`, which the worker calls; what it returns is sent as `Found`.

    With `sends_events` the handler is called with the job and `send`, and sends its events itself.
    """

    handler: ClassVar[str]
    sends_events: ClassVar[bool] = False

    @property
    def log_folder(self) -> str:
        """Where the worker keeps what the job's code prints; empty: it goes to the caller's terminal."""
        return ""

    @property
    def refuses_network(self) -> bool:
        return bool(getattr(self, "offline", False))


class DevicesJob(BaseJob, frozen=True, kw_only=True, tag="devices"):
    """Which accelerators does torch see?"""

    handler: ClassVar[str] = "zoo_core.runner.handlers:list_devices"


class OpenJob(BaseJob, frozen=True, kw_only=True, tag="open"):
    """Decode a data set, so that trials find it ready."""

    handler: ClassVar[str] = "zoo_core.runner.handlers:open_dataset"

    dataset: str
    fingerprint: str
    data_root: str | None
    offline: bool


class TrialJob(BaseJob, frozen=True, kw_only=True, tag="trial"):
    """Everything one trial needs. Names are qualified; `staging` takes its artifacts."""

    handler: ClassVar[str] = "zoo_core.runner.trial:run_trial"
    sends_events: ClassVar[bool] = True

    task: str
    dataset: str
    model: str
    fingerprint: str
    recipe: dict[str, Any]
    seed: int
    device: str
    dtype: str
    compiled: bool
    threads: int
    budget_s: float | None
    data_root: str | None
    offline: bool
    staging: str
    weights: str = ""
    save: bool = False

    @property
    def log_folder(self) -> str:
        return self.staging


class TryJob(TrialJob, frozen=True, kw_only=True, tag="try"):
    """Build the trial's model with its weights and let it answer once: whether it can take the data at all."""

    handler: ClassVar[str] = "zoo_core.runner.handlers:try_model"
    sends_events: ClassVar[bool] = False

    @property
    def log_folder(self) -> str:
        return ""


class WeightsJob(BaseJob, frozen=True, kw_only=True, tag="weights"):
    """Where is the file of a model's first weights? Fetched if need be."""

    handler: ClassVar[str] = "zoo_core.runner.handlers:find_weights"

    model: str
    offline: bool


class EvaluateJob(BaseJob, frozen=True, kw_only=True, tag="evaluate"):
    """Score a saved model again; `dataset` is empty for the one it was trained on, `threads` 0 for as many as then.

    `model`: the file of a model without a package; so in `PredictJob`.
    """

    handler: ClassVar[str] = "zoo_core.runner.handlers:evaluate_checkpoint"

    checkpoint: str
    dataset: str
    data_root: str | None
    offline: bool
    device: str
    threads: int
    model: str = ""


class PredictJob(BaseJob, frozen=True, kw_only=True, tag="predict"):
    """Let a saved model answer a person's files."""

    handler: ClassVar[str] = "zoo_core.runner.handlers:predict_files"

    checkpoint: str
    files: list[str]
    top: int
    device: str
    model: str = ""

    @property
    def refuses_network(self) -> bool:
        return True  # it needs none, and its checkpoint may be a stranger's


class CheckJob(BaseJob, frozen=True, kw_only=True, tag="check"):
    """Run checks of one subject, in order. `outcomes`: how the checks before them ended, state by name.

    `subject` and `task` are names; `folder` is empty and takes whatever the checks and the plugin write.
    """

    handler: ClassVar[str] = "zoo_core.checks.child:run_checks"
    sends_events: ClassVar[bool] = True

    what: str
    subject: str
    task: str
    checks: list[str]
    outcomes: dict[str, str]
    data_root: str | None
    folder: str
    timeout_s: float

    @property
    def log_folder(self) -> str:
        return self.folder


Job: TypeAlias = DevicesJob | OpenJob | TrialJob | TryJob | WeightsJob | EvaluateJob | PredictJob | CheckJob


class PhaseBegan(JsonStruct, frozen=True, kw_only=True, tag="phase"):
    name: str


class Progress(JsonStruct, frozen=True, kw_only=True, tag="progress"):
    """Now and then while training; `share` of it done in [0, 1], `rate` in units a second."""

    step: int
    share: float
    rate: float


class Evaluated(JsonStruct, frozen=True, kw_only=True, tag="point"):
    point: CurvePoint


class ModelSize(JsonStruct, frozen=True, kw_only=True):
    """The fields of `ModelFacts` that are known once the model is built."""

    parameters: int
    trainable_parameters: int
    size_mib: float
    flops_per_unit: int | None = None
    flops_unknown_because: str = ""


class DeviceInUse(JsonStruct, frozen=True, kw_only=True):
    """The fields of `DeviceFacts` that only the worker knows."""

    name: str
    threads: int


class TorchBuild(JsonStruct, frozen=True, kw_only=True):
    """The versions of torch and of its CUDA, for the record's environment; `cuda` is empty in a build without it."""

    torch: str
    cuda: str


class Facts(JsonStruct, frozen=True, kw_only=True, tag="facts"):
    """Facts that the worker finds before training and the record takes over; `examples` by split."""

    chance: int | float | None
    model: ModelSize
    device: DeviceInUse
    environment: TorchBuild
    examples: dict[str, int]


class Found(JsonStruct, frozen=True, kw_only=True, tag="found"):
    """The answer to a job that asks: devices, the data's signature and split sizes, a path, scores, a table."""

    value: Any


class Refused(JsonStruct, frozen=True, kw_only=True, tag="refused"):
    """A job that ended before it began: `error` is a class of `zoo_core.errors`."""

    error: str
    reason: str


class Done(JsonStruct, frozen=True, kw_only=True, tag="done"):
    """A trial's end as the worker saw it."""

    status: Status
    measured: Measured
    phases: dict[str, float]
    reason: str = ""
    traceback: str = ""


class CheckBegan(JsonStruct, frozen=True, kw_only=True, tag="check began"):
    name: str


class CheckEnded(JsonStruct, frozen=True, kw_only=True, tag="check ended"):
    """`applies` is false where a check is skipped because it has no meaning for its subject."""

    name: str
    state: str
    reason: str = ""
    seconds: float = 0.0
    applies: bool = True


Event: TypeAlias = PhaseBegan | Progress | Evaluated | Facts | Found | Refused | Done | CheckBegan | CheckEnded

encode = msgspec.json.Encoder().encode
decode_job = msgspec.json.Decoder(Job).decode
decode_event = msgspec.json.Decoder(Event).decode
