"""The request: the options of one `zoo bench` or `zoo.bench` call, validated and with names resolved to specs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from zoo_core.data.downloads import digest_of
from zoo_core.errors import RecipeError, UnknownNameError, UsageError
from zoo_core.export import ONNX, require_packages
from zoo_core.files import open_regular
from zoo_core.inside import require_captum
from zoo_core.recipe import helps
from zoo_core.registry import Pair, Registry, is_pattern
from zoo_core.runner import sandbox
from zoo_core.runner.pair_recipe import pair_parameters
from zoo_core.runner.selection import Selection, choose_pairs
from zoo_core.specs import NO_WEIGHTS, LoggerSpec, ModelSpec


@dataclass(frozen=True, slots=True)
class LogTarget:
    """A logger with its target, as in `--log NAME=TARGET`."""

    spec: LoggerSpec
    target: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One `zoo bench` call, with names resolved to specs.

    named_task: the caller named tasks (no `--all`, no pattern). Then a pair that cannot run raises an error instead of
        being skipped, for example if data are missing.
    named_models: the caller named models. Then missing or unfitting weights raise an error, too.
    device_names: device as torch spells it -> product name, once the devices are found.
    overrides: recipe keys with their values. A list for a key that takes one value means a trial for each of them.
    allow_many: whether lists of values may make more trials than `grid.MAX_TRIALS`.
    onnxruntime: whether to measure the latency in onnxruntime too.
    inspect, profile: as in `TrialJob`.
    dtype: torch's name; "" for the recipe's `precision`.
    weights: path of a file, `none` for random initial weights, "" for the weights of the model's spec.
    loggers: what follows the trials. They are no part of the experiment.
    limit_s: run only the trials that fit into this time. default_timeout: whether a trial without `timeout_s` gets a
        limit that follows from its estimate.
    jobs: how many trials run at a time. share_device: whether they may share an accelerator. slots: planned device ->
        the devices on which its trials may run, once the devices are found.
    cpus, max_threads: the place of a single trial, as in `jobs.Place`, if another process has chosen it.
    executor, address: the name of what runs the trials elsewhere, and where that is; "" for this machine.
    max_memory_mib: that each trial may take; 0 for no limit.
    """

    pairs: Sequence[Pair]
    seeds: Sequence[int] = (0,)
    devices: Sequence[str] = ("cpu",)
    device_names: Mapping[str, str] = field(default_factory=dict)
    dataset: str = ""
    offline: bool = False
    data_root: Path | None = None
    quick: bool = False
    overrides: Mapping[str, Any] = field(default_factory=dict)
    budget_s: float | None = None
    timeout_s: float | None = None
    dtype: str = ""
    compiled: bool = False
    threads: int = 0
    force: bool = False
    retry_failed: bool = False
    named_task: bool = True
    named_models: bool = True
    weights: str = ""
    weights_sha256: str = ""
    save: bool = False
    onnxruntime: bool = False
    inspect: bool = False
    profile: Literal["", "time", "memory"] = ""
    sandbox: bool = False
    allow_many: bool = False
    loggers: Sequence[LogTarget] = ()
    limit_s: float | None = None
    default_timeout: bool = False
    jobs: int = 1
    share_device: bool = False
    slots: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cpus: Sequence[int] = ()
    max_threads: int = 0
    executor: str = ""
    address: str = ""
    max_memory_mib: int = 0
    command: str = ""


def choose_loggers(registry: Registry, words: Sequence[str]) -> list[LogTarget]:
    """Find the loggers of `--log NAME` and `--log NAME=TARGET`, each once. Raises UnknownNameError, UsageError."""
    chosen = []
    for word in dict.fromkeys(words):
        name, equals, target = word.partition("=")
        spec = registry.logger(name)
        if equals and not spec.target:
            raise UsageError(f"--log {word}: logger {spec.name} takes no target, so give --log {name}")
        if equals and not target:
            raise UsageError(f"--log {word}: the target is empty; give {spec.target}, or only --log {name}")
        chosen.append(LogTarget(spec, target))
    return chosen


def without_log_targets(words: Sequence[str], loggers: Sequence[str]) -> list[str]:
    """Leave out the targets of loggers from the words of a command: an address may hold a password.

    >>> without_log_targets(["bench", "--log", "mlflow=http://me:secret@host"], ["mlflow=http://me:secret@host"])
    ['bench', '--log', 'mlflow']
    """
    bare = {form + word: form + word.partition("=")[0] for word in loggers for form in ("", "--log=")}
    return [bare.get(word, word) for word in words]


def make_overrides(
    epochs: float | None, max_steps: int | None, *, timed: bool, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Collect the recipe's overrides. Raises UsageError if more than one option sets the trial's length."""
    lengths: dict[str, Any] = {"epochs": epochs, "steps": max_steps}
    overrides = {key: value for key, value in lengths.items() if value is not None}
    if len(overrides) + timed + sum(key in settings for key in lengths) > 1:
        raise UsageError("--epochs, --max-steps, --budget and --set of epochs or steps exclude each other: give one")
    overrides |= settings
    return {"steps": 0, **overrides} if "epochs" in overrides else overrides  # `steps` would override `epochs`


def weights_path(weights: str, models: Sequence[object]) -> str:
    """Return the weights file as an absolute path. Raises UsageError unless exactly one model is named."""
    if weights and (len(models) != 1 or is_pattern(str(models[0]))):
        raise UsageError("--weights goes with one --model: name the model that the weights are for")
    return weights if weights in ("", NO_WEIGHTS) else str(Path(weights).expanduser().absolute())


def weights_sha256(weights: str) -> str:
    """Hash the content of the weights file; "" without one. Raises UsageError if it is missing."""
    if weights in ("", NO_WEIGHTS):
        return ""
    try:
        with open_regular(Path(weights).expanduser()) as content:
            return digest_of(content)
    except (FileNotFoundError, IsADirectoryError):
        raise UsageError(f"--weights {weights!r}: there is no such file; `none` means random initial weights") from None
    except OSError as error:
        if isinstance(error, PermissionError):
            raise
        raise UsageError(f"--weights {weights!r} cannot be read ({error.strerror}): name a regular file") from error


def require_known_keys(request: Request) -> None:
    """Raise UnknownNameError for an override that no pair knows. Under --all, one pair that knows it is enough."""
    known = []
    for pair in request.pairs:
        try:
            known.append(pair_parameters(pair.task, pair.model))
        except RecipeError:  # under --all, the plan skips this pair
            if request.named_task:
                raise
    for key in request.overrides:
        if not any(key in params for params in known):
            names = {name: words for params in known for name, words in helps(params).items()}
            raise UnknownNameError("recipe key", key, names, hint="`zoo show MODEL` lists them")


def make_request(
    registry: Registry,
    tasks: Sequence[str],
    models: Sequence[str | ModelSpec],
    *,
    settings: Mapping[str, Any],
    all_pairs: bool = False,
    cross: bool = False,
    kinds: Sequence[str] = (),
    exclude: Sequence[str] = (),
    epochs: float | None = None,
    max_steps: int | None = None,
    weights: str = "",
    **fields: Any,
) -> Request:
    """Make the request from the options of `zoo bench` and `zoo.bench`.

    settings: recipe keys (`--set`). fields: passed to `Request` unchanged.
    Raises UsageError if the options contradict each other or name something unknown.
    """
    chosen = Selection(tasks=tasks, models=models, all_pairs=all_pairs, cross=cross, kinds=kinds, exclude=exclude)
    request = Request(
        pairs=choose_pairs(registry, chosen),
        overrides=make_overrides(epochs, max_steps, timed=fields.get("budget_s") is not None, settings=settings),
        named_task=chosen.names_tasks,
        named_models=chosen.names_models,
        weights=weights_path(weights, models),
        weights_sha256=weights_sha256(weights),
        **fields,
    )
    if request.address and not request.executor:
        raise UsageError("--address goes with --executor: it says where the executor runs the trials")
    require_known_keys(request)
    if request.onnxruntime:
        require_packages(ONNX)
    if request.sandbox:
        sandbox.require()
    if request.inspect:
        require_captum()
    return request
