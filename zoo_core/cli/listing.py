"""`zoo list`: lists what the installed plugins add. Imports no torch."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo_core.cli.completion import complete_task
from zoo_core.cli.options import JSON
from zoo_core.errors import UsageError, did_you_mean
from zoo_core.registry import Registry
from zoo_core.registry.plugins import LOAD_ONLY
from zoo_core.ui.console import print_failed_plugins, print_json, print_table, say
from zoo_core.ui.formats import format_value
from zoo_core.ui.listing import Listing, models_for_task, rows_of


def list_command(
    what: Annotated[Listing, typer.Argument(help="What to list.")] = Listing.tasks,
    pattern: Annotated[str, typer.Argument(help="Only list matching names, such as 'mlp*' or 'timm/resnet*'.")] = "*",
    task: Annotated[
        str, typer.Option("--for", help="Only models that can run on this task.", autocompletion=complete_task)
    ] = "",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """List tasks, models, data sets, plugins, loggers, executors, or the pairs that `zoo bench --all` runs."""
    if task and what is not Listing.models:
        raise UsageError(f"--for goes with models: zoo list models --for {task}")
    registry = Registry.load()
    rows = models_for_task(registry, task, pattern) if task else rows_of(what, registry, pattern)
    if as_json:
        print_json(rows)
    elif rows:
        print_table(list(rows[0]), [[format_value(value) for value in row.values()] for row in rows])
    else:
        say(f"no {what.value}{f' for task {task}' if task else ''}{_empty_advice(what, registry, pattern)}")
    if task and registry.families:
        families = ", ".join(f"{family.prefix}*" for family in registry.families)
        say(f"models of {families} may fit, too: name one with --model", err=True)
    if registry.disabled and what is not Listing.plugins:
        say(f"{len(registry.disabled)} plugins are disabled: {LOAD_ONLY} does not name them", err=True)
    print_failed_plugins(registry.failed)


def _empty_advice(what: Listing, registry: Registry, pattern: str) -> str:
    if pattern == "*":
        return ": install a plugin"
    known = [str(row.get(what.value.removesuffix("s"), "")) for row in rows_of(what, registry)]
    near = did_you_mean(pattern, known) if what is not Listing.pairs else ""
    return f" match {pattern!r}" + (f": {near}" if near else "")
