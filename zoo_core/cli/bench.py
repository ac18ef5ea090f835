"""`zoo bench`: trains and measures models on tasks. Every trial writes a record, whether it succeeds or fails."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo_core.cli import bench_options as options
from zoo_core.cli.options import DATA_ROOT, RESULTS
from zoo_core.errors import FAILURE, INTERRUPTED, USAGE, UnknownNameError, UsageError
from zoo_core.registry import Registry
from zoo_core.ui import parsing
from zoo_core.ui.console import complain, messages, print_failed_plugins, print_json, printing_at_the_end

if TYPE_CHECKING:
    from zoo_core.results.store import Store
    from zoo_core.runner.outcome import Outcome
    from zoo_core.runner.request import Request


def bench_command(
    tasks: Annotated[list[str] | None, options.TASKS] = None,
    model: Annotated[list[str] | None, options.MODEL] = None,
    name: Annotated[str, options.NAME] = "",
    all_pairs: Annotated[bool, options.ALL] = False,
    cross: Annotated[bool, options.CROSS] = False,
    kind: Annotated[list[str] | None, options.KIND] = None,
    exclude: Annotated[list[str] | None, options.EXCLUDE] = None,
    dataset: Annotated[str, options.DATASET] = "",
    device: Annotated[list[str] | None, options.DEVICE] = None,
    seeds: Annotated[str, options.SEEDS] = "1",
    epochs: Annotated[float | None, options.EPOCHS] = None,
    max_steps: Annotated[int | None, options.MAX_STEPS] = None,
    budget: Annotated[str, options.BUDGET] = "",
    preset: Annotated[str, options.PRESET] = "",
    settings: Annotated[list[str] | None, options.SETTING] = None,
    sweep: Annotated[Path | None, options.SWEEP] = None,
    data_root: Annotated[Path | None, DATA_ROOT] = None,
    offline: Annotated[bool, options.OFFLINE] = False,
    dtype: Annotated[str, options.DTYPE] = "",
    compiled: Annotated[bool, options.COMPILE] = False,
    jobs: Annotated[int, options.JOBS] = 1,
    share_device: Annotated[bool, options.SHARE_DEVICE] = False,
    executor: Annotated[str, options.EXECUTOR] = "",
    address: Annotated[str, options.ADDRESS] = "",
    threads: Annotated[int, options.THREADS] = 0,
    limit: Annotated[str, options.LIMIT] = "",
    timeout: Annotated[str, options.TIMEOUT] = "",
    max_memory: Annotated[str, options.MAX_MEMORY] = "",
    weights: Annotated[str, options.WEIGHTS] = "",
    save: Annotated[bool, options.SAVE] = False,
    onnxruntime: Annotated[bool, options.ONNXRUNTIME] = False,
    inspect: Annotated[bool, options.INSPECT] = False,
    profile: Annotated[str, options.PROFILE] = "",
    sandbox: Annotated[bool, options.SANDBOX] = False,
    log: Annotated[list[str] | None, options.LOG] = None,
    dry_run: Annotated[bool, options.DRY_RUN] = False,
    yes: Annotated[bool, options.YES] = False,
    force: Annotated[bool, options.FORCE] = False,
    retry_failed: Annotated[bool, options.RETRY_FAILED] = False,
    results: Annotated[Path, RESULTS] = Path("results"),
    as_json: Annotated[bool, options.RECORDS_AS_JSON] = False,
) -> None:
    """Train and measure models. Trials that are recorded already do not run again."""
    asked = dict(locals())  # `sweep` has been read: its words are among the others (see sweep.py)
    from zoo_core.results.store import Store

    for printed in ("sweep", "dry_run", "results", "as_json"):
        del asked[printed]
    registry = Registry.load()
    try:
        request = _make_request(registry, asked, dry_run=dry_run)
    except UnknownNameError:  # the name may belong to a plugin that did not load
        print_failed_plugins(registry.failed)
        raise
    _run_and_print(request, registry, Store(results), dry_run=dry_run, as_json=as_json)


def _make_request(registry: Registry, asked: dict[str, Any], *, dry_run: bool) -> Request:
    """Make the request from the values of the options. Raises UsageError."""
    from zoo_core.runner.request import without_log_targets
    from zoo_core.ui.asked import request_from

    if (preset := asked.pop("preset")) not in ("", "quick"):
        raise UsageError(f"--preset {preset!r} is unknown: the only preset is quick")
    asked |= {
        "settings": parsing.parse_settings(asked["settings"] or []),
        "kinds": asked.pop("kind") or [],
        "quick": preset == "quick",
        "allow_many": asked.pop("yes") or dry_run,
    }
    command = shlex.join(["zoo", *without_log_targets(sys.argv[1:], asked["log"] or [])])
    return request_from(registry, asked, command=command)


def _run_and_print(request: Request, registry: Registry, store: Store, *, dry_run: bool, as_json: bool) -> None:
    from zoo_core.runner.interrupts import stop_on_signals
    from zoo_core.runner.naming import name_warnings
    from zoo_core.runner.run import run_request
    from zoo_core.ui.faults import print_faults, print_logged
    from zoo_core.ui.progress import make_display
    from zoo_core.ui.summary import print_plan, print_summary

    for warning in name_warnings(request, store):
        complain(warning, "warning: ", "yellow")
    stop_on_signals()
    began = time.monotonic()
    plan, outcome = run_request(request, registry, store, lambda: make_display(messages()), dry_run=dry_run)
    if dry_run:
        print_plan(plan, as_json=as_json)
        return
    with printing_at_the_end():
        if as_json:
            _print_records(outcome)
        else:
            print_summary(outcome, store, time.monotonic() - began)
        print_failed_plugins(registry.failed)
        print_faults(outcome, store)
        print_logged(request, outcome)
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)
    if outcome.faults:
        raise typer.Exit(USAGE)
    if outcome.failed or outcome.refused:
        raise typer.Exit(FAILURE)


def _print_records(outcome: Outcome) -> None:
    import msgspec

    print_json([msgspec.to_builtins(record) for record in outcome.records])
