"""What the leaderboard adds below `zoo results`: compare two runs, export all trials, merge folders."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from zoo_core.errors import FAILURE, UsageError
from zoo_core.files import write_atomically
from zoo_core.ui.console import messages, print_json, print_table
from zoo_core.ui.formats import format_score

if TYPE_CHECKING:
    from zoo_leaderboard.board.compare import Compared
    from zoo_leaderboard.records.entries import Entry
    from zoo_leaderboard.stats.changes import Change

UNKNOWN = "cannot be said"  # where there are too few seeds


def compare_command(
    before: Annotated[Path, typer.Argument(help="The folder of records to compare with.")],
    after: Annotated[Path, typer.Argument(help="The folder of newer records.")],
    fail_on: Annotated[
        Literal["nothing", "regression"], typer.Option("--fail-on", help="Exit with 1 where this is found.")
    ] = "nothing",
    least_score: Annotated[
        float, typer.Option("--least-score", min=0.0, help="Smallest change of the score that counts, in its unit.")
    ] = 0.0,
    least_speed: Annotated[
        float, typer.Option("--least-speed", min=0.0, help="Smallest change of a time that counts, as a share.")
    ] = 0.05,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare two folders of records with the board's statistics: scores, train time and latency."""
    from zoo_leaderboard.board.compare import as_builtins, compare

    found = compare([before], [after], least_score=least_score, least_speed=least_speed)
    if as_json:
        print_json(as_builtins(found))
    else:
        rows = [_row(item) for item in found.compared]
        print_table(["task", "model", "device", "n", "before", "after", "score", "train time", "latency"], rows)
        for words, names in (("only before", found.only_before), ("only after", found.only_after)):
            for name in names:
                messages().print(f"{words}: {name}", markup=False)
        for item in found.compared:
            for name in item.regressions:
                typer.echo(f"regression: {name} of {item.about['model']} on {item.about['task']}")
        if not found.regressions:
            typer.echo(f"no regression found in {len(found.compared)} compared")
    if fail_on == "regression" and found.regressions:
        raise typer.Exit(FAILURE)


def _row(item: Compared) -> list[str]:
    about = [item.about["task"], item.about["model"], item.about["device"], f"{len(item.before)}/{len(item.after)}"]
    scores = [_mean(item.before), _mean(item.after)]
    return [*about, *scores, *(_change(item.changes.get(name)) for name in ("score", "train_s", "latency_ms"))]


def _mean(entries: Sequence[Entry]) -> str:
    scores = [entry.score for entry in entries if entry.score is not None]
    return format_score(statistics.fmean(scores)) if scores else "no score"


def _change(change: Change | None) -> str:
    """`-0.0123 (-0.02 to -0.005) regression`."""
    if change is None:
        return "-"
    factor, unit, form = (100.0, " %", "+.1f") if change.relative else (1.0, "", "+.4g")
    interval = ""
    if change.low is not None and change.high is not None:
        interval = f" ({change.low * factor:{form}} to {change.high * factor:{form}})"
    verdict = UNKNOWN if change.verdict == "unknown" else change.verdict
    return f"{change.change * factor:{form}}{unit}{interval} {verdict}"


def export_command(
    results: Annotated[list[Path] | None, typer.Argument(envvar="ZOO_RESULTS", help="Folders of records.")] = None,
    out: Annotated[Path, typer.Option("--out", help="The file; its ending, .csv or .json, says how.")] = Path(
        "trials.csv"
    ),
) -> None:
    """Write every trial as a row of CSV, or in a list of JSON: names, settings, score, times, reason of a failure."""
    from zoo_leaderboard.cli.leaderboard import folders
    from zoo_leaderboard.records.index import every
    from zoo_leaderboard.site.export import as_json, csv_cell

    if out.suffix not in (".csv", ".json"):
        raise UsageError(f"--out {out}: end it with .csv or .json")
    rows = [_exported(entry) for entry in every(folders(results))]
    if out.suffix == ".json":
        content = as_json(rows)
    else:
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, list(rows[0]) if rows else ["id"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: csv_cell(value) for key, value in row.items()} for row in rows)
        content = buffer.getvalue().encode("utf-8", "replace")
    write_atomically(out, content)
    typer.echo(f"{out}: {len(rows)} trials")


def _exported(entry: Entry) -> dict[str, object]:
    """An entry without what only this machine and this program understand."""
    row = msgspec.structs.asdict(entry)
    for name in ("path", "group", "row", "pair", "per_example", "pictures", "curve"):
        row.pop(name)
    return {**row, "recipe": json.loads(entry.recipe)}


def merge_command(
    results: Annotated[list[Path], typer.Argument(help="Folders of records.")],
    into: Annotated[Path, typer.Option("--into", help="The folder to copy to; it is made where it is not there.")],
) -> None:
    """Copy the records of several folders, with their pictures and results by example, into one."""
    from zoo_leaderboard.records.merge import merge

    merged = merge(results, into)
    for item in merged.unreadable:
        messages().print(f"left out {item.path}: {item.reason}", markup=False)
    typer.echo(f"{into}: {merged.copied} records copied, {merged.known} were there already")
