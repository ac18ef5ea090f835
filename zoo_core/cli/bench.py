"""`zoo bench`: train and measure models on tasks; a record for every trial, whatever becomes of it."""

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
    task: Annotated[str, typer.Argument(help="The task to run.", autocompletion=completion.complete_task)] = "",
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="Only this, or ./FILE.py:NAME; may be repeated.",
            autocompletion=completion.complete_model,
        ),
    ] = None,
    all_pairs: Annotated[bool, typer.Option("--all", help="Run every registered pair.")] = False,
    cross: Annotated[bool, typer.Option("--cross", help="With --all: every pair whose kind and input fit.")] = False,
    dataset: Annotated[
        str, typer.Option("--dataset", "-d", help="Instead of the default.", autocompletion=completion.complete_dataset)
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
    from zoo_core.results.store import Store
    from zoo_core.runner.request import make_request

    if preset not in ("", "quick"):
        raise UsageError(f"--preset {preset!r} is not known: say quick")
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
    except UnknownNameError:  # perhaps of a plugin that did not load
        print_failed_plugins(registry.failed)
        raise
    _run(request, registry, Store(results), dry_run=dry_run, as_json=as_json)


def _run(request: Request, registry: Registry, store: Store, *, dry_run: bool, as_json: bool) -> None:
    from zoo_core.runner.request import run_request
    from zoo_core.ui.progress import make_display, print_plan, print_summary

    signal.signal(signal.SIGTERM, _as_interrupt)
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


def _as_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _print_records(outcome: Outcome) -> None:
    import msgspec

    print_json([msgspec.to_builtins(record) for record in outcome.records])
