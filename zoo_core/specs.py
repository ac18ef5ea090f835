"""Metadata of tasks, data sets, models and commands: frozen, torch-free, and all that `zoo list` reads.

A spec names its code instead of importing it: an `entry` is a string `package.module:name`, which `zoo_core.entries`
resolves. Tasks, data sets and models may have `expected_failures`: a check of `zoo check` -> why it is known to fail.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from zoo_core.errors import InvalidSpecError

Origin = Literal["real", "copy", "bundled", "exact", "synthetic"]
Below = Literal["", "results"]
BELOW: tuple[Below, ...] = get_args(Below)
GENERATED: tuple[Origin, ...] = ("bundled", "exact", "synthetic")  # these need no files of the user

NO_WEIGHTS = "none"  # the value of `--weights` for random initial weights

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
PLAIN_TYPES: Mapping[Any, type] = {"str": str, "int": int, "bool": bool}  # annotation -> type to check
ENTRY = re.compile(r"[^:]+:[^:]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Param:
    """One hyper-parameter. Its type is that of its default; a default of `None` allows any value.

    choices: all allowed values; empty for no restriction. minimum: the smallest allowed number.

    >>> Param(default=0.1, help="of the units, in training", minimum=0.0)
    Param(default=0.1, help='of the units, in training', choices=(), minimum=0.0)
    """

    default: Any
    help: str = ""
    choices: tuple[Any, ...] = ()
    minimum: float | None = None


Params = Mapping[str, Any]  # key -> Param, or just its default


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """The form of one example: what a data set provides and what a model is built for.

    input_shape: shape of one example without the batch axis; images are (channels, height, width). None marks a size
        that varies, or that is known only once the files are open.
    outputs: number of classes, or of predicted values per example.
    classes: class names in the order of the outputs; empty for other problems.
    mean, std: of the train split's inputs, per channel; images on the scale [0, 1]. Empty until the data are open.
    extra: JSON values for a plugin's own kind. `extra["chance"]` maps a metric to the chance level on these data.

    >>> Signature(input_shape=(1, 28, 28), outputs=10).features
    784
    """

    input_shape: tuple[int | None, ...]
    outputs: int | None = None
    classes: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def features(self) -> int:
        """Number of values in one input, such as the input size of a linear layer; not a backbone's features.

        Raises InvalidSpecError if a size varies.
        """
        if None in self.input_shape:
            raise InvalidSpecError(f"input shape {self.input_shape} varies: it has no number of features")
        return math.prod(size for size in self.input_shape if size is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A published result: `value` in the task's metric, and `source`, the page or paper that states it."""

    value: float
    source: str
    model: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """A file to download; `urls` are tried in order.

    sha256, md5: the published checksum in hexadecimal. The first digits of a sha256 are enough: torch's file names
        state only eight. A data set's download needs one of the two.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str = ""
    md5: str = ""
    size_mib: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepts:
    """The inputs that a model accepts, declared as data so that pairing models with tasks imports no torch.

    channels: accepted numbers of channels; empty for any. min_size: smallest height and width, in pixels.
    fixed_size: the only height and width, in pixels. max_outputs: largest number of outputs.

    >>> Accepts(channels=(3,)).refusal(Signature(input_shape=(1, 28, 28), outputs=10))
    'it takes 3 channels, the data have 1'
    """

    channels: tuple[int, ...] = ()
    min_size: int = 1
    fixed_size: int | None = None
    max_outputs: int | None = None

    def refusal(self, signature: Signature) -> str:
        """Return why the model cannot take inputs of this signature, or "" if it can. Unknown sizes pass."""
        shape = signature.input_shape
        if len(shape) == 3:
            if self.channels and shape[0] is not None and shape[0] not in self.channels:
                return f"it takes {' or '.join(map(str, self.channels))} channels, the data have {shape[0]}"
            for size in shape[1:]:
                if size is not None and size < self.min_size:
                    advice = f"try --set image_size={self.min_size}"
                    return f"it needs {self.min_size} pixels a side, it would get {size}: {advice}"
                if size is not None and self.fixed_size not in (None, size):
                    return f"it takes {self.fixed_size} pixels a side, it would get {size}"
        if self.max_outputs is not None and (signature.outputs or 0) > self.max_outputs:
            return f"it has at most {self.max_outputs} outputs, the data need {signature.outputs}"
        return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskSpec:
    """A task: data set, splits, metric, target and training procedure.

    kind: a shared kind, which brings a ready implementation; or `<plugin>/<kind>`, which needs an `entry`.
    entry: a callable `entry(spec) -> protocols.Task`.
    datasets: names of the data sets, the default first.
    recipe, quick: hyper-parameters that replace those of the kind; `quick` is the short preset.
    chance: the chance level, in the metric. target: the val score that defines time-to-target.
    unit: what is counted, such as "examples".
    version: raise it after a change of the split rule, the decoding or the metric.

    >>> task = TaskSpec(name="sine", title="Sine", summary="y = sin(x)", kind="regression", datasets=("sine",),
    ...                 metric="mse", higher_is_better=False, target=0.01, plugin="zoo-mine")
    >>> task.qualified
    'zoo-mine:sine'
    """

    name: str
    title: str
    summary: str
    kind: str
    datasets: tuple[str, ...]
    metric: str
    higher_is_better: bool
    chance: float | None = None
    target: float | None = None
    unit: str = "examples"
    recipe: Params = field(default_factory=dict)
    quick: Mapping[str, Any] = field(default_factory=dict)
    references: tuple[Reference, ...] = ()
    expected_failures: Mapping[str, str] = field(default_factory=dict)
    entry: str = ""
    version: int = 1
    plugin: str = ""

    @property
    def qualified(self) -> str:
        return f"{self.plugin}:{self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetSpec:
    """A data set: its source, the form of its examples, and the code that reads it.

    origin: `real` (the public files), `copy` (altered, such as saved as JPEG), `bundled` (with a package), `exact`
        (a formula) or `synthetic` (drawn by a seeded generator; a change of its constants raises `version`).
    signature: may have None for sizes that only the files show.
    entry: a callable `entry(ctx) -> protocols.Dataset`.
    layout: in words, what the folder given by `--data-root` must hold.
    """

    name: str
    title: str
    origin: Origin
    licence: str
    signature: Signature
    entry: str
    homepage: str = ""
    size_mib: float = 0.0
    layout: str = ""
    downloads: tuple[Download, ...] = ()
    expected_failures: Mapping[str, str] = field(default_factory=dict)
    version: int = 1
    plugin: str = ""

    @property
    def qualified(self) -> str:
        return f"{self.plugin}:{self.name}"

    @property
    def offline(self) -> bool:
        """Whether the data set needs neither a network nor files of the user."""
        return self.origin in GENERATED


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSpec:
    """A model: one function `entry(signature, **options) -> nn.Module`.

    tasks: the tasks that `zoo bench --all` pairs the model with; by default those of its own plugin and `kind`.
    kind: the shared kind on whose tasks, of any plugin, the model can be run.
    options: the arguments of the build function other than the signature, with defaults.
    recipe: hyper-parameters by task name, `"*"` for every task. quick: the quick preset; it overrides the task's.
    weights: the file of the initial weights. If the build function has a parameter `weights=None`, it gets them as a
        dict of tensors; otherwise they are loaded into the built model by name.
    pretrained_on: the data that these weights were trained on.
    mean, std: the normalisation that these weights expect, per channel of images on [0, 1]; empty: that of the data.

    >>> ModelSpec(name="mlp", entry="zoo_mine.models:mlp", options={"width": 32}, plugin="zoo-mine").qualified
    'zoo-mine:mlp'
    """

    name: str
    entry: str
    title: str = ""
    kind: str = ""
    tasks: tuple[str, ...] | None = None
    accepts: Accepts = field(default_factory=Accepts)
    options: Params = field(default_factory=dict)
    recipe: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    quick: Mapping[str, Any] = field(default_factory=dict)
    weights: Download | None = None
    pretrained_on: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    expected_failures: Mapping[str, str] = field(default_factory=dict)
    version: int = 1
    plugin: str = ""

    @property
    def qualified(self) -> str:
        return f"{self.plugin}:{self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFamily:
    """Many models under one prefix, such as `timm/`, which are looked up only on demand.

    entry: an object with `resolve(name) -> ModelSpec` and `list(pattern) -> Iterable[str]`; `name` and `pattern`
        include the prefix.
    """

    prefix: str
    title: str
    entry: str
    plugin: str = ""

    @property
    def qualified(self) -> str:
        return f"{self.plugin}:{self.prefix}"


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandSpec:
    """A command below `zoo`, or with `below="results"` below `zoo results`.

    entry: a function or a `typer.Typer`, imported when the command is called.
    """

    name: str
    help: str
    entry: str
    plugin: str = ""
    below: Below = ""


def check_spec(spec: TaskSpec | DatasetSpec | ModelSpec | ModelFamily | CommandSpec) -> None:
    """Validate a spec. Raises InvalidSpecError, which names the field and its value."""
    name = spec.prefix.rstrip("/") if isinstance(spec, ModelFamily) else spec.name
    spec_type = type(spec).__name__
    if not NAME.fullmatch(name):
        raise InvalidSpecError(
            f"{spec_type} name {name!r}: use up to 64 of a-z 0-9 . _ - and begin with a letter or digit"
        )
    for item in fields(spec):
        value, expected = getattr(spec, item.name), PLAIN_TYPES.get(item.type)
        if expected is not None and type(value) is not expected:
            raise InvalidSpecError(f"{spec_type} {name}: {item.name} is {value!r}, not of type {item.type}")
    for download in spec.downloads if isinstance(spec, DatasetSpec) else ():
        if not (download.sha256 or download.md5):
            raise InvalidSpecError(f"dataset {name}: download {download.name} has no checksum: give sha256 or md5")
    if isinstance(spec, CommandSpec) and spec.below not in BELOW:
        raise InvalidSpecError(f"command {name}: `below` is {spec.below!r}; allowed: {BELOW[1]!r}")
    if isinstance(spec, ModelSpec) and len(spec.mean) != len(spec.std):
        raise InvalidSpecError(f"model {name}: `mean` has {len(spec.mean)} channels, `std` {len(spec.std)}")
    if isinstance(spec, TaskSpec):
        datasets: object = spec.datasets
        if isinstance(datasets, str):
            raise InvalidSpecError(f"task {name}: `datasets` is a string, not a tuple: write ({spec.datasets!r},)")
        if not spec.datasets:
            raise InvalidSpecError(f"task {name}: `datasets` is empty; name at least one")
        if "/" in spec.kind and not spec.entry:
            raise InvalidSpecError(
                f"task {name}: {spec.kind!r} is no shared kind, so `entry` must name the task's class"
            )
    if (spec.entry or not isinstance(spec, TaskSpec)) and not ENTRY.fullmatch(spec.entry):
        raise InvalidSpecError(f"{spec_type} {name}: entry {spec.entry!r} is not of the form package.module:name")
