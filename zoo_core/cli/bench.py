"""`zoo bench`: train and measure models on tasks; a record for every trial, whatever becomes of it."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo_core.cli import parsing
from zoo_core.cli.app import FAILURE, INTERRUPTED
from zoo_core.cli.console import messages, print_failed_plugins, print_json
from zoo_core.data.downloads import digest_of
from zoo_core.errors import DataError, RecipeError, UnknownNameError, UsageError
from zoo_core.registry import Pair, Registry
from zoo_core.specs import NO_WEIGHTS

if TYPE_CHECKING:
    from zoo_core.runner.plan import Request
    from zoo_core.runner.run import Outcome
    from zoo_core.store import Store

RESULTS = typer.Option("--results", envvar="ZOO_RESULTS", help="The folder that records go to.")
DATA_ROOT = typer.Option(
    "--data-root",
    envvar="ZOO_DATA_ROOT",
    help="The data set's folder or archive; with several data sets a folder that holds one for each by name.",
)


def bench_command(
    task: Annotated[str, typer.Argument(help="The task to run.", autocompletion=parsing.complete_task)] = "",
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="Only this model; may be repeated.", autocompletion=parsing.complete_model),
    ] = None,
    all_pairs: Annotated[bool, typer.Option("--all", help="Run every registered pair.")] = False,
    cross: Annotated[bool, typer.Option("--cross", help="With --all: every pair whose kind and input fit.")] = False,
    dataset: Annotated[
        str, typer.Option("--dataset", "-d", help="Instead of the default.", autocompletion=parsing.complete_dataset)
    ] = "",
    device: Annotated[
        list[str] | None, typer.Option("--device", help="cpu, cuda, cuda:1 ..., auto; may be repeated. Default: auto.")
    ] = None,
    seeds: Annotated[str, typer.Option("--seeds", help="How many (3), or which (0,3,7).")] = "1",
    epochs: Annotated[float | None, typer.Option("--epochs", min=0, help="Passes over train.")] = None,
    max_steps: Annotated[int | None, typer.Option("--max-steps", min=1, help="Optimizer steps.")] = None,
    budget: Annotated[str, typer.Option("--budget", help="Training time, such as 60s, instead of a length.")] = "",
    preset: Annotated[str, typer.Option("--preset", help="quick: each task's short recipe.")] = "",
    settings: Annotated[list[str] | None, typer.Option("--set", help="A recipe's key=value; may be repeated.")] = None,
    data_root: Annotated[Path | None, DATA_ROOT] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Offline data; trials may not use the network.")] = False,
    dtype: Annotated[str, typer.Option("--dtype", help="float32, or bf16 for autocast.")] = "float32",
    compiled: Annotated[bool, typer.Option("--compile", help="Use torch.compile.")] = False,
    threads: Annotated[int, typer.Option("--threads", min=0, help="CPU threads; 0: by the model's size.")] = 0,
    timeout: Annotated[str, typer.Option("--timeout", help="End a trial after this long, such as 10m.")] = "",
    weights: Annotated[
        str, typer.Option("--weights", metavar="FILE|none", help="What the one --model begins with; none: at random.")
    ] = "",
    save: Annotated[bool, typer.Option("--save", help="Keep each trial's trained model, for `zoo eval`.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run, and run nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run also what is recorded already.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed trials again.")] = False,
    results: Annotated[Path, RESULTS] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the records as JSON.")] = False,
) -> None:
    """Train and measure a task's models (or --all); what is recorded already is not run again."""
    from zoo_core.runner.plan import Request
    from zoo_core.store import Store

    if preset not in ("", "quick"):
        raise UsageError(f"--preset {preset!r} is not known: say quick")
    registry = Registry.load()
    try:
        pairs = choose_pairs(registry, task, model or [], all_pairs=all_pairs, cross=cross)
    except UnknownNameError:  # perhaps of a plugin that did not load
        print_failed_plugins(registry.failed)
        raise
    request = Request(
        pairs=pairs,
        seeds=parsing.parse_seeds(seeds),
        devices=device or ["auto"],
        dataset=dataset,
        offline=offline,
        data_root=data_root,
        quick=preset == "quick",
        overrides=_overrides(epochs, max_steps, budget, parsing.parse_settings(settings or [])),
        budget_s=parsing.parse_duration("--budget", budget) if budget else None,
        timeout_s=parsing.parse_duration("--timeout", timeout) if timeout else None,
        dtype=parsing.parse_dtype(dtype),
        compiled=compiled,
        threads=threads,
        force=force,
        retry_failed=retry_failed,
        strict=not all_pairs,
        models_named=bool(model),
        weights=_weights(weights, model or []),
        weights_sha256=_sha256(weights),
        save=save,
        command=shlex.join(["zoo", *sys.argv[1:]]),
    )
    _require_known_keys(request)
    _run(request, registry, Store(results), dry_run=dry_run, as_json=as_json)


def _weights(weights: str, models: Sequence[str]) -> str:
    """The file as an absolute path. Raises UsageError where it is not clear whose weights it holds."""
    if weights and len(models) != 1:
        raise UsageError("--weights goes with one --model: say whose weights these are")
    return weights if weights in ("", NO_WEIGHTS) else str(Path(weights).expanduser().absolute())


def _sha256(weights: str) -> str:
    """Of the file's content; empty where there is none."""
    if weights in ("", NO_WEIGHTS):
        return ""
    try:
        with Path(weights).expanduser().open("rb") as content:
            return digest_of(content)
    except (FileNotFoundError, IsADirectoryError):
        raise UsageError(f"--weights {weights!r}: there is no such file; `none` begins at random") from None


def choose_pairs(registry: Registry, task: str, models: Sequence[str], *, all_pairs: bool, cross: bool) -> list[Pair]:
    """The pairs a command line means. Raises UsageError where it means none, or contradicts itself."""
    if all_pairs == bool(task):
        raise UsageError("name a task, or say --all: `zoo list` shows the tasks")
    if cross and not all_pairs:
        raise UsageError("--cross goes with --all")
    if all_pairs:
        if models:
            raise UsageError("--model goes with a named task, not with --all")
        pairs = registry.pairs(cross=cross)
    else:
        spec = registry.task(task)
        pairs = [Pair(spec, registry.model(name, spec)) for name in models]
        pairs = pairs or [Pair(spec, model) for model in registry.models_for(spec)]
    if not pairs:
        raise UsageError("there is nothing to run: no installed plugin adds a fitting model (`zoo list pairs`)")
    return pairs


def _overrides(epochs: float | None, max_steps: int | None, budget: str, settings: dict[str, str]) -> dict[str, Any]:
    """The recipe's overrides; whichever way, only one of them may set a trial's length."""
    lengths: dict[str, Any] = {"epochs": epochs, "steps": max_steps, "budget": budget or None}
    given = [key for key, value in lengths.items() if value is not None]
    given += [key for key in ("epochs", "steps") if key in settings]
    if len(given) > 1:
        raise UsageError("--epochs, --max-steps, --budget and --set of epochs or steps exclude each other: give one")
    overrides = {key: value for key, value in lengths.items() if value is not None and key != "budget"} | settings
    return {"steps": 0, **overrides} if "epochs" in overrides else overrides  # steps go before epochs


def _require_known_keys(request: Request) -> None:
    """Under --all a key need not be known to every pair, but to one. Raises UnknownNameError."""
    from zoo_core.runner.plan import pair_parameters

    known = []
    for pair in request.pairs:
        try:
            known.append(pair_parameters(pair.task, pair.model))
        except RecipeError:  # under --all the plan records it
            if request.strict:
                raise
    for key in request.overrides:
        if not any(key in params for params in known):
            names = {name for params in known for name in params}
            raise UnknownNameError("recipe key", key, names, hint="`zoo show MODEL` lists them")


def _run(request: Request, registry: Registry, store: Store, *, dry_run: bool, as_json: bool) -> None:
    from zoo_core.cli.display import make_display, print_plan, print_summary
    from zoo_core.runner.local import LocalExecutor
    from zoo_core.runner.plan import make_plan
    from zoo_core.runner.run import Run, find_devices

    signal.signal(signal.SIGTERM, _as_interrupt)
    began = time.monotonic()
    try:
        make_plan(request, registry, store)  # a mistake in the request is told before torch is started
        executor = LocalExecutor()
        request = replace(request, devices=find_devices(request.devices, executor))
        plan = make_plan(request, registry, store)
        if dry_run:
            print_plan(plan, store, as_json=as_json)
            return
        with make_display(messages()) as display:
            run = Run(plan, store, executor, registry.plugins, display)
            run.open_data()
            outcome = run.run()
    except DataError as error:
        raise UsageError(f"{error}{_offline_way(request, registry)}") from error
    if as_json:
        _print_records(outcome)
    else:
        print_summary(outcome, store, time.monotonic() - began)
    print_failed_plugins(registry.failed)
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)
    if outcome.failed:
        raise typer.Exit(FAILURE)


def _as_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _offline_way(request: Request, registry: Registry) -> str:
    """What to say to somebody without data: the task's offline data set, where there is one that was not asked for."""
    for dataset in registry.datasets_of(request.pairs[0].task):
        if dataset.offline and request.strict and not request.offline:
            return f"; without a network or the files, --offline runs on {dataset.title} ({dataset.name})"
    return ""


def _print_records(outcome: Outcome) -> None:
    import msgspec

    print_json([msgspec.to_builtins(record) for record in outcome.records])
