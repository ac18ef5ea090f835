"""`zoo list`: lists what the installed plugins add. Imports no torch."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo_core.cli.options import JSON
from zoo_core.registry import Registry
from zoo_core.registry.plugins import LOAD_ONLY
from zoo_core.ui.console import print_failed_plugins, print_json, print_table
from zoo_core.ui.formats import format_value
from zoo_core.ui.listing import Listing, rows_of


def list_command(
    what: Annotated[Listing, typer.Argument(help="What to list.")] = Listing.tasks,
    pattern: Annotated[str, typer.Argument(help="Only list matching names, such as 'mlp*' or 'timm/resnet*'.")] = "*",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """List tasks, models, data sets, plugins, or the pairs that `zoo bench --all` runs."""
    registry = Registry.load()
    rows = rows_of(what, registry, pattern)
    if as_json:
        print_json(rows)
    elif rows:
        print_table(list(rows[0]), [[format_value(value) for value in row.values()] for row in rows])
    else:
        typer.echo(f"no {what.value}" + (f" match {pattern!r}" if pattern != "*" else ": install a plugin"))
    if registry.disabled and what is not Listing.plugins:
        typer.echo(f"{len(registry.disabled)} plugins are disabled: {LOAD_ONLY} does not name them", err=True)
    print_failed_plugins(registry.failed)
