"""`zoo leaderboard`: build the site from the records, or serve it while they change."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_core.errors import UsageError
from zoo_core.ui.console import messages, print_json
from zoo_leaderboard.text.formats import counted

if TYPE_CHECKING:
    from zoo_leaderboard.site.build import Built
    from zoo_leaderboard.site.processes import Progress

app = typer.Typer(
    help="Turn the records into a site that opens from a file.", no_args_is_help=True, add_completion=False
)
RESULTS = typer.Argument(envvar="ZOO_RESULTS", help="Folders of records; several are merged by the records' ids.")
OUT = typer.Option("--out", help="The site's folder; an earlier site in it is replaced.")
TRIAL_PAGES = typer.Option(
    "--trial-pages", help="How many trials get pages of their own: the newest and the failed; or `all`."
)


@app.callback()
def leaderboard() -> None:
    """Turn the records into a site that opens from a file."""


@app.command("build")
def build_command(
    results: Annotated[list[Path] | None, RESULTS] = None,
    out: Annotated[Path, OUT] = Path("site"),
    trial_pages: Annotated[str, TRIAL_PAGES] = "300",
    as_json: Annotated[bool, typer.Option("--json", help="Print what was built as JSON.")] = False,
) -> None:
    """Build the site; what did not change is taken over, what cannot be read is named and left out."""
    from zoo_leaderboard.site.build import build_site

    with progress_bar() as progress:
        built = build_site(folders(results), out, trial_pages=parsed_pages(trial_pages), progress=progress)
    name_left_out(built)
    if as_json:
        left_out = [{"path": str(item.path), "reason": item.reason} for item in built.unreadable]
        about = {"index": str(built.index), "tasks": built.tasks, "records": built.trials, "rendered": built.rendered}
        print_json({**about, "left_out": left_out})
        return
    typer.echo(
        f"{built.index}: {counted(built.tasks, 'task')} from {counted(built.trials, 'record')}, "
        f"{counted(built.rendered, 'page')} made anew"
    )
    typer.echo(f"open it in a browser: {built.index.absolute().as_uri()}")


@app.command("serve")
def serve_command(
    results: Annotated[list[Path] | None, RESULTS] = None,
    out: Annotated[Path, OUT] = Path("site"),
    port: Annotated[int, typer.Option(help="The port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 8000,
    trial_pages: Annotated[str, TRIAL_PAGES] = "300",
) -> None:
    """Serve the site on this machine only, and build it again when records come; Ctrl-C ends it."""
    from zoo_leaderboard.cli.serve import serve

    serve(folders(results), out, port, parsed_pages(trial_pages))


def folders(results: list[Path] | None) -> list[Path]:
    """The results folders that were named, else `results`."""
    return results or [Path("results")]


def parsed_pages(text: str) -> int | None:
    """`--trial-pages` as a number, None for all."""
    if text == "all":
        return None
    if not text.isdecimal():
        raise UsageError(f"--trial-pages {text}: give a number of pages, or `all`")
    return int(text)


def name_left_out(built: Built) -> None:
    """Name the files that could not be read, on standard error."""
    for item in built.unreadable:
        messages().print(f"left out {item.path}: {item.reason}", markup=False)


@contextlib.contextmanager
def progress_bar() -> Iterator[Progress | None]:
    """A bar on a terminal's standard error, that goes when the work is done; None where nobody would see it."""
    console = messages()
    if not console.is_terminal:
        yield None
        return
    from rich.progress import Progress as Bar

    with Bar(console=console, transient=True) as bar:
        tasks = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield tell
