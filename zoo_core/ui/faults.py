"""Prints what a run could not keep: faults of the machine, unsaved records, and artifacts that were left out.

Also prints where its loggers have written to.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections import Counter

from zoo_core.results.records import Record, encode
from zoo_core.results.store import Store
from zoo_core.runner.outcome import Outcome
from zoo_core.runner.request import Request
from zoo_core.ui.console import complain, say
from zoo_core.ui.formats import format_count
from zoo_core.ui.harmless import harmless_json
from zoo_core.ui.progress import trial_title

MAX_WARNINGS = 5
# The first words of their names.
ARTIFACTS = (
    *("artifacts", "checkpoint", "inspection", "onnxruntime", "per-example", "picture", "pictures", "profile"),
    *("table", "tables", "text", "texts", "trace"),
)


def print_faults(outcome: Outcome, store: Store) -> None:
    """Print one line for each fault, with what it cost, and each unsaved record as one line of JSON.

    The first artifacts that new records lack for other reasons are named, too: their plugin may have an error.
    """
    _warn_of_artifacts(outcome)
    for fault, costs in outcome.faults.items():
        complain("; ".join([fault, *(f"{format_count(number, 'trial')} {cost}" for cost, number in costs.items())]))
    for record in outcome.unsaved:
        _print_record(record, store)


def print_logged(request: Request, outcome: Outcome) -> None:
    """Print where each logger has written to. Loggers that failed were named in a warning."""
    ran = outcome.refused or any(record.status != "skipped" for record in outcome.new)
    if request.loggers and not ran:
        if not (outcome.interrupted or outcome.faults):
            advice = ": --force runs recorded trials again" if outcome.recorded else ""
            complain(f"nothing was logged, because no trial ran{advice}", "warning: ", "yellow")
        return
    with contextlib.suppress(OSError):  # standard error is lost
        for name, where in outcome.logged:
            say(f"logged to {name}: {where}" if where else f"logged to {name}", err=True)


def _warn_of_artifacts(outcome: Outcome) -> None:
    found = Counter(
        (what, why)
        for record in outcome.new
        for what, why in record.measured.left_out.items()
        if what.partition(" ")[0] in ARTIFACTS and why not in outcome.faults
    )
    for (what, why), number in found.most_common(MAX_WARNINGS):
        complain(f"left out of {format_count(number, 'trial')}: {what}: {why}", "warning: ", "yellow")
    if len(found) > MAX_WARNINGS:
        complain(f"{len(found) - MAX_WARNINGS} more artifacts were left out", "warning: ", "yellow")


def _print_record(record: Record, store: Store) -> None:
    """Print a record on standard error, or if that takes nothing either, on standard output."""
    text = harmless_json(json.dumps(json.loads(encode(record)), ensure_ascii=False))
    try:
        complain(
            f"{trial_title(record)}: to keep this record, put the next line into {store.path(record)}", "unsaved: "
        )
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except OSError:
        sys.stdout.write(f"{text}\n")
