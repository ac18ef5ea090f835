"""Metadata of tasks, data sets and models: frozen, torch-free, all that `zoo list` reads.

Code is named, not imported: an `entry` is a string `package.module:name`, which `zoo_core.entries` resolves.
`expected_failures`: of tasks, data sets and models, the name of a check of `zoo check` -> why it is known to fail.
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
GENERATED: tuple[Origin, ...] = ("bundled", "exact", "synthetic")  # no file of a person's is needed

NO_WEIGHTS = "none"  # what `--weights` says for a random beginning

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
PLAIN_TYPES: Mapping[Any, type] = {"str": str, "int": int, "bool": bool}  # as annotations spell them
ENTRY = re.compile(r"[^:]+:[^:]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Param:
    """One hyper-parameter: its default gives its type; `None` takes any value.

    `choices` lists all allowed values; `minimum` is the smallest allowed number.
    """

    default: Any
    help: str = ""
    choices: tuple[Any, ...] = ()
    minimum: float | None = None


Params = Mapping[str, Any]  # key -> Param, or a plain default


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """The form of one example: what a data set gives and what a model is built for.

    Shapes:
        input_shape: of one example without the batch, channels first for images; None where it varies
        (a data set's pattern uses None also for what only its files tell).
        outputs: classes to tell apart, or numbers predicted for an example.
        classes: the classes' names, in the order of the outputs; empty where there are none.
        mean, std: per channel of the train split's inputs, images on the scale [0, 1]; empty until data are open.
        extra: what a plugin's own kind adds, JSON values; `chance`, the score of guessing on these data by metric.
    """

    input_shape: tuple[int | None, ...]
    outputs: int | None = None
    classes: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def features(self) -> int:
        """How many numbers one example holds; an error where a size varies."""
        if None in self.input_shape:
            raise InvalidSpecError(f"input shape {self.input_shape} varies: it has no number of features")
        return math.prod(size for size in self.input_shape if size is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A figure somebody else reached: `value` in the task's metric, and where it is stated."""

    value: float
    source: str
    model: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """A file to be had from the network; `urls` are tried in order.

    `sha256`, `md5`: the published checksum, hexadecimal; of a sha256 its first digits will do, where a publisher tells
    no more (torch's file names have eight). A data set's download has one of them.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str = ""
    md5: str = ""
    size_mib: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepts:
    """What inputs a model can take, declared as data so that pairing imports no torch.

    `channels`: the numbers of channels it takes (empty: any); `min_size`: smallest height and width in pixels;
    `fixed_size`: the only height and width; `max_outputs`: most classes.
    """

    channels: tuple[int, ...] = ()
    min_size: int = 1
    fixed_size: int | None = None
    max_outputs: int | None = None

    def refusal(self, signature: Signature) -> str:
        """Why a model that accepts this cannot take `signature`; empty if it can. Sizes unknown yet are let pass."""
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
    """A task: data set + splits + metric + target + training procedure.

    Split rule, decoding and metric belong to `version`: change one of them and raise it.
    `kind` is a shared kind's name, whose ready body is used, or `<plugin>/<kind>` with an `entry` of the plugin's own:
    a callable `entry(spec) -> protocols.Task`. `datasets`: names, the default first. `recipe` and `quick` override the
    kind's hyper-parameters (`quick` is the short preset). `chance` is the score of guessing, `target` the val score
    whose first reaching is the time to target, `unit` what is counted.
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
    """A data set: where it is from, what it looks like, and the code that reads it.

    `origin`: `real` (the public files), `copy` (altered, e.g. saved as JPEG), `bundled` with a package, `exact`
    (a formula), `synthetic` (drawn by a seeded generator; its constants belong to `version`).
    `entry`: a callable `entry(ctx) -> protocols.Dataset`. `layout`: in words, what a person's folder must hold.
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
        """Whether it needs neither a network nor a person's files."""
        return self.origin in GENERATED


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSpec:
    """A model: one function `entry(signature, **options) -> nn.Module`.

    `tasks`: the registered pairs, by default the tasks of its own plugin that have its `kind`. `kind`: the shared kind
    it can be tried on elsewhere. `options`: what the build function takes beside the signature, with defaults.
    `recipe`: overrides by task name, `"*"` for every task; `quick`: of the quick preset, after the task's.
    `weights`: the file of its first weights, `pretrained_on`: what these were trained on, `mean` and `std`: how they
    want the channels of images on [0, 1] normalised (empty: as the data are). A build function that has a parameter
    `weights=None` is given tensors by name through it; into the model of another they are loaded by name.
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
    """Many models under one prefix (`timm/`), looked up only when asked for.

    `entry`: an object with `resolve(name) -> ModelSpec` and `list(pattern) -> Iterable[str]`; `name` and `pattern`
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
    """A command below `zoo`; `entry` is a function or a `typer.Typer`, imported when the command is called.

    With `below="results"` it is a command of `zoo results`.
    """

    name: str
    help: str
    entry: str
    plugin: str = ""
    below: Below = ""


def check_spec(spec: TaskSpec | DatasetSpec | ModelSpec | ModelFamily | CommandSpec) -> None:
    """Refuse metadata that cannot work. Raises InvalidSpecError naming the field."""
    name = spec.prefix.rstrip("/") if isinstance(spec, ModelFamily) else spec.name
    what = type(spec).__name__
    if not NAME.fullmatch(name):
        raise InvalidSpecError(f"{what} name {name!r}: use up to 64 of a-z 0-9 . _ - and begin with a letter or digit")
    for item in fields(spec):
        value, expected = getattr(spec, item.name), PLAIN_TYPES.get(item.type)
        if expected is not None and type(value) is not expected:
            raise InvalidSpecError(f"{what} {name}: {item.name} is {value!r}, not of type {item.type}")
    for download in spec.downloads if isinstance(spec, DatasetSpec) else ():
        if not (download.sha256 or download.md5):
            raise InvalidSpecError(f"dataset {name}: download {download.name} has no checksum: nobody could trust it")
    if isinstance(spec, CommandSpec) and spec.below not in BELOW:
        raise InvalidSpecError(f"command {name}: it cannot be put below {spec.below!r}, only below {BELOW[1]!r}")
    if isinstance(spec, ModelSpec) and len(spec.mean) != len(spec.std):
        raise InvalidSpecError(f"model {name}: `mean` has {len(spec.mean)} channels, `std` {len(spec.std)}")
    if isinstance(spec, TaskSpec):
        datasets: object = spec.datasets
        if isinstance(datasets, str):
            raise InvalidSpecError(f"task {name}: `datasets` is a text, not a tuple: write ({spec.datasets!r},)")
        if not spec.datasets:
            raise InvalidSpecError(f"task {name}: `datasets` is empty; name at least one")
        if "/" in spec.kind and not spec.entry:
            raise InvalidSpecError(
                f"task {name}: kind {spec.kind!r} is the plugin's own, so `entry` must name its body"
            )
    if (spec.entry or not isinstance(spec, TaskSpec)) and not ENTRY.fullmatch(spec.entry):
        raise InvalidSpecError(f"{what} {name}: entry {spec.entry!r} is not of the form package.module:name")
