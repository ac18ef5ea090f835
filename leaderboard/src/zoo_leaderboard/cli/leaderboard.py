"""`zoo leaderboard`: build the site from the records, serve it and rebuild it when records change, or write figures."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_core.errors import FAILURE, UsageError
from zoo_core.ui.console import complain, messages, print_json, say
from zoo_leaderboard.text.formats import counted

if TYPE_CHECKING:
    from zoo_core.results.store import Unreadable
    from zoo_leaderboard.site.build import Built
    from zoo_leaderboard.site.processes import Progress

WEB_ADDRESS = re.compile(r"https?://[A-Za-z0-9.-]+(:\d+)?(/[A-Za-z0-9._~/-]*)?")

app = typer.Typer(
    help="Build a web site from the records, serve it, or write its figures.",
    no_args_is_help=True,
    add_completion=False,
)
RESULTS = typer.Argument(envvar="ZOO_RESULTS", help="Folders of records; a record in several folders counts once.")
OUT = typer.Option("--out", help="Folder for the site; an earlier site in it is replaced.")
TRIAL_PAGES = typer.Option(
    "--trial-pages", help="Number of trials with a page of their own, newest and failed first; or `all`."
)


@app.callback()
def leaderboard() -> None:
    """Build a web site from the records, serve it, or write its figures."""


@app.command("build")
def build_command(
    results: Annotated[list[Path] | None, RESULTS] = None,
    out: Annotated[Path, OUT] = Path("site"),
    trial_pages: Annotated[str, TRIAL_PAGES] = "300",
    url: Annotated[
        str, typer.Option("--url", help="Address that the site will have, for the pictures that links to it show.")
    ] = "",
    parquet: Annotated[bool, typer.Option("--parquet", help="Also write the tables as Parquet files.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Build the site. Unchanged pages are reused; unreadable records are listed and left out.

    The exit code is 1 if a page, a task or a row is left out because it cannot be shown.
    """
    from zoo_leaderboard.site.build import build_site
    from zoo_leaderboard.site.options import SiteOptions

    if url and not WEB_ADDRESS.fullmatch(url):
        raise UsageError(f"--url {url}: give an address such as https://example.org/board")
    options = SiteOptions(url=url, parquet=parquet)
    with progress_bar() as progress:
        built = build_site(
            folders(results), out, trial_pages=parse_trial_pages(trial_pages), options=options, progress=progress
        )
    _report(built)
    if as_json:
        left_out = [{"path": str(item.path), "reason": item.reason} for item in built.unreadable]
        about = {"index": str(built.index), "tasks": built.tasks, "records": built.trials, "rendered": built.rendered}
        print_json({**about, "left_out": left_out})
    else:
        _say_where(built)
    if not built.complete:
        raise typer.Exit(FAILURE)


def _say_where(built: Built) -> None:
    say(
        f"{built.index}: {counted(built.tasks, 'task')} from {counted(built.trials, 'record')}, "
        f"{counted(built.rendered, 'page')} rendered"
    )
    say(f"open it in a browser: {built.index.absolute().as_uri()}")


@app.command("export")
def export_command(
    results: Annotated[list[Path] | None, RESULTS] = None,
    png: Annotated[Path, typer.Option("--png", help="Folder for the PNG files.")] = Path("figures"),
    task: Annotated[list[str] | None, typer.Option("--task", help="Only this task; may be repeated.")] = None,
) -> None:
    """Write the leading models and all plots of each task as PNG files, for reports and slides."""
    from zoo_leaderboard.site.figures import export_figures

    written, built = export_figures(folders(results), png, task or [])
    _report(built)
    say(f"{png}: {counted(len(written), 'figure')}")
    if not built.complete:
        raise typer.Exit(FAILURE)


@app.command("serve")
def serve_command(
    results: Annotated[list[Path] | None, RESULTS] = None,
    out: Annotated[Path, OUT] = Path("site"),
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 selects a free port.", min=0, max=65535)] = 8000,
    trial_pages: Annotated[str, TRIAL_PAGES] = "300",
) -> None:
    """Serve the site on this machine only, and rebuild it when records change. Stop with Ctrl-C."""
    from zoo_leaderboard.cli.serve import serve

    serve(folders(results), out, port, parse_trial_pages(trial_pages), _report)


def folders(results: list[Path] | None) -> list[Path]:
    """The given results folders; `results` by default."""
    return results or [Path("results")]


def parse_trial_pages(text: str) -> int | None:
    """Parse the value of `--trial-pages`: a number, or None for `all`."""
    if text == "all":
        return None
    if not text.isdecimal():
        raise UsageError(f"--trial-pages {text}: give a number or `all`")
    return int(text)


def print_left_out(unreadable: Iterable[Unreadable]) -> None:
    """List on standard error what is left out."""
    for item in unreadable:
        complain(f"{item.path}: {item.reason}", "left out ", "yellow")


def _report(built: Built) -> None:
    """Name on standard error what a build left out, and a person's files that have a new name."""
    print_left_out(built.unreadable)
    for old, new in built.kept:
        complain(f"your {old} as {new.name}: its place is that of a page", "kept ", "yellow")


@contextlib.contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress bar on standard error, removed at the end; only the line for waiting if that is not a terminal."""
    from zoo_leaderboard.site.build import WAITING

    console = messages()
    if not console.is_terminal:
        yield lambda work, *_: console.print(work) if work == WAITING else None
        return
    from rich.progress import Progress as Bar

    with Bar(console=console, transient=True) as bar:
        tasks = {}

        def show(work: str, done: int, total: int) -> None:
            if work not in tasks:
                tasks[work] = bar.add_task(work, total=total)
            bar.update(tasks[work], completed=done, total=total)

        yield show
