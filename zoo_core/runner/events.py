"""The messages between parent and worker, in JSON: jobs to the worker, events to the parent."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, TypeAlias

import msgspec

from zoo_core.entries.codehash import Code
from zoo_core.export import SAFETENSORS
from zoo_core.results.records import ONNXRUNTIME, CurvePoint, JsonStruct, Measured, Status
from zoo_core.runner.identity import TrialCode


class BaseJob(JsonStruct, frozen=True, kw_only=True):
    """Base of all jobs. The worker calls the function `handler` with the job, and sends what it returns as a JobResult.

    handler: `package.module:function`. sends_events: whether the function also gets `send` and sends all events itself.
    """

    handler: ClassVar[str]
    sends_events: ClassVar[bool] = False

    @property
    def log_folder(self) -> str:
        """The folder for the output that the job's code prints; "" for the caller's standard error."""
        return ""

    @property
    def refuses_network(self) -> bool:
        """Whether the worker must refuse every connection while it does the job."""
        return bool(getattr(self, "offline", False))


class DevicesJob(BaseJob, frozen=True, kw_only=True, tag="devices"):
    """List the accelerators that torch can use."""

    handler: ClassVar[str] = "zoo_core.runner.handlers:list_devices"


class OpenJob(BaseJob, frozen=True, kw_only=True, tag="open"):
    """Decode a data set before its trials run. `code`: of the data set, by default what is on the disk."""

    handler: ClassVar[str] = "zoo_core.runner.handlers:open_dataset"

    dataset: str
    fingerprint: str
    data_root: str | None
    offline: bool
    code: Code | None = None


class TrialJob(BaseJob, frozen=True, kw_only=True, tag="trial"):
    """Run one trial. Names are qualified; artifacts go to the folder `staging`.

    onnxruntime, inspect, profile: the extras, which come after the measurements: whether to measure the latency in
    onnxruntime, whether to draw what the model does inside, and what to profile.
    code, specs, recipes: what was planned (see identity.py); None and "" to run whatever is on the disk.
    scored_apart: whether a process without the model scores the predictions again (see scoring.py).
    cpus: the logical CPUs that the trial is pinned to; empty for all. max_threads: the most CPU threads that the zoo
    chooses; 0 for as many as there are usable CPUs. max_memory_mib: that all its processes may take; 0 for no limit.
    """

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
    weights_sha256: str = ""
    save: bool = False
    onnxruntime: bool = False
    inspect: bool = False
    profile: Literal["", "time", "memory"] = ""
    sandbox: bool = False
    code: TrialCode | None = None
    specs: str = ""
    recipes: str = ""
    scored_apart: bool = False
    cpus: list[int] = []
    max_threads: int = 0
    max_memory_mib: int = 0

    @property
    def log_folder(self) -> str:
        return self.staging

    @property
    def extras(self) -> list[str]:
        """What was asked for that is done once the trial is scored and measured, by its name in `Measured.left_out`."""
        asked = {"inspection": self.inspect, ONNXRUNTIME: self.onnxruntime, "profile": bool(self.profile)}
        return [name for name, is_asked in asked.items() if is_asked]


class ScoreJob(TrialJob, frozen=True, kw_only=True, tag="score"):
    """Score the predictions of the trial again. `sha256`: of their file. `per_example`: the file of the worker.

    hidden: the worker had no labels of test, so the results of this job are those of the trial; see hidden_labels.py.
    """

    handler: ClassVar[str] = "zoo_core.runner.scoring:score_predictions"
    sends_events: ClassVar[bool] = False

    sha256: str
    per_example: str
    hidden: bool = False

    @property
    def log_folder(self) -> str:
        return ""


class TryJob(TrialJob, frozen=True, kw_only=True, tag="try"):
    """Build the trial's model with its weights and run it once, to see whether it can take the data."""

    handler: ClassVar[str] = "zoo_core.runner.handlers:try_model"
    sends_events: ClassVar[bool] = False

    @property
    def log_folder(self) -> str:
        return ""


class WeightsJob(BaseJob, frozen=True, kw_only=True, tag="weights"):
    """Find the file with a model's initial weights; fetch it if needed."""

    handler: ClassVar[str] = "zoo_core.runner.handlers:find_weights"

    model: str
    offline: bool


class EvaluateJob(BaseJob, frozen=True, kw_only=True, tag="evaluate"):
    """Score a saved model again.

    dataset: "" for the one that it was trained on. threads: 0 for the number in the training.
    model: the file of a model without a package.
    """

    handler: ClassVar[str] = "zoo_core.runner.handlers:evaluate_checkpoint"

    checkpoint: str
    dataset: str
    data_root: str | None
    offline: bool
    device: str
    threads: int
    model: str = ""


class ExportJob(BaseJob, frozen=True, kw_only=True, tag="export"):
    """Write a saved model into a file of another format, and compare both on examples of test.

    form: a key of `export.SUFFIXES`. out: the file, "" to name it in `folder` by the model and the task; an existing
    one is replaced only with `force`. opset: 0 for the exporter's own choice. tolerance: the largest difference, as a
    share of the largest output.
    dataset, data_root, offline, model: as in `EvaluateJob`.
    """

    handler: ClassVar[str] = "zoo_core.runner.handlers:export_checkpoint"

    checkpoint: str
    form: str
    out: str
    folder: str
    force: bool
    opset: int
    tolerance: float
    dataset: str
    data_root: str | None
    offline: bool
    model: str = ""

    @property
    def refuses_network(self) -> bool:
        return self.offline or self.form == SAFETENSORS  # only a comparison on the data may have to fetch these


class ParametersJob(BaseJob, frozen=True, kw_only=True, tag="parameters"):
    """Describe the weights of a saved model. pictures: a folder for pictures of them, "" for none."""

    handler: ClassVar[str] = "zoo_core.runner.handlers:describe_parameters"

    checkpoint: str
    pictures: str = ""
    model: str = ""

    @property
    def refuses_network(self) -> bool:
        return True


class PredictJob(BaseJob, frozen=True, kw_only=True, tag="predict"):
    """Predict local files with a saved model.

    top: the number of predictions per file; 0 for as many as suit the task. model: the file of a model without a
    package. pictures: a new file for each file, into which its predictions are drawn; empty for none.
    """

    handler: ClassVar[str] = "zoo_core.runner.handlers:predict_files"

    checkpoint: str
    files: list[str]
    top: int
    device: str
    model: str = ""
    pictures: list[str] = []

    @property
    def refuses_network(self) -> bool:
        return True  # predicting needs no network, and the checkpoint may come from someone else


class InspectJob(BaseJob, frozen=True, kw_only=True, tag="inspect"):
    """Look inside a saved model: draw what one of its layers does with files, or with test images of its data set.

    files: images; empty for test images. dataset: as in EvaluateJob. layer: "" for the last convolution.
    of_class: the class that Grad-CAM explains, "" for the predicted one. channels: those to show, empty for a choice.
    folder: for the pictures; "" to list the layers. model: the file of a model without a package.
    """

    handler: ClassVar[str] = "zoo_core.runner.handlers:inspect_model"

    checkpoint: str
    files: list[str]
    dataset: str
    data_root: str | None
    offline: bool
    device: str
    layer: str
    of_class: str
    channels: list[int]
    folder: str
    model: str = ""

    @property
    def refuses_network(self) -> bool:
        return self.offline or bool(self.files) or not self.folder  # only a data set may have to be fetched


class CheckJob(BaseJob, frozen=True, kw_only=True, tag="check"):
    """Run checks of one subject, in order.

    subject, task: names. outcomes: the state of each check that has already run.
    folder: an empty folder for everything that the checks and the plugin write.
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


class LogJob(BaseJob, frozen=True, kw_only=True, tag="log"):
    """Call a logger with the trials of a run.

    entry, target: of the logger's spec, and of `--log NAME=TARGET`. folder: for the calls (see log_calls.py).
    """

    handler: ClassVar[str] = "zoo_core.runner.log_calls:call_logger"
    sends_events: ClassVar[bool] = True

    entry: str
    target: str
    folder: str

    @property
    def log_folder(self) -> str:
        return self.folder


Job: TypeAlias = (
    DevicesJob
    | OpenJob
    | TrialJob
    | ScoreJob
    | TryJob
    | WeightsJob
    | EvaluateJob
    | ExportJob
    | ParametersJob
    | PredictJob
    | InspectJob
    | CheckJob
    | LogJob
)


class PhaseBegan(JsonStruct, frozen=True, kw_only=True, tag="phase"):
    """A phase of the trial began."""

    name: str


class CodeLoaded(JsonStruct, frozen=True, kw_only=True, tag="code"):
    """The worker is about to run a file of code: its absolute path, and its SHA-256 as in `entries.codehash`."""

    path: str
    sha256: str


class DataOpened(JsonStruct, frozen=True, kw_only=True, tag="data opened"):
    """Code of the trial opened a file of the data: a decoded one of `test`, or one that was sealed and so `refused`.

    split: "" for a file from which the data are decoded. inputs: it holds the inputs of `test`, not the labels.
    by: whose code, with file and line.
    """

    split: str
    inputs: bool
    file: str
    by: str
    refused: bool


class Tampered(JsonStruct, frozen=True, kw_only=True, tag="tampered"):
    """The trial's code replaced a function on which the measurement relies: its full name."""

    name: str


class Predicted(JsonStruct, frozen=True, kw_only=True, tag="predicted"):
    """The predictions for the inputs of `test` are in the file PREDICTIONS of the staging folder, with this hash."""

    sha256: str


class Progress(JsonStruct, frozen=True, kw_only=True, tag="progress"):
    """Progress of the training: `share` that is done, in [0, 1], and `rate` in units per second."""

    step: int
    share: float
    rate: float


class Evaluated(JsonStruct, frozen=True, kw_only=True, tag="point"):
    """A new point of the training curve."""

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

    threads: int


class TorchBuild(JsonStruct, frozen=True, kw_only=True):
    """The versions of torch and of the CUDA that it was built with, for the record; `cuda` is "" without CUDA."""

    torch: str
    cuda: str


class Facts(JsonStruct, frozen=True, kw_only=True, tag="facts"):
    """What the worker knows before training, for the record. `examples`: number by split."""

    chance: int | float | None
    model: ModelSize
    device: DeviceInUse
    environment: TorchBuild
    examples: dict[str, int]


class JobResult(JsonStruct, frozen=True, kw_only=True, tag="result"):
    """The result of a job, such as devices, the data's signature and split sizes, a path, scores or a table."""

    value: Any


class JobFailed(JsonStruct, frozen=True, kw_only=True, tag="failed"):
    """The job failed with an error. `error`: the name of a class in `zoo_core.errors`, "" for any other exception.

    `reason` is one line for people; `traceback` has everything.
    """

    error: str
    reason: str
    traceback: str = ""


class TrialDone(JsonStruct, frozen=True, kw_only=True, tag="trial done"):
    """The last event of a trial: its status, measurements and seconds by phase. A worker that dies sends none.

    spent_s: the part of `train_s` that the results of cached phases took to compute, in an earlier process.
    fault: the machine's, such as a full disk. The status is then `interrupted`, or `ok` if only artifacts are missing.
    """

    status: Status
    measured: Measured
    phases: dict[str, float]
    spent_s: float = 0.0
    reason: str = ""
    traceback: str = ""
    fault: str = ""


class ExtrasBegan(JsonStruct, frozen=True, kw_only=True, tag="extras began"):
    """The trial is scored and measured. `done` ends it if its worker dies, hangs or fails while it adds the extras."""

    done: TrialDone


class CheckBegan(JsonStruct, frozen=True, kw_only=True, tag="check began"):
    """A check began."""

    name: str


class CheckEnded(JsonStruct, frozen=True, kw_only=True, tag="check ended"):
    """A check ended. `applies` is False if it was skipped because it is not applicable to the subject."""

    name: str
    state: str
    reason: str = ""
    seconds: float = 0.0
    applies: bool = True


class LoggerReady(JsonStruct, frozen=True, kw_only=True, tag="logger ready"):
    """The logger was made, and waits for trials."""


LAST_EVENTS = (TrialDone, JobResult, JobFailed)  # a worker sends one of these, and then ends

Event: TypeAlias = (
    PhaseBegan
    | CodeLoaded
    | DataOpened
    | Tampered
    | Predicted
    | Progress
    | Evaluated
    | Facts
    | JobResult
    | JobFailed
    | TrialDone
    | ExtrasBegan
    | CheckBegan
    | CheckEnded
    | LoggerReady
)

encode = msgspec.json.Encoder().encode
decode_job = msgspec.json.Decoder(Job).decode
decode_event = msgspec.json.Decoder(Event).decode
