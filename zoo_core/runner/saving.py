"""Saves what can be saved: a whole record, or else the record without its files, or else nothing, and says why."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from zoo_core.errors import DamagedRecordError, MachineError, machine_error_of
from zoo_core.results.records import Record
from zoo_core.results.store import Store, writing_results
from zoo_core.runner.recording import without_artifacts, without_results

PROBE_BYTES = 1 << 16
MIN_FREE_SHARE = 0.05  # of the machine's memory that is available once a trial has ended


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """A record as it was saved. fault: why something is missing; "" if nothing is. is_saved: whether it has a file."""

    record: Record
    fault: str = ""
    is_saved: bool = True


def save_what_fits(store: Store, record: Record, staged: Path | None = None) -> Saved:
    """Save a record with its staged artifacts, or without them, or not at all; no staging folder remains.

    A record that could not be read again is saved as an error without results.
    """
    try:
        with writing_results(store.folder):
            store.save(record, staged)
        return Saved(record=record)
    except DamagedRecordError as error:
        return save_what_fits(store, without_results(record, f"the result cannot be stored: {error}"), staged)
    except MachineError as error:
        fault = str(error)
    if staged is not None:
        store.discard(staged)  # which also makes room on a full disk
    bare = without_artifacts(record, fault)
    try:
        with writing_results(store.folder):
            store.save(bare)
        return Saved(record=bare, fault=fault)
    except MachineError as error:
        return Saved(record=bare, fault=str(error), is_saved=False)


def fault_of_disks(folders: Iterable[Path]) -> MachineError | None:
    """Return the fault of the first folder that takes no file, such as of a full disk; None if all do.

    Libraries hide such faults behind errors of their own, or die of them. Missing folders are passed over.
    """
    for folder in folders:
        if folder.is_dir():
            try:
                with tempfile.TemporaryFile(dir=folder) as probe:
                    probe.write(os.urandom(PROBE_BYTES))  # a disk may store zeros without taking space
                    probe.flush()
            except OSError as error:
                if fault := machine_error_of(error):
                    return fault
    return None


def fault_of_memory() -> MachineError | None:
    """Return a fault if hardly any memory is available although the trial has ended: other programs hold it."""
    memory = psutil.virtual_memory()
    if memory.available >= MIN_FREE_SHARE * memory.total:
        return None
    free_mib, all_mib = memory.available >> 20, memory.total >> 20
    return MachineError(f"other programs leave {free_mib:,} of {all_mib:,} MiB of memory: close some, and run it again")
