"""Keeps the private part private: its records hold scores, but no examples and no results by example."""

from __future__ import annotations

import contextlib
import shutil

from msgspec.structs import replace

from zoo_class.places import Places
from zoo_core.files import write_atomically
from zoo_core.results.records import Record, encode
from zoo_core.results.store import Store, Unreadable

WITHHELD = "withheld: the data are private"


def strip_records(places: Places) -> None:
    """Remove tables, results by example, pictures and texts from the records of the private part, with their files.

    What a submission printed or wrote goes as well: while it predicts, it sees the private inputs. Done again, this
    changes nothing, so that a run that was killed before it is made up for by the next.
    """
    store = Store(places.results("private"))
    for record in store.read():
        if isinstance(record, Unreadable):
            continue
        if (stripped := without_examples(record)) != record:
            write_atomically(store.path(record), encode(stripped))
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(store.artifacts(record))


def without_examples(record: Record) -> Record:
    """Return the record with nothing that tells about single examples of the data, or that its code has written."""
    measured = replace(
        record.measured,
        tables={},
        per_example="",
        checkpoint="",
        pictures={},
        texts={},
        profile=None,
        left_out={"examples": WITHHELD},
    )
    return replace(record, measured=measured, reason=WITHHELD if record.reason else "", traceback="")
