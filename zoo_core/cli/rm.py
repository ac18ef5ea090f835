"""`zoo results rm`: removes records with their artifacts."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_core.cli import completion, selectors
from zoo_core.cli.options import RESULTS
from zoo_core.errors import FAILURE, INTERRUPTED, UnknownNameError, UsageError
from zoo_core.ui.console import complain, print_json, print_table, say
from zoo_core.ui.formats import format_count, format_score

if TYPE_CHECKING:
    from zoo_core.results.removal import RecordFile

IDS = typer.Argument(help="Ids of records, or their first characters.", autocompletion=completion.complete_record)


def rm_command(
    ids: Annotated[list[str] | None, IDS] = None,
    task: Annotated[str, selectors.TASK] = "",
    model: Annotated[str, selectors.MODEL] = "",
    status: Annotated[str, selectors.STATUS] = "",
    device: Annotated[str, selectors.DEVICE] = "",
    dataset: Annotated[str, selectors.DATASET] = "",
    recipe_class: Annotated[str, selectors.RECIPE_CLASS] = "",
    results: Annotated[Path, RESULTS] = Path("results"),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be removed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the ids of the removed records as JSON.")] = False,
) -> None:
    """Remove records with their pictures, logs and saved models, after a question. Trials that still run stay."""
    from zoo_core.results.removal import refuse_links

    wanted = {"task": task, "model": model, "status": status, "device": device, "dataset": dataset}
    wanted["recipe_class"] = recipe_class
    if not ids and not any(wanted.values()):
        raise UsageError("name what to remove: ids, or filters such as --task mnist --status error (`zoo results`)")
    chosen = _choose(results, ids or [], wanted)
    refuse_links(chosen, results)
    if not as_json:
        print_table(["id", "task", "model", "seed", "status", "score"], [_row(file) for file in chosen])
    if dry_run:
        _print_plan(chosen, as_json=as_json)
    elif yes or _is_confirmed(len(chosen), results):
        _remove_all(chosen, results, as_json=as_json)
    else:
        say("nothing removed", err=as_json)


def _print_plan(chosen: Sequence[RecordFile], *, as_json: bool) -> None:
    if as_json:
        print_json({"removed": [], "would_remove": [file.path.stem for file in chosen]})
    else:
        say(f"would remove {format_count(len(chosen), 'record')}; nothing removed, because of --dry-run")


def _choose(folder: Path, ids: Sequence[str], wanted: Mapping[str, str]) -> list[RecordFile]:
    """Return the files with these ids, or all files, that have the wanted values. Raises UsageError for none."""
    from zoo_core.results.removal import find_record_files

    found = list(find_record_files(folder))
    by_path = {file.path: file for file in (_find_by_id(found, prefix) for prefix in ids)}  # two may name one file
    named = [*by_path.values()] or found
    if not any(wanted.values()):  # also records that cannot be read
        return named
    readable = [(file, file.record) for file in named if file.record is not None]
    chosen = [file for file, record in readable if selectors.is_selected(record, wanted)]
    if not chosen:
        advice = selectors.selection_advice([record for _, record in readable], wanted)
        raise UsageError(f"nothing to remove in {folder}: {advice or 'no record has all of these values'}")
    return chosen


def _find_by_id(found: Sequence[RecordFile], prefix: str) -> RecordFile:
    matches = [file for file in found if file.path.stem == prefix]
    matches = matches or [file for file in found if file.path.stem.startswith(prefix)]
    if not matches or not prefix:
        raise UnknownNameError("record", prefix, [file.path.stem for file in found], "`zoo results`")
    if len(matches) > 1:
        ids = ", ".join(file.path.stem for file in matches[:5])
        raise UsageError(f"{len(matches)} records begin with {prefix!r}, give more characters: {ids}")
    return matches[0]


def _row(file: RecordFile) -> list[object]:
    record = file.record
    if record is None:
        return [file.path.stem, file.path.parent.name, "-", "-", "cannot be read", "-"]
    return [file.path.stem, record.task.name, record.model.name, record.seed, record.status, format_score(record.score)]


def _is_confirmed(count: int, folder: Path) -> bool:
    question = f"Remove {format_count(count, 'record')} with all artifacts from {folder}?"
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:
        if sys.stdin.isatty():  # Ctrl-C
            raise typer.Exit(INTERRUPTED) from None
        raise UsageError("nothing removed, because nobody answered the question: --yes removes without it") from None


def _remove_all(chosen: Sequence[RecordFile], folder: Path, *, as_json: bool) -> None:
    from zoo_core.results.removal import remove

    removed, size, failed = [], 0, False
    for file in chosen:
        try:
            size += remove(file)
            removed.append(file.path.stem)
        except OSError as error:
            failed = True
            complain(f"{error.filename or file.path} was not removed: {error.strerror}")
    if as_json:
        print_json({"removed": removed})
    else:
        say(f"removed {format_count(len(removed), 'record')} and {size / 2**20:.1f} MiB of artifacts from {folder}")
    if failed:
        raise typer.Exit(FAILURE)
