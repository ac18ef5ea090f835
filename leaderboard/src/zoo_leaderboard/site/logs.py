"""What a trial printed, as its worker kept it beside the record."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LOG = "log.txt"  # among the artifacts of a record
MAX_LOG_BYTES = 2**20  # of the end of the file
MAX_LOG_LINES = 40  # the last ones
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]")


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptLog:
    """The end of what a trial printed: its last `lines` of all `line_count`, and the name of the file."""

    name: str
    lines: Sequence[str]
    line_count: int


def read_log(record_path: Path) -> KeptLog | None:
    """Read the log of the record at this path; None if there is none. Its text is not trusted."""
    folder = record_path.with_suffix("")
    path = folder / LOG
    if folder.is_symlink() or path.is_symlink() or not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - MAX_LOG_BYTES))
            text = file.read(MAX_LOG_BYTES).decode("utf-8", "replace")
    except OSError:  # removed meanwhile, or not for this user
        return None
    lines = [_as_shown(line) for line in text.replace("\r\n", "\n").split("\n")]
    while lines and not lines[-1].strip():
        lines.pop()
    return KeptLog(name=f"{folder.name}/{LOG}", lines=lines[-MAX_LOG_LINES:], line_count=len(lines)) if lines else None


def _as_shown(line: str) -> str:
    """A line as a terminal shows it in the end: without escape sequences, and after the last carriage return."""
    return _ESCAPES.sub("", line.rstrip("\r").rpartition("\r")[2])
