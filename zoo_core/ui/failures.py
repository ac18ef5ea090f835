"""Says of each failed trial why it failed, what its code printed, and what to try next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo_core.quote import brief
from zoo_core.reasons import line_that_tells
from zoo_core.results.records import FAILED, Record
from zoo_core.results.store import Store
from zoo_core.runner.worker import LOG
from zoo_core.ui.advice import next_step
from zoo_core.ui.formats import bare_name, format_count
from zoo_core.ui.harmless import final_lines, harmless

MAX_PRINTED_LINES = 8  # of what a trial printed
MAX_LINE_CHARS = 160
MAX_LOG_BYTES = 2**20  # of the end of what a trial printed
MAX_DETAILED = 10  # failures with printed lines and advice; of the others, only reason and log are named


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the report. `label` is the status at its beginning; "" for a detail."""

    text: str
    label: str = ""

    def __str__(self) -> str:
        return f"{self.label}  {self.text}" if self.label else f"    {self.text}"


def reason_text(record: Record) -> str:
    """Return the record's reason in one line that is safe to print."""
    return harmless(line_that_tells(record.reason)) or "reason unknown"


def log_file(record: Record, store: Store) -> Path | None:
    """Return the file with what the trial's code printed, or None if it printed nothing or the file is gone."""
    path = store.artifacts(record) / LOG
    return path if path.is_file() else None


def failure_report(records: Sequence[Record], store: Store) -> Iterator[Line]:
    """Yield the lines about all records that are not ok; trials that failed alike share them."""
    detailed = 0
    for alike in _group_alike(records):
        record = alike[0]
        yield Line(f"{harmless(_name(alike))}: {reason_text(record)}", record.status)
        log = log_file(record, store)
        if record.status in FAILED and detailed < MAX_DETAILED:
            detailed += 1
            yield from map(Line, failure_details(record, log))
            if record.traceback:
                yield Line(f"traceback: `zoo results show {record.id}`")
        elif log is not None:
            yield Line(f"printed: {log}")


def _group_alike(records: Sequence[Record]) -> list[list[Record]]:
    """Group the records that are not ok by task, model, status and reason; they differ in seed and device."""
    groups: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        if record.status != "ok":
            key = (record.task.name, record.model.name, record.status, record.reason)
            groups.setdefault(key, []).append(record)
    return list(groups.values())


def _name(alike: Sequence[Record]) -> str:
    seeds = list(dict.fromkeys(str(record.seed) for record in alike))
    label = "seed" if len(seeds) == 1 else "seeds"
    return f"{bare_name(alike[0].task.name)} {bare_name(alike[0].model.name)} {label} {', '.join(seeds)}"


def failure_details(record: Record, log: Path | None) -> Iterator[str]:
    """Yield lines with the end of what the trial printed, and with what to try next."""
    if log is not None:
        lines = final_lines(_end_of(log))
        last = lines[-MAX_PRINTED_LINES:]
        some = (
            f"the last {len(last)} of {len(lines)} lines" if len(last) < len(lines) else format_count(len(last), "line")
        )
        yield f"printed ({some}): {log}"
        yield from (f"| {brief(line, MAX_LINE_CHARS)}" for line in last)
    if step := next_step(record):
        yield f"try {harmless(step)}"


def _end_of(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - MAX_LOG_BYTES))
            return file.read(MAX_LOG_BYTES).decode("utf-8", "replace")
    except OSError:  # removed meanwhile, or not for this user
        return ""
