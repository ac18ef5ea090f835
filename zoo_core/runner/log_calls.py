"""The calls of a logger: the parent writes them to files, and the logger's process reads the files and makes the calls.

A file holds the calls of one trial, one JSON object a line, and ends with `End`. So the parent never waits for a
logger: a file takes what the logger has not read. The logger's process removes each file that it has read, so what is
left there shows how far it is behind.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import msgspec

from zoo_core.entries import resolve_entry
from zoo_core.files import read_regular
from zoo_core.loggers import Logger, TrialBegan, TrialFiles
from zoo_core.results.bounds import MAX_RECORD_BYTES
from zoo_core.results.records import JsonStruct, Record, decode
from zoo_core.runner.events import Evaluated, Event, JobResult, LoggerReady, LogJob
from zoo_core.runner.limits import cut

POLL_S = 0.1  # between two looks for new calls
NICENESS = 19  # of the logger's process: trials come first


class TrialEnded(JsonStruct, frozen=True, kw_only=True, tag="ended"):
    """The trial ended. `record` and `artifacts`: the paths of its record and of the folder with its artifacts."""

    record: str
    artifacts: str


class End(JsonStruct, frozen=True, kw_only=True, tag="end"):
    """The file ends here. `last`: no other file follows."""

    last: bool = False


Call: TypeAlias = TrialBegan | Evaluated | TrialEnded | End
decode_call = msgspec.json.Decoder(Call).decode


def calls_file(folder: Path, number: int) -> Path:
    """Return the path of the file for the trial with this number; the first has the number 1."""
    return folder / f"{number:06}.calls"


def call_logger(job: LogJob, send: Callable[[Event], None]) -> None:
    """Make the logger, and call it for everything that the parent writes, until the run is over."""
    logger: Logger = resolve_entry(job.entry)(job.target)
    if hasattr(os, "nice"):  # from here on; the first trial waits for what comes before
        with contextlib.suppress(OSError):
            os.nice(NICENESS)
    send(LoggerReady())
    for call in read_calls(Path(job.folder)):
        match call:
            case TrialBegan():
                logger.began(call)
            case Evaluated():
                logger.evaluated(call.point)
            case TrialEnded():
                record, files = load_ended(call)
                logger.finished(record, files)
    send(JobResult(value=cut(str(logger.close() or ""))))


def read_calls(folder: Path) -> Iterator[TrialBegan | Evaluated | TrialEnded]:
    """Yield the calls in order, as they come, and remove each file that was read."""
    for number in itertools.count(1):
        path = calls_file(folder, number)
        for line in _lines(path):
            call: Call = decode_call(line)
            if isinstance(call, End):
                break
            yield call
        path.unlink(missing_ok=True)
        if isinstance(call, End) and call.last:
            return


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file that the parent is writing, as they become complete; this ends never by itself."""
    while not path.exists():
        time.sleep(POLL_S)
    with path.open("rb") as file:
        line = b""
        while True:
            line += file.readline()
            if line.endswith(b"\n"):
                yield line
                line = b""
            else:
                time.sleep(POLL_S)


def load_ended(call: TrialEnded) -> tuple[Record, TrialFiles]:
    """Read the record of a trial that has ended, and list its files. Raises RecordError, OSError."""
    path, folder = Path(call.record), Path(call.artifacts)
    record = decode(read_regular(path, MAX_RECORD_BYTES))
    measured = record.measured
    return record, TrialFiles(
        record=path,
        pictures=_files_in(folder, measured.pictures),
        texts=_files_in(folder, measured.texts),
        checkpoint=_file_in(folder, measured.checkpoint),
        per_example=_file_in(folder, measured.per_example),
    )


def _files_in(folder: Path, names: Mapping[str, str]) -> dict[str, Path]:
    found = {name: _file_in(folder, file) for name, file in names.items()}
    return {name: path for name, path in found.items() if path is not None}


def _file_in(folder: Path, name: str) -> Path | None:
    """Return the path of a file of the trial; None if there is none, or if it is a link or lies elsewhere.

    The code of a trial can put links into its folder, and name any file. A logger may send files to a server.
    """
    path = folder / name
    try:
        if not name or path.name != name or not stat.S_ISREG(path.lstat().st_mode):
            return None
    except (OSError, ValueError):
        return None
    return path
