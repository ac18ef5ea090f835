"""`zoo leaderboard`: build the site from the records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo_core.cli.bench import RESULTS
from zoo_core.cli.console import messages, print_json

app = typer.Typer(
    help="Turn the records into a site that opens from a file.", no_args_is_help=True, add_completion=False
)


@app.callback()
def leaderboard() -> None:
    """Turn the records into a site that opens from a file."""


@app.command("build")
def build_command(
    results: Annotated[Path, RESULTS] = Path("results"),
    out: Annotated[Path, typer.Option("--out", help="The site's folder; an earlier site in it is replaced.")] = Path(
        "site"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print what was built as JSON.")] = False,
) -> None:
    """Build the site; what cannot be read is named and left out."""
    from zoo_leaderboard.build import build

    built = build(results, out)
    for item in built.unreadable:
        messages().print(f"left out {item.path}: {item.reason}", markup=False)
    if as_json:
        left_out = [{"path": str(item.path), "reason": item.reason} for item in built.unreadable]
        print_json({"index": str(built.index), "tasks": built.tasks, "records": built.trials, "left_out": left_out})
        return
    typer.echo(f"{built.index}: {_counted(built.tasks, 'task')} from {_counted(built.trials, 'record')}")
    typer.echo(f"open it in a browser: {built.index.absolute().as_uri()}")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
