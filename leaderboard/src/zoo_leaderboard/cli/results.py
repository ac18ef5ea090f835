"""The commands `zoo results compare`, `export` and `merge`."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from zoo_core.errors import FAILURE, UsageError
from zoo_core.files import write_atomically
from zoo_core.ui.console import complain, messages, print_json, print_table
from zoo_core.ui.formats import format_score
from zoo_leaderboard.text.formats import counted

if TYPE_CHECKING:
    from zoo_leaderboard.board.compare import ComparedModel
    from zoo_leaderboard.records.trials import TrialSummary
    from zoo_leaderboard.stats.changes import Change

UNKNOWN = "unknown (too few seeds)"
NOT_EXPORTED = (
    *("path", "group_text", "row_text", "planned_text", "whole_code", "untrained"),
    *("per_example_file", "has_pictures", "has_curve", "has_val_curve", "has_left_out"),
)


def compare_command(
    before: Annotated[Path, typer.Argument(help="Folder of earlier records.")],
    after: Annotated[Path, typer.Argument(help="Folder of later records.")],
    fail_on: Annotated[
        Literal["nothing", "regression"], typer.Option("--fail-on", help="Exit with 1 if one is found.")
    ] = "nothing",
    least_score: Annotated[
        float, typer.Option("--least-score", min=0.0, help="Smallest change of the score that counts, in its unit.")
    ] = 0.0,
    least_speed: Annotated[
        float,
        typer.Option("--least-speed", min=0.0, help="Smallest change of a time that counts, as a share (0.05 is 5 %)."),
    ] = 0.05,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare the scores, train times and latencies of two folders of records, with significance tests."""
    from zoo_leaderboard.board.compare import as_builtins, compare_runs

    comparison = compare_runs([before], [after], least_score=least_score, least_speed=least_speed)
    if as_json:
        print_json(as_builtins(comparison))
    else:
        rows = [_table_row(item) for item in comparison.compared]
        print_table(["task", "model", "device", "n", "before", "after", "score", "train time", "latency"], rows)
        for words, names in (("only before", comparison.only_before), ("only after", comparison.only_after)):
            for name in names:
                messages().print(f"{words}: {name}", markup=False)
        for item in comparison.compared:
            for name in item.regressions:
                typer.echo(f"regression: {name} of {item.key.model} on {item.key.group.task}")
        if not comparison.regressions:
            typer.echo(f"no regression found in {counted(len(comparison.compared), 'comparison')}")
    if fail_on == "regression" and comparison.regressions:
        raise typer.Exit(FAILURE)


def _table_row(item: ComparedModel) -> list[str]:
    about = [item.key.group.task, item.key.model, item.key.group.device_class, f"{len(item.before)}/{len(item.after)}"]
    scores = [_mean_score_text(item.before), _mean_score_text(item.after)]
    return [*about, *scores, *(_change_text(item.changes.get(name)) for name in ("score", "train_s", "latency_ms"))]


def _mean_score_text(trials: Sequence[TrialSummary]) -> str:
    scores = [trial.score for trial in trials if trial.score is not None]
    return format_score(statistics.fmean(scores)) if scores else "no score"


def _change_text(change: Change | None) -> str:
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
    out: Annotated[Path, typer.Option("--out", help="Output file, .csv or .json.")] = Path("trials.csv"),
) -> None:
    """Write all trials to one CSV or JSON file: names, settings, score, times, reason of a failure."""
    from zoo_leaderboard.cli.leaderboard import folders
    from zoo_leaderboard.records.index import load_all_trials
    from zoo_leaderboard.text.documents import as_csv, as_json

    if out.suffix not in (".csv", ".json"):
        raise UsageError(f"--out {out}: the file name must end in .csv or .json")
    rows = [_exported_fields(trial) for trial in load_all_trials(folders(results))]
    columns = list(rows[0]) if rows else ["id"]
    write_atomically(out, as_json(rows) if out.suffix == ".json" else as_csv(rows, columns))
    typer.echo(f"{out}: {len(rows)} trials")


def _exported_fields(trial: TrialSummary) -> dict[str, object]:
    """Return the fields of a trial by column, without local paths and internal keys."""
    from zoo_leaderboard.records.trials import EXPORT_COLUMNS

    fields = {name: value for name, value in msgspec.structs.asdict(trial).items() if name not in NOT_EXPORTED}
    fields["recipe"] = json.loads(trial.recipe)
    return {EXPORT_COLUMNS.get(name, name): value for name, value in fields.items()}


def merge_command(
    results: Annotated[list[Path], typer.Argument(help="Folders of records.")],
    into: Annotated[Path, typer.Option("--into", help="Folder to copy to; it is created if missing.")],
) -> None:
    """Copy the records of several folders, with pictures and results by example, into one folder."""
    from zoo_leaderboard.records.merge import merge

    merged = merge(results, into)
    for item in merged.unreadable:
        messages().print(f"left out {item.path}: {item.reason}", markup=False)
    for name in merged.clashes:
        words = "names models of two sources, and only the code that was benchmarked last counts"
        complain(f"{name} {words}: run one of them again with another --name", "warning: ", "yellow")
    typer.echo(f"{into}: {counted(merged.copied, 'record')} copied, {merged.known} already there")
