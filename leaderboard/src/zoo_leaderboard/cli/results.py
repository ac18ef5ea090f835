"""The commands `zoo results compare`, `export` and `merge`."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from zoo_core.cli.options import RESULTS
from zoo_core.errors import FAILURE, UsageError
from zoo_core.files import write_atomically
from zoo_core.ui.console import complain, messages, print_json, print_table, say
from zoo_core.ui.formats import format_score
from zoo_leaderboard.cli.leaderboard import folders, print_left_out
from zoo_leaderboard.text.formats import counted

if TYPE_CHECKING:
    from zoo_leaderboard.board.compare import ComparedModel, RunComparison
    from zoo_leaderboard.board.compared_runs import Runs
    from zoo_leaderboard.records.trials import TrialSummary
    from zoo_leaderboard.stats.changes import Change

UNKNOWN = "unknown"
NOT_EXPORTED = (
    *("path", "group_text", "row_text", "planned_text", "whole_code", "untrained"),
    *("per_example_file", "has_pictures", "has_texts", "has_curve", "has_val_curve", "has_left_out"),
)


def compare_command(
    before: Annotated[Path | None, typer.Argument(help="Folder of earlier records.")] = None,
    after: Annotated[Path | None, typer.Argument(help="Folder of later records.")] = None,
    results: Annotated[Path, RESULTS] = Path("results"),
    last: Annotated[
        bool, typer.Option("--last", help="Compare the last two occasions of one folder; the default without folders.")
    ] = False,
    baseline: Annotated[
        str,
        typer.Option("--baseline", help="Compare with this occasion of one folder: a day, or a commit or code hash."),
    ] = "",
    fail_on: Annotated[
        Literal["nothing", "regression", "unjudged"],
        typer.Option("--fail-on", help="Exit with 1 if one is found; `unjudged` also if something cannot be judged."),
    ] = "nothing",
    least_score: Annotated[
        float, typer.Option("--least-score", min=0.0, help="Smallest change of the score that counts, in its unit.")
    ] = 0.0,
    least_speed: Annotated[
        float,
        typer.Option("--least-speed", min=0.0, help="Smallest change of a time that counts, as a share (0.05 is 5 %)."),
    ] = 0.05,
    least_shift: Annotated[
        float,
        typer.Option("--least-shift", min=0.0, help="Largest slowdown of all models together that is mere drift."),
    ] = 0.10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare scores, train times, latencies and failures of two folders of records, or of two occasions in one."""
    from zoo_leaderboard.board.compare import Least, as_builtins, compare

    runs = _select_runs([folder for folder in (before, after) if folder], results, last, baseline)
    comparison = compare(runs, Least(score=least_score, speed=least_speed, shift=least_shift))
    print_left_out(runs.unreadable)
    if as_json:
        print_json(as_builtins(comparison))
    else:
        _print_comparison(comparison)
    if (fail_on != "nothing" and comparison.regressions) or (fail_on == "unjudged" and comparison.not_judged):
        raise typer.Exit(FAILURE)


def _select_runs(given: Sequence[Path], results: Path, last: bool, baseline: str) -> Runs:
    from zoo_leaderboard.board.compared_runs import last_occasions, since_baseline, two_folders

    if len(given) == 2 and not last and not baseline:
        return two_folders([given[0]], [given[1]])
    if len(given) == 2 or (last and baseline):
        raise UsageError(
            "give two folders, or --last or --baseline with one: `zoo results compare BEFORE AFTER`, "
            "`zoo results compare FOLDER --baseline 2026-11-20`"
        )
    folder = given[0] if given else results
    return since_baseline([folder], baseline) if baseline else last_occasions([folder])


def _print_comparison(comparison: RunComparison) -> None:
    """Print the table, what was not compared, the regressions, and how many tests were made."""
    columns = ["task", "model", "device", "n", "before", "after", "score", "train time", "latency", "failed"]
    print_table(columns, [_table_row(item) for item in comparison.compared])
    sides = ([item.before for item in comparison.compared], [item.after for item in comparison.compared])
    say(f"before: trials of {_days(sides[0])}; after: trials of {_days(sides[1])}")
    runs = comparison.runs
    for words, names in (("only before", runs.only_before), ("only after", runs.only_after)):
        for name in names:
            messages().print(f"{words}: {name}")
    if runs.left_out:
        messages().print(f"{counted(runs.left_out, 'model')} not measured on the last day: left out")
    for item in comparison.compared:
        for name, reason in item.not_judged.items():
            messages().print(f"not judged: {name} of {item.key.model} on {item.key.group.task}: {reason}")
    corrected = f"corrected together: {counted(comparison.tests, 'test')} of all tables (Holm, 5 %)"
    for line in [*_shift_lines(comparison), corrected, *_regression_lines(comparison)]:
        say(line)
    if comparison.not_judged:
        say(f"{comparison.not_judged} could not be judged")
    if not comparison.regressions:
        say(f"no regression found in {counted(len(comparison.compared), 'comparison')}")


def _days(models: Sequence[Sequence[TrialSummary]]) -> str:
    """The days of the ok trials: `2026-11-20`, or the first and the last; without unknown ones."""
    days = sorted({trial.started_at[:10] for trials in models for trial in trials if trial.started_at})
    return " to ".join(dict.fromkeys([days[0], days[-1]])) if days else "no known day"


def _shift_lines(comparison: RunComparison) -> list[str]:
    """Tell what all times have in common, where it is more than noise."""
    lines = []
    for item in comparison.shifts:
        shift, kind = item.shift, "regression" if item.regression else "common to all"
        if shift.significant or item.regression:
            lines.append(
                f"{kind}: {item.name} of {counted(shift.models, 'model')} on {item.place} changed by "
                f"{100 * shift.change:+.1f} % ({100 * shift.low:+.1f} to {100 * shift.high:+.1f} %): "
                "the machine, or code that all of them share; `own` is the change of a model without it"
            )
    return lines


def _regression_lines(comparison: RunComparison) -> list[str]:
    lines = [
        f"regression: {name} of {item.key.model} on {item.key.group.task}"
        for item in comparison.compared
        for name in item.regressions
    ]
    if comparison.failures is not None and comparison.failures.verdict == "regression":
        before, after = (sum(item.failed[side] for item in comparison.compared) for side in (0, 1))
        lines.append(f"regression: failures of all models together, {before} before, {after} after")
    return lines


def _table_row(item: ComparedModel) -> list[str]:
    about = [item.key.group.task, item.key.model, item.key.group.device_class, f"{len(item.before)}/{len(item.after)}"]
    scores = [_mean_score_text(item.before), _mean_score_text(item.after)]
    changes = [_change_text(item.changes.get(name)) for name in ("score", "train_s", "latency_ms")]
    return [*about, *scores, *changes, _failed_text(item)]


def _failed_text(item: ComparedModel) -> str:
    """`0/3, 2/3 no change seen`: failed of all trials, before and after; `-` if none failed."""
    if not any(item.failed):
        return "-"
    counts = ", ".join(f"{failed}/{ended}" for failed, ended in zip(item.failed, item.ended, strict=True))
    change = item.changes.get("failures")
    verdict = "regression" if "failures" in item.regressions else change.verdict if change else UNKNOWN
    return f"{counts} {verdict}"


def _mean_score_text(trials: Sequence[TrialSummary]) -> str:
    scores = [trial.score for trial in trials if trial.score is not None]
    return format_score(statistics.fmean(scores)) if scores else "no score"


def _change_text(change: Change | None) -> str:
    """`-0.0123 (-0.02 to -0.005) regression`; the interval of a time is without what all models share."""
    if change is None:
        return "-"
    factor, unit, form = (100.0, " %", "+.1f") if change.relative else (1.0, "", "+.4g")
    own = f", own {change.own * factor:{form}}{unit}" if change.own != change.change else ""
    interval = ""
    if change.low is not None and change.high is not None:
        interval = f" ({change.low * factor:{form}} to {change.high * factor:{form}})"
    return f"{change.change * factor:{form}}{unit}{own}{interval} {change.verdict}"


def export_command(
    results: Annotated[list[Path] | None, typer.Argument(envvar="ZOO_RESULTS", help="Folders of records.")] = None,
    out: Annotated[Path, typer.Option("--out", help="Output file, .csv, .json or .parquet.")] = Path("trials.csv"),
) -> None:
    """Write all trials to one CSV, JSON or Parquet file: names, settings, score, times, reason of a failure."""
    from zoo_leaderboard.records.index import load_all_trials
    from zoo_leaderboard.text.documents import as_csv, as_json, as_parquet, require_pyarrow

    if out.suffix not in (".csv", ".json", ".parquet"):
        raise UsageError(f"--out {out}: the file name must end in .csv, .json or .parquet")
    if out.suffix == ".parquet":
        require_pyarrow()
    loaded = load_all_trials(folders(results))
    rows = [_exported_fields(trial) for trial in loaded.trials]
    columns = list(rows[0]) if rows else ["id"]
    write = {".parquet": as_parquet, ".csv": as_csv}.get(out.suffix)
    write_atomically(out, as_json(rows) if write is None else write(rows, columns))
    print_left_out(loaded.unreadable)
    say(f"{out}: {len(rows)} trials")


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
    print_left_out(merged.unreadable)
    for name in merged.clashes:
        words = "names models of two sources, and only the code that was benchmarked last counts"
        complain(f"{name} {words}: run one of them again with another --name", "warning: ", "yellow")
    say(f"{into}: {counted(merged.copied, 'record')} copied, {merged.known} already there")
