"""Notes in the results folder that a record was verified: run again by `zoo verify`, with the same results or others.

A note is a small JSON file next to the task's records: `<task>/verified/<record id>.json`. Of two notes about one
record, the later replaces the earlier. The record itself never changes.
"""

from __future__ import annotations

import contextlib

import msgspec

from zoo_core.files import portable, write_atomically
from zoo_core.results.records import JsonStruct
from zoo_core.results.store import Store

FOLDER = "verified"


class Verified(JsonStruct, frozen=True, kw_only=True):
    """The result of running a record's experiment again.

    record: its id. verified_at: ISO 8601, UTC. machine: id of the machine that ran it again, as in record ids.
    same: whether every compared result is equal bit for bit. differs: what is not, in words.
    """

    record: str
    verified_at: str
    machine: str
    same: bool
    differs: list[str] = []


def save_verified(store: Store, task: str, note: Verified) -> None:
    """Write the note about a record of a task (its qualified name), unless there is a later one."""
    path = store.task_folder(task) / FOLDER / f"{portable(note.record)}.json"
    with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # none, or a broken one
        if msgspec.json.decode(path.read_bytes(), type=Verified).verified_at > note.verified_at:
            return
    write_atomically(path, msgspec.json.format(msgspec.json.encode(note), indent=1) + b"\n")


def merge_verified(source: Store, into: Store) -> None:
    """Copy the notes of one store to another; broken ones are left out."""
    for path in sorted(source.folder.glob(f"*/{FOLDER}/*.json")):
        with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            note = msgspec.json.decode(path.read_bytes(), type=Verified)
            save_verified(into, path.parents[1].name, note)
