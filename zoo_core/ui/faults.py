"""Prints the faults of the machine that a run met, and the records that could not be saved."""

from __future__ import annotations

import json
import sys

from zoo_core.results.records import Record, encode
from zoo_core.results.store import Store
from zoo_core.runner.run import Outcome
from zoo_core.ui.console import complain
from zoo_core.ui.formats import format_count
from zoo_core.ui.harmless import harmless_json
from zoo_core.ui.progress import trial_title


def print_faults(outcome: Outcome, store: Store) -> None:
    """Print one line for each fault, with what it cost, and each unsaved record as one line of JSON."""
    for fault, costs in outcome.faults.items():
        complain("; ".join([fault, *(f"{format_count(number, 'trial')} {cost}" for cost, number in costs.items())]))
    for record in outcome.unsaved:
        _print_record(record, store)


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
