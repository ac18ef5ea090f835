"""`zoo verify`: runs the experiments of records again, and compares the results bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo_core.cli import bench_options, completion
from zoo_core.cli.options import DATA_ROOT, RESULTS
from zoo_core.errors import FAILURE, INTERRUPTED, UnknownNameError, UsageError
from zoo_core.ui.console import messages, output, print_failed_plugins, print_json, print_table
from zoo_core.ui.formats import bare_name, format_count, format_score
from zoo_core.ui.harmless import harmless

if TYPE_CHECKING:
    from zoo_core.results.records import Record
    from zoo_core.results.store import Store
    from zoo_core.runner.verify import Verification

MAX_LISTED_IDS = 5
RECORDS = typer.Argument(help="Ids of records, or their first characters.", autocompletion=completion.complete_record)
TOP = typer.Option("--top", min=1, help="Verify the best record of each of the N best rows of every table.")
MODEL = typer.Option("--model", "-m", metavar="FILE.py:NAME", help="Source of a model that is not in a plugin.")
WEIGHTS = typer.Option("--weights", metavar="FILE", help="Initial weights, if the record began from a file.")
JSON = typer.Option("--json", help="Print the results as JSON instead of text.")
WORDS = {True: "same", False: "differs", None: "not verified"}


def verify_command(
    records: Annotated[list[str] | None, RECORDS] = None,
    top: Annotated[int | None, TOP] = None,
    data_root: Annotated[Path | None, DATA_ROOT] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Refuse the network in trials.")] = False,
    model: Annotated[str, MODEL] = "",
    weights: Annotated[str, WEIGHTS] = "",
    timeout: Annotated[str, bench_options.TIMEOUT] = "",
    results: Annotated[Path, RESULTS] = Path("results"),
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Run the experiments of records again, and compare scores, curves, tables and results by example bit for bit.

    Exits with 0 if all are the same, with 1 if one differs or cannot be verified, with 2 after a fault of the machine,
    such as a full disk. Writes a note next to each record.
    """
    from zoo_core.results.store import Store
    from zoo_core.runner.interrupts import stop_on_signals
    from zoo_core.runner.verify import Sources
    from zoo_core.ui import parsing

    if bool(records) == (top is not None):
        raise UsageError("name records to verify, or give --top N: `zoo results` lists the records")
    store = Store(results)
    chosen = _best(_read(store), top) if top else [_find(store, prefix) for prefix in records or []]
    if not chosen:
        raise UsageError(f"no record in {results} has a score: `zoo bench` writes them")
    timeout_s = parsing.parse_duration("--timeout", timeout) if timeout else None
    sources = Sources(data_root=data_root, offline=offline, model=model, weights=weights, timeout_s=timeout_s)
    stop_on_signals()
    verifications: list[Verification] = []
    try:
        verifications.extend(_verify_all({record.id: record for record in chosen}.values(), store, sources))
    finally:  # a fault of the machine ends the command, after the results so far
        if verifications:
            _print(verifications, as_json=as_json)
    if any(item.interrupted for item in verifications):
        raise typer.Exit(INTERRUPTED)
    if not all(item.same for item in verifications):
        raise typer.Exit(FAILURE)


def _read(store: Store) -> list[Record]:
    from zoo_core.results.store import Unreadable

    return [item for item in store.read() if not isinstance(item, Unreadable)]


def _find(store: Store, prefix: str) -> Record:
    """Return the record whose id begins with the prefix. Raises UnknownNameError for none, UsageError for several."""
    records = _read(store)
    matches = [record for record in records if record.id == prefix]
    matches = matches or [record for record in records if record.id.startswith(prefix)]
    if not matches or not prefix:
        raise UnknownNameError("record", prefix, [record.id for record in records], "`zoo results`")
    if len(matches) > 1:
        ids = ", ".join(item.id for item in matches[:MAX_LISTED_IDS])
        raise UsageError(f"{len(matches)} records begin with {prefix!r}, give more characters: {ids}")
    return matches[0]


def _best(records: Iterable[Record], count: int) -> list[Record]:
    """Return the record with the best score of each of the `count` best rows of every table, by mean score.

    A table has one task, data, recipe class and device class; a row has one model with one code.
    """
    tables: dict[tuple[Any, ...], dict[tuple[Any, ...], list[Record]]] = {}
    for record in records:
        if record.status == "ok" and record.score is not None and record.source == "runner":
            task, dataset, device, model = record.task, record.dataset, record.device, record.model
            table = (task.name, task.version, dataset.name, dataset.fingerprint, record.recipe_class, device.kind)
            row = (model.name, model.code_sha256, model.weights, record.budget_s, device.dtype, device.compiled)
            tables.setdefault(table, {}).setdefault(row, []).append(record)
    best = []
    for rows in tables.values():
        (direction,) = {1 if item[0].task.higher_is_better else -1 for item in list(rows.values())[:1]}

        def value(record: Record, direction: int = direction) -> float:
            return direction * (record.score or 0.0)

        ranked = sorted(rows.values(), key=lambda row: sum(map(value, row)) / len(row), reverse=True)
        best += [max(row, key=value) for row in ranked[:count]]
    return best


def _verify_all(records: Iterable[Record], store: Store, sources: Any) -> Iterable[Verification]:
    """Verify the records one after another, and note each result; Ctrl-C ends it after the noted ones."""
    from zoo_core.measure.environment import machine_id
    from zoo_core.registry import Registry
    from zoo_core.results.verified import Verified, save_verified
    from zoo_core.runner.recording import now
    from zoo_core.runner.verify import verify
    from zoo_core.ui.progress import make_display

    registry = Registry.load()
    print_failed_plugins(registry.failed)
    for record in records:
        made = verify(record, registry, store, sources=sources, make_display=lambda: make_display(messages()))
        if made.same is not None:
            note = Verified(
                record=record.id,
                verified_at=now(),
                machine=machine_id(),
                same=made.same,
                differs=list(made.comparison.differs),
            )
            save_verified(store, record.task.name, note)
        yield made
        if made.interrupted:
            return


def _print(verifications: Sequence[Verification], *, as_json: bool) -> None:
    if as_json:
        print_json([_as_json(item) for item in verifications])
        return
    columns = ["record", "task", "model", "seed", "score", "result"]
    print_table(columns, [_row(item) for item in verifications])
    for item in verifications:
        _print_details(item)
    counts = {word: sum(WORDS[item.same] == word for item in verifications) for word in WORDS.values()}
    parts = [f"{count} {word}" for word, count in counts.items() if count]
    output().print(f"{format_count(len(verifications), 'record')}: {', '.join(parts)}")


def _row(item: Verification) -> list[object]:
    record = item.record
    names = [bare_name(record.task.name), bare_name(record.model.name)]
    return [record.id, *names, record.seed, format_score(record.score), WORDS[item.same]]


def _print_details(item: Verification) -> None:
    """Print why a record was not verified, what differs and what is the same, one thing a line."""
    comparison = item.comparison
    lines = [f"not verified: {item.reason}"] if item.reason else []
    lines += [f"differs: {text}" for text in comparison.differs]
    if comparison.same:
        lines.append(f"the same, bit for bit: {', '.join(comparison.same)}")
    lines += [f"not compared: {text}" for text in comparison.not_compared]
    lines += [f"other surroundings: {text}" for text in item.surroundings]
    if item.same is None and comparison.differs:
        lines.append("in other surroundings equal bits are not claimed, so this says nothing about the record")
    output().print(harmless(item.record.id), markup=False, soft_wrap=True)
    for line in lines:
        output().print(harmless(f"    {line}"), markup=False, soft_wrap=True)


def _as_json(item: Verification) -> dict[str, Any]:
    return {
        "record": item.record.id,
        "result": WORDS[item.same],
        "reason": item.reason,
        "same": item.comparison.same,
        "differs": item.comparison.differs,
        "not_compared": item.comparison.not_compared,
        "surroundings": item.surroundings,
    }
