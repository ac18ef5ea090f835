"""The hardware page: which machines measured, and their times normalised to one model of each table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from zoo_core.results.records import Record
from zoo_leaderboard.board.hardware import HardwarePlace, Speed, Times, place_of, speed_against, times_by_place
from zoo_leaderboard.board.rows import Row
from zoo_leaderboard.board.tables import Group
from zoo_leaderboard.records.trials import RUNNER, TrialSummary
from zoo_leaderboard.site.summary import Machine, TaskSummary, TimedRow, TimedTable
from zoo_leaderboard.text.formats import clip

MAX_TIMED_ROWS = 30  # of a table, best first
MAX_TABLES, MAX_PLACES = 40, 8  # of the page: tables with the most places first, and columns of a table
MAX_LINES, MIN_LINES = 400, 5  # of the whole page, and of each table


def machines_of(trials: Sequence[TrialSummary], read: Callable[[TrialSummary], Record]) -> list[Machine]:
    """Return the machines that finished any of a task's trials, oldest first, each as its newest trial describes it."""
    newest = {place_of(trial): trial for trial in trials if trial.source == RUNNER and trial.status == "ok"}
    counts = Counter(place_of(trial) for trial in trials if trial.source == RUNNER)
    return [_machine(place, trial, read(trial), counts[place]) for place, trial in newest.items()]


def _machine(place: HardwarePlace, trial: TrialSummary, record: Record, trials: int) -> Machine:
    known = record.environment
    return Machine(
        place=place,
        cpu=_text(known.get("cpu")),
        features=", ".join(_text(item) for item in _listed(known.get("cpu_features"))[:8]),
        cores=_number(known.get("usable_cores")),
        memory_mib=_number(known.get("memory_mib")),
        system=_text(known.get("system")),
        torch=_text(_mapping(known.get("versions")).get("torch")),
        driver=_text(known.get("driver")),
        trials=trials,
        newest=trial.started_at,
    )


def _text(value: Any) -> str:
    return clip(value, 100) if isinstance(value, str) else ""


def _number(value: Any) -> int | None:
    """A count from a record, which may come from anyone."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**40
    return value if is_count else None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def timed_tables(
    groups: Sequence[tuple[Group, Sequence[Row]]], history: Sequence[TrialSummary], labels: Mapping[str, str]
) -> list[TimedTable]:
    """Return the times of the up-to-date rows by place. Groups that differ only in the device class share a table."""
    by_setting: dict[str, list[tuple[Group, Sequence[Row]]]] = {}
    for group, rows in groups:
        if not group.stale:
            by_setting.setdefault(group.key.setting.text, []).append((group, rows))
    found = (_timed_table(some, history, labels) for some in by_setting.values())
    return [table for table in found if table is not None]


def _timed_table(
    groups: Sequence[tuple[Group, Sequence[Row]]], history: Sequence[TrialSummary], labels: Mapping[str, str]
) -> TimedTable | None:
    codes = {
        row.row_text: {trial.whole_code for trial in group.by_row[row.row_text]}
        for group, rows in groups
        for row in [row for row in rows if row.current][:MAX_TIMED_ROWS]
    }
    times = times_by_place(history, codes)
    timed: dict[str, TimedRow] = {}  # by training: the rows of other device classes are the same line
    for row in (row for _, rows in groups for row in rows if row.row_text in times):
        own = list(times[row.row_text].items())
        known = timed.get(row.training)
        if known:
            timed[row.training] = msgspec.structs.replace(known, times=[*known.times, *own])
        else:
            timed[row.training] = TimedRow(label=labels[row.row_text], model=row.model, anchor=row.anchor, times=own)
    if not timed:
        return None
    anchors = [group.anchor for group, _ in groups]
    return TimedTable(anchors=anchors, recipe_class=groups[0][0].key.recipe_class, rows=list(timed.values()))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Cell:
    """A row's times on one place, as multiples of those of the reference model on the same place where it has any."""

    times: Times
    train: float | None
    latency: float | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class NormalisedTable:
    """A table of times: rows with a cell for each place, None where nothing was measured.

    reference: the row measured on the most places; of several, the best by score. left_out, rows_left_out: places
    beyond `MAX_PLACES`, and rows that the size of the page leaves out.
    """

    task: TaskSummary
    table: TimedTable
    dataset_title: str
    places: Sequence[HardwarePlace]
    reference: TimedRow
    lines: Sequence[tuple[TimedRow, Sequence[Cell | None]]]
    left_out: int
    rows_left_out: int

    @property
    def several(self) -> bool:
        """Whether more than one machine measured the table."""
        return len(self.places) > 1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Hardware:
    """All machines, the most used first; train times against the first machine; and the tables of times.

    names: a short name for each place, such as `A`.
    """

    machines: Sequence[tuple[Machine, Speed | None]]
    names: Mapping[HardwarePlace, str]
    tables: Sequence[NormalisedTable]
    left_out: Sequence[NormalisedTable]


def hardware(tasks: Sequence[TaskSummary]) -> Hardware:
    """Collect what the page shows from the summaries of all tasks."""
    machines = _merged(machine for task in tasks for machine in task.machines)
    names = {machine.place: _letters(number) for number, machine in enumerate(machines)}
    rows = [row.by_place for task in tasks for table in task.timed for row in table.rows]
    reference = machines[0].place if machines else None
    timed = [(task, table) for task in tasks for table in task.timed]
    most = max(MIN_LINES, MAX_LINES // max(1, min(MAX_TABLES, len(timed))))
    tables = [_normalised(task, table, names, most) for task, table in timed]
    tables.sort(key=lambda item: -len(item.places))  # the sort keeps the order of equal ones
    return Hardware(
        machines=[
            (machine, speed_against(rows, machine.place, reference) if reference is not None else None)
            for machine in machines
        ],
        names=names,
        tables=tables[:MAX_TABLES],
        left_out=tables[MAX_TABLES:],
    )


def _merged(machines: Iterable[Machine]) -> list[Machine]:
    """Put the machines of several tasks together: the trials are added, the newest trial describes it."""
    found: dict[HardwarePlace, Machine] = {}
    for machine in machines:
        known = found.get(machine.place, machine)
        newer = max(known, machine, key=lambda item: item.newest)
        trials = machine.trials + (known.trials if known is not machine else 0)
        found[machine.place] = msgspec.structs.replace(newer, trials=trials)
    return sorted(found.values(), key=lambda machine: (-machine.trials, machine.place))


def _letters(number: int) -> str:
    """A, B, ... Z, AA, AB."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _normalised(task: TaskSummary, table: TimedTable, names: Mapping[HardwarePlace, str], most: int) -> NormalisedTable:
    counts = Counter(place for row in table.rows for place, _ in row.times)
    places = sorted(counts, key=lambda place: (-counts[place], place))
    shown = sorted(places[:MAX_PLACES], key=lambda place: (len(names.get(place, "")), names.get(place, "")))
    reference = max(table.rows, key=lambda row: len(row.times))  # of equal ones the first, which is the best
    lines = [(row, [_cell(row, reference, place) for place in shown]) for row in table.rows[:most]]
    title = next((group.dataset_title for group in task.groups if group.anchor in table.anchors), "")
    return NormalisedTable(
        task=task,
        table=table,
        dataset_title=title,
        places=shown,
        reference=reference,
        lines=lines,
        left_out=len(places) - len(shown),
        rows_left_out=len(table.rows) - len(lines),
    )


def _cell(row: TimedRow, reference: TimedRow, place: HardwarePlace) -> Cell | None:
    times, base = row.by_place.get(place), reference.by_place.get(place)
    if times is None:
        return None
    return Cell(
        times=times,
        train=_ratio(times.train_s, base.train_s if base else None),
        latency=_ratio(times.latency_ms, base.latency_ms if base else None),
    )


def _ratio(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base else None
