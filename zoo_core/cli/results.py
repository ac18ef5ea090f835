"""`zoo results`: lists, filters, shows and removes the records on this machine, and imports benchmarks of pytest."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo_core.cli import completion, selectors
from zoo_core.cli.app import SuggestingGroup, load_command, plugin_commands
from zoo_core.cli.options import JSON, RESULTS
from zoo_core.cli.rm import rm_command
from zoo_core.errors import RecordError, UnknownNameError, UsageError
from zoo_core.quote import brief
from zoo_core.ui.console import complain, output, print_json, print_table, say
from zoo_core.ui.formats import format_cell, format_count, format_score, format_seconds, is_empty, spreadsheet_cell
from zoo_core.ui.harmless import harmless

if TYPE_CHECKING:
    from zoo_core.results.benchmarks import Imported
    from zoo_core.results.records import ProfileFacts, Record


MAX_LISTED_IDS = 5
MAX_SHOWN_ROWS, MAX_SHOWN_CHARS = 1000, 50_000  # of a table and of a text of one record; --json has all
MAX_BENCHMARK_BYTES = 2**28  # of a file of pytest-benchmark, which has every round if it is told to


class ListByDefault(SuggestingGroup):
    """Runs `zoo results list` if no subcommand is named: `zoo results --task mnist` works."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] != "--help"):
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Find one of its own commands, or one that a plugin adds below `zoo results`."""
        command = super().get_command(ctx, cmd_name)
        return command or next(
            (load_command(spec) for spec in plugin_commands("results") if spec.name == cmd_name), None
        )

    def list_commands(self, ctx: Any) -> list[str]:
        added = [spec.name for spec in plugin_commands("results")]
        return list(dict.fromkeys([*super().list_commands(ctx), *added]))


app = typer.Typer(cls=ListByDefault)

FIELDS: tuple[tuple[str, Callable[[Record], Any]], ...] = (
    ("id", lambda record: record.id),
    ("task", lambda record: record.task.name),
    ("dataset", lambda record: record.dataset.name),
    ("model", lambda record: record.model.name),
    ("device", lambda record: record.device.kind),
    ("seed", lambda record: record.seed),
    ("status", lambda record: record.status),
    ("recipe_class", lambda record: record.recipe_class),
    ("metric", lambda record: record.task.metric),
    ("score", lambda record: record.score),
    ("train_s", lambda record: record.measured.train_s),
    ("throughput", lambda record: record.measured.throughput),
    ("started_at", lambda record: record.started_at),
    ("source", lambda record: record.source),
)


@app.command("list")
def list_results(
    task: Annotated[str, selectors.TASK] = "",
    model: Annotated[str, selectors.MODEL] = "",
    status: Annotated[str, selectors.STATUS] = "",
    device: Annotated[str, selectors.DEVICE] = "",
    dataset: Annotated[str, selectors.DATASET] = "",
    recipe_class: Annotated[str, selectors.RECIPE_CLASS] = "",
    results: Annotated[Path, RESULTS] = Path("results"),
    as_json: Annotated[bool, JSON] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of text.")] = False,
) -> None:
    """List the records, oldest first. Filters accept bare and qualified names."""
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other")
    wanted = {"task": task, "model": model, "status": status, "device": device, "dataset": dataset}
    wanted["recipe_class"] = recipe_class
    records = read_records(results)
    selected = [record for record in records if selectors.is_selected(record, wanted)]
    rows = [{name: read(record) for name, read in FIELDS} for record in selected]
    if as_json:
        print_json(rows)
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, [name for name, _ in FIELDS], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _csv_cell(value) for name, value in row.items()} for row in rows)
    elif rows:
        columns = ["id", "task", "model", "device", "seed", "status", "recipe_class", "score", "train_s"]
        columns += ["source"] if any(row["source"] != "runner" for row in rows) else []
        print_table(columns, [[_result_cell(column, row[column]) for column in columns] for row in rows])
    else:
        advice = selectors.selection_advice(records, wanted) if records else ""
        empty = f" match{advice and f': {advice}'}" if any(wanted.values()) else "; `zoo bench` writes them"
        say(f"no records in {results}{empty}")


@app.command("show")
def show_result(
    record_id: Annotated[
        str, typer.Argument(help="Id of a record, or its first characters.", autocompletion=completion.complete_record)
    ],
    results: Annotated[Path, RESULTS] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON instead of text.")] = False,
) -> None:
    """Show one record: scores, curve, phases, tables, and the reason of a failure."""
    matches = [record for record in read_records(results) if record.id.startswith(record_id)]
    if not matches:
        raise UnknownNameError("record", record_id, [record.id for record in read_records(results)], "`zoo results`")
    if len(matches) > 1:
        ids = ", ".join(item.id for item in matches[:MAX_LISTED_IDS])
        raise UsageError(f"{len(matches)} records begin with {record_id!r}: {ids}")
    import msgspec

    from zoo_core.results.store import Store
    from zoo_core.ui.failures import log_file

    values = msgspec.to_builtins(matches[0])
    if as_json:
        print_json(values)
    else:
        _print_record(matches[0], values, log_file(matches[0], Store(results)))


@app.command("import")
def import_results(
    files: Annotated[list[Path], typer.Argument(help="Files that `pytest --benchmark-json FILE` wrote.")],
    results: Annotated[Path, RESULTS] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the ids of the records as JSON.")] = False,
) -> None:
    """Import benchmarks of the pytest fixture `zoo_benchmark_model` as records.

    The leaderboard shows them apart from trials and does not rank them. Existing records stay.
    """
    from zoo_core.results.store import Store

    imports = [_read_benchmarks(file) for file in files]  # all files, before anything is written
    store, new, existing = Store(results), [], []
    for record in (record for imported in imports for record in imported.records):
        try:
            store.save(record)
            new.append(record.id)
        except FileExistsError:
            existing.append(record.id)
    unusable = [name for imported in imports for name in imported.foreign]
    if as_json:
        print_json({"imported": new, "there": existing, "left_out": unusable})
    else:
        say(f"imported {len(new)} into {results}" + (f", {len(existing)} existed already" if existing else ""))
    for name in unusable:
        complain(f"{name!r} is not a benchmark of zoo_benchmark_model", "left out: ", "yellow")


app.command("rm")(rm_command)


def _read_benchmarks(file: Path) -> Imported:
    from zoo_core.files import read_regular
    from zoo_core.results.benchmarks import read_benchmarks
    from zoo_core.results.reading import error_words

    if file.is_dir() or not file.exists():
        raise UsageError(f"{file} does not exist: `pytest --benchmark-json {file}` writes it")
    try:
        imported = read_benchmarks(read_regular(file, MAX_BENCHMARK_BYTES))
    except (UsageError, RecordError, OSError) as error:
        raise UsageError(f"{file}: {error_words(error)}") from error
    if not imported.records:
        raise UsageError(f"{file}: none of its {len(imported.foreign)} benchmarks uses zoo_benchmark_model")
    return imported


def read_records(folder: Path) -> list[Record]:
    """Read the records of a folder, oldest first. Unreadable files are named on standard error."""
    from zoo_core.results.store import Store, Unreadable

    records = []
    for item in Store(folder).read():
        if isinstance(item, Unreadable):
            complain(f"{item.path}: {item.reason}", "left out ", "yellow")
        else:
            records.append(item)
    return sorted(records, key=lambda record: record.started_at)


def _csv_cell(value: Any) -> Any:
    return spreadsheet_cell(harmless(value)) if isinstance(value, str) else value


def _result_cell(column: str, value: Any) -> str:
    if column == "score":
        return format_score(value)
    return format_seconds(value) if column == "train_s" else str(value)


def _print_record(record: Record, values: dict[str, Any], log: Path | None) -> None:
    from zoo_core.ui.failures import failure_details, reason_text

    console = output()
    heading = f"{record.task.name} {record.model.name} seed {record.seed}: {record.status}"
    console.print(harmless(heading), style="bold")
    parts = {key: value for key, value in values.items() if key not in ("curve", "phases", "traceback", "measured")}
    measured = {key: value for key, value in values["measured"].items() if key not in ("tables", "profile")}
    if record.status != "ok":
        console.print(reason_text(record))
        for line in failure_details(record, log):
            console.print(line, soft_wrap=True)
    elif log is not None:
        console.print(f"printed: {log}", soft_wrap=True)
    rows = [(name, _shown(value)) for name, value in (*_flatten(parts), *_flatten(measured))]
    print_table(["field", "value"], [row for row in rows if not is_empty(row[1])])
    print_table(["phase", "seconds"], [(phase.name, f"{phase.seconds:.3f}") for phase in record.phases], "\nphases")
    if record.curve:
        columns = list(values["curve"][0])
        points = [[point[column] for column in columns] for point in values["curve"]]
        _print_long_table(columns, points, "\ncurve")
    for name, table in record.measured.tables.items():
        _print_long_table(table.columns, table.rows, f"\n{name}")
    if record.measured.profile is not None:
        _print_profile(record.measured.profile)
    if record.traceback:
        console.print(f"\n{harmless(_shown(record.traceback))}")


def _print_profile(profile: ProfileFacts) -> None:
    title = f"\ncostliest operators by {profile.what}, per training step: means of {profile.steps}"
    _print_long_table(profile.table.columns, profile.table.rows, title)
    if profile.trace:
        say(f"trace: {_shown(profile.trace)} beside the record; https://ui.perfetto.dev shows it")


def _shown(value: Any) -> Any:
    return brief(value, MAX_SHOWN_CHARS) if isinstance(value, str) else value


def _print_long_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str) -> None:
    cells = [[_shown(format_cell(cell)) for cell in row] for row in rows[:MAX_SHOWN_ROWS]]
    print_table(columns, cells, title)
    if len(rows) > len(cells):
        say(f"... {format_count(len(rows) - len(cells), 'more row')}: --json prints all")


def _flatten(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Turn nested fields into rows named `outer.inner`."""
    rows: list[tuple[str, Any]] = []
    for key, value in values.items():
        rows += _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", value)]
    return rows
