"""What passes between the parent and a worker: jobs down, events up; JSON, never objects."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from zoo_core.records import CurvePoint, Measured, Part, Status


class DevicesJob(Part, frozen=True, kw_only=True, tag="devices"):
    """Which accelerators does torch see?"""


class OpenJob(Part, frozen=True, kw_only=True, tag="open"):
    """Decode a data set, so that trials find it ready."""

    dataset: str
    fingerprint: str
    data_root: str | None
    offline: bool


class TrialJob(Part, frozen=True, kw_only=True, tag="trial"):
    """Everything one trial needs. Names are qualified; `staging` takes its artifacts."""

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


class TryJob(TrialJob, frozen=True, kw_only=True, tag="try"):
    """Build the trial's model with its weights and let it answer once: whether it can take the data at all."""


class WeightsJob(Part, frozen=True, kw_only=True, tag="weights"):
    """Where is the file of a model's first weights? Fetched if need be."""

    model: str
    offline: bool


class EvaluateJob(Part, frozen=True, kw_only=True, tag="evaluate"):
    """Score a saved model again; `dataset` is empty for the one it was trained on, `threads` 0 for as many as then.

    `model`: the file of a model without a package; so in `PredictJob`.
    """

    checkpoint: str
    dataset: str
    data_root: str | None
    offline: bool
    device: str
    threads: int
    model: str = ""


class PredictJob(Part, frozen=True, kw_only=True, tag="predict"):
    """Let a saved model answer a person's files."""

    checkpoint: str
    files: list[str]
    top: int
    device: str
    model: str = ""


class CheckJob(Part, frozen=True, kw_only=True, tag="check"):
    """Run checks of one subject, in order. `outcomes`: how the checks before them ended, state by name.

    `subject` and `task` are names; `folder` is empty and takes whatever the checks and the plugin write.
    """

    what: str
    subject: str
    task: str
    checks: list[str]
    outcomes: dict[str, str]
    data_root: str | None
    folder: str
    timeout_s: float


Job: TypeAlias = DevicesJob | OpenJob | TrialJob | TryJob | WeightsJob | EvaluateJob | PredictJob | CheckJob


class PhaseBegan(Part, frozen=True, kw_only=True, tag="phase"):
    name: str


class Progress(Part, frozen=True, kw_only=True, tag="progress"):
    """Now and then while training; `share` of it done in [0, 1], `rate` in units a second."""

    step: int
    share: float
    rate: float


class Point(Part, frozen=True, kw_only=True, tag="point"):
    point: CurvePoint


class Facts(Part, frozen=True, kw_only=True, tag="facts"):
    """What the worker learned before training; fields of the record's task, model and device, and the split sizes."""

    task: dict[str, Any] = {}
    model: dict[str, Any] = {}
    device: dict[str, Any] = {}
    environment: dict[str, Any] = {}
    examples: dict[str, int] = {}


class Found(Part, frozen=True, kw_only=True, tag="found"):
    """The answer to a job that asks: devices, the data's signature and split sizes, a path, scores, a table."""

    value: Any


class Refused(Part, frozen=True, kw_only=True, tag="refused"):
    """A job that ended before it began: `error` is a class of `zoo_core.errors`."""

    error: str
    reason: str


class Done(Part, frozen=True, kw_only=True, tag="done"):
    """A trial's end as the worker saw it."""

    status: Status
    measured: Measured
    phases: dict[str, float]
    reason: str = ""
    traceback: str = ""


class CheckBegan(Part, frozen=True, kw_only=True, tag="check began"):
    name: str


class CheckEnded(Part, frozen=True, kw_only=True, tag="check ended"):
    """`applies` is false where a check is skipped because it has no meaning for its subject."""

    name: str
    state: str
    reason: str = ""
    seconds: float = 0.0
    applies: bool = True


Event: TypeAlias = PhaseBegan | Progress | Point | Facts | Found | Refused | Done | CheckBegan | CheckEnded

encode = msgspec.json.Encoder().encode
decode_job = msgspec.json.Decoder(Job).decode
decode_event = msgspec.json.Decoder(Event).decode
