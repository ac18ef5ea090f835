"""Metadata of tasks, data sets, models, commands and more: frozen, torch-free, and all that `zoo list` reads.

A spec names its code instead of importing it: an `entry` is a string `package.module:name`, which `zoo_core.entries`
resolves. Tasks, data sets and models may have `expected_failures`: a check of `zoo check` -> why it is known to fail.
The registry sets the field `plugin` of every spec; authors leave it empty.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from zoo_core.errors import InvalidSpecError

Origin = Literal["real", "copy", "bundled", "exact", "synthetic"]
Below = Literal["", "results"]
OFFLINE_ORIGINS: tuple[Origin, ...] = ("bundled", "exact", "synthetic")  # these need no network and no local files

PUBLISHED = range(1900, 2200)  # years in which a model can have been published
NO_WEIGHTS = "none"  # the value of `--weights` for random initial weights


@dataclass(frozen=True, kw_only=True, slots=True)
class Param:
    """One hyper-parameter. Its type is that of its default; a default of `None` allows any value.

    choices: all allowed values; empty for no restriction. minimum, maximum: the smallest and the largest allowed
        number; of a list, those of its items.
    unset: for a key that is newer than its kind, the value that stands for a missing key. A resolved recipe leaves the
        key out if it has this value, so that records from before and after have the same recipe. Code reads such a key
        with `recipe.get(key, value)`.

    >>> Param(default=0.1, help="of the units, in training", minimum=0.0).minimum
    0.0
    """

    default: Any
    help: str = ""
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    unset: Any = None


Params = Mapping[str, Any]  # key -> Param, or a plain default, which `zoo_core.recipe` turns into a Param


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
    """A published result.

    value: in the task's metric. source: the page or paper that states it. model: the model that reached it, in words.
    dataset: the data set of the task that it was reached on; "" for the task's first.
    """

    value: float
    source: str
    model: str = ""
    dataset: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """A file to download; `urls` are tried in order.

    urls: addresses. `package:zoo_mine/weights/net.safetensors` is a file inside an installed package, here `zoo_mine`,
        which needs no network.
    name: the file's name, also for `Context.file`. size_mib: its size; an answer of more than twice that is refused.
    sha256, md5: the published checksum in hexadecimal, lower case. The first eight digits of a sha256 are enough:
        torch's file names state no more. A data set's download needs one of the two. Weights need one of them or an
        address with a commit; only a branch on the Hugging Face hub is replaced by its commit at the first download.
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
    fixed_size: the only height and width, in pixels. These three apply only to images, and are ignored for any input
        that does not have three axes.
    max_outputs: largest number of outputs.

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
    export: a callable `export(task, ctx, model) -> protocols.Exportable`, for `zoo export`. Tasks on `Supervised` and
        tasks with a method `exportable` need none. It is for tasks that have records: the files of `entry` are part of
        the experiment key, so a new method there makes all trials run again, and a file of its own does not.
    datasets: names of the data sets, the default first.
    recipe, quick: hyper-parameters that replace those of the kind; `quick` is the short preset.
    chance: the chance level, in the metric. target: the val score that defines time-to-target.
    summary: one sentence, for listings. metric: the score by which models are ranked.
    unit: what is counted, such as "examples". references: published results.
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
    export: str = ""
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
    downloads: the files that `ctx.file` and `ctx.folder` can download. size_mib: of all of them.
    homepage: the web page of the data. licence: of the data.
    version: raise it after a change of the decoding or of the examples.
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
        """Whether the data set needs neither a network nor local files."""
        return self.origin in OFFLINE_ORIGINS


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSpec:
    """A model: one function `entry(signature, **options) -> nn.Module`.

    tasks: the tasks that `zoo bench --all` pairs the model with. By default the tasks of its own plugin: all of them
        if `kind` is empty, else those of that kind.
    kind: the kind on whose tasks, of any plugin, the model can be run.
    accepts: the inputs that the model accepts. title: a short description, for listings and the leaderboard.
    version: raise it after a change that makes earlier results of the model out of date.
    options: the arguments of the build function other than the signature, with defaults.
    recipe: hyper-parameters by task name, `"*"` for every task. quick: the quick preset; it overrides the task's.
    weights: the file of the initial weights. If the build function has a parameter `weights=None`, it gets them as a
        dict of tensors; otherwise they are loaded into the built model by name.
    pretrained_on: the data that these weights were trained on.
    mean, std: the normalisation that these weights expect, per channel of images on [0, 1]; empty: that of the data.
    year: in which the model was published; None if it was not. paper: where, as a web address or `arXiv:1512.03385`.
    source: set by the zoo for a model without a package: a hash of where its code lies.

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
    year: int | None = None
    paper: str = ""
    expected_failures: Mapping[str, str] = field(default_factory=dict)
    version: int = 1
    source: str = ""
    plugin: str = ""

    @property
    def qualified(self) -> str:
        return f"{self.plugin}:{self.name}"

    @property
    def is_family_member(self) -> bool:
        """Whether a ModelFamily resolved the model: then its name has a prefix, as in `timm/resnet18`."""
        return "/" in self.name


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


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggerSpec:
    """A logger, which writes the trials of `zoo bench --log NAME` to a tool for tracking experiments.

    entry: a callable `entry(target) -> loggers.Logger`. It is imported and called in a process of its own.
    summary: one sentence, for listings.
    target: what TARGET means in `--log NAME=TARGET`, in words; "" if the logger takes no target.
    needs: the installed packages that the entry imports, by the names that pip knows.

    >>> LoggerSpec(name="lines", summary="One line for each trial", entry="zoo_mine:Lines", plugin="zoo-mine").qualified
    'zoo-mine:lines'
    """

    name: str
    summary: str
    entry: str
    target: str = ""
    needs: tuple[str, ...] = ()
    plugin: str = ""

    @property
    def qualified(self) -> str:
        return f"{self.plugin}:{self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecutorSpec:
    """An executor, which runs the trials of `zoo bench --executor NAME` on other machines.

    entry: a callable `entry(address) -> executors.Executor`, imported and called when the option names it.
    summary: one sentence, for listings.
    address: what ADDRESS means in `--address ADDRESS`, in words; "" if the executor takes none.
    needs: the installed packages that the entry imports, by the names that pip knows.

    >>> ExecutorSpec(name="ray", summary="Tasks of Ray", entry="zoo_mine:Tasks", plugin="zoo-mine").qualified
    'zoo-mine:ray'
    """

    name: str
    summary: str
    entry: str
    address: str = ""
    needs: tuple[str, ...] = ()
    plugin: str = ""

    @property
    def qualified(self) -> str:
        return f"{self.plugin}:{self.name}"
