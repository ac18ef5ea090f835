"""`zoo bench`: trains and measures models on tasks. Every trial writes a record, whether it succeeds or fails."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_core.cli import completion
from zoo_core.cli.options import DATA_ROOT, RESULTS
from zoo_core.errors import FAILURE, INTERRUPTED, UnknownNameError, UsageError
from zoo_core.registry import Registry
from zoo_core.ui import parsing
from zoo_core.ui.console import messages, print_failed_plugins, print_json

if TYPE_CHECKING:
    from zoo_core.results.store import Store
    from zoo_core.runner.plan import Request
    from zoo_core.runner.run import Outcome


def bench_command(
    task: Annotated[
        str, typer.Argument(help="Task to run. See `zoo list`.", autocompletion=completion.complete_task)
    ] = "",
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="Model to train: a name, or ./FILE.py:NAME. Repeat for several. Default: all models of the task.",
            autocompletion=completion.complete_model,
        ),
    ] = None,
    all_pairs: Annotated[bool, typer.Option("--all", help="Run every registered pair of task and model.")] = False,
    cross: Annotated[
        bool, typer.Option("--cross", help="With --all: run every pair whose kind and input shape match.")
    ] = False,
    dataset: Annotated[
        str,
        typer.Option(
            "--dataset",
            "-d",
            help="Data set. Default: the task's first, or with --offline its first offline one.",
            autocompletion=completion.complete_dataset,
        ),
    ] = "",
    device: Annotated[
        list[str] | None,
        typer.Option(
            "--device",
            help="cpu, cuda, cuda:1 ..., or auto for the first accelerator. Repeat for several. Default: auto.",
        ),
    ] = None,
    seeds: Annotated[str, typer.Option("--seeds", help="Number of seeds (3) or list of seeds (0,3,7).")] = "1",
    epochs: Annotated[
        float | None, typer.Option("--epochs", min=0, help="Passes over the training data. Default: the recipe's.")
    ] = None,
    max_steps: Annotated[
        int | None, typer.Option("--max-steps", min=1, help="Optimizer steps. Default: the recipe's.")
    ] = None,
    budget: Annotated[
        str,
        typer.Option("--budget", help="Training time, such as 60s or 10m, instead of epochs or steps. Default: none."),
    ] = "",
    preset: Annotated[
        str, typer.Option("--preset", help="quick: use each task's short recipe. Default: the full recipe.")
    ] = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a recipe key: key=value. Repeat for several.")
    ] = None,
    data_root: Annotated[Path | None, DATA_ROOT] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Use data sets that need no download. Refuse the network in trials.")
    ] = False,
    dtype: Annotated[str, typer.Option("--dtype", help="float32, or bf16 for autocast.")] = "float32",
    compiled: Annotated[bool, typer.Option("--compile", help="Compile models with torch.compile.")] = False,
    threads: Annotated[
        int, typer.Option("--threads", min=0, help="CPU threads of a trial. 0: chosen by model size.")
    ] = 0,
    timeout: Annotated[str, typer.Option("--timeout", help="Time limit of a trial, such as 10m. Default: none.")] = "",
    weights: Annotated[
        str,
        typer.Option(
            "--weights",
            metavar="FILE|none",
            help="Initial weights of the one --model; none: random weights. Default: the model's own.",
        ),
    ] = "",
    save: Annotated[
        bool, typer.Option("--save", help="Save each trained model, for `zoo eval` and `zoo predict`.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the trials that would run, and exit.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also run trials that are recorded already.")] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Also run trials that are recorded as failed.")
    ] = False,
    results: Annotated[Path, RESULTS] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the records as JSON instead of a summary.")] = False,
) -> None:
    """Train and measure models. Trials that are recorded already do not run again."""
    from zoo_core.results.store import Store
    from zoo_core.runner.request import make_request

    if preset not in ("", "quick"):
        raise UsageError(f"--preset {preset!r} is unknown: the only preset is quick")
    registry = Registry.load()
    try:
        request = make_request(
            registry,
            task,
            model or [],
            settings=parsing.parse_settings(settings or []),
            all_pairs=all_pairs,
            cross=cross,
            epochs=epochs,
            max_steps=max_steps,
            weights=weights,
            seeds=parsing.parse_seeds(seeds),
            devices=device or ["auto"],
            dataset=dataset,
            offline=offline,
            data_root=data_root,
            quick=preset == "quick",
            budget_s=parsing.parse_duration("--budget", budget) if budget else None,
            timeout_s=parsing.parse_duration("--timeout", timeout) if timeout else None,
            dtype=parsing.parse_dtype(dtype),
            compiled=compiled,
            threads=threads,
            force=force,
            retry_failed=retry_failed,
            save=save,
            command=shlex.join(["zoo", *sys.argv[1:]]),
        )
    except UnknownNameError:  # the name may belong to a plugin that did not load
        print_failed_plugins(registry.failed)
        raise
    _run(request, registry, Store(results), dry_run=dry_run, as_json=as_json)


def _run(request: Request, registry: Registry, store: Store, *, dry_run: bool, as_json: bool) -> None:
    from zoo_core.runner.request import run_request
    from zoo_core.ui.progress import make_display
    from zoo_core.ui.summary import print_plan, print_summary

    signal.signal(signal.SIGTERM, _raise_interrupt)
    began = time.monotonic()
    plan, outcome = run_request(request, registry, store, lambda: make_display(messages()), dry_run=dry_run)
    if dry_run:
        print_plan(plan, store, as_json=as_json)
        return
    if as_json:
        _print_records(outcome)
    else:
        print_summary(outcome, store, time.monotonic() - began)
    print_failed_plugins(registry.failed)
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)
    if outcome.failed:
        raise typer.Exit(FAILURE)


def _raise_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _print_records(outcome: Outcome) -> None:
    import msgspec

    print_json([msgspec.to_builtins(record) for record in outcome.records])
