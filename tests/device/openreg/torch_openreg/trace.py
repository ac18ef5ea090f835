"""Counts what the device reports by the line of the zoo that caused it.

`start(folder)` writes one JSON file for each process at its end; `counting` counts inside a block.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import util
from pathlib import Path

from torch_openreg import _C

# Reports for which Python waits until the device has done all work before.
WAITS = ("item", "waiting copy", "waiting operator", "synchronize")

Reports = Counter[tuple[str, str, str]]  # kind, what, and the line


@contextmanager
def counting() -> Iterator[Reports]:
    """Count the reports of a block."""
    found: Reports = Counter()

    def note(kind: str, what: str, _: int) -> None:
        found[kind, what, line_of_the_zoo()] += 1

    _C.set_callback(note)
    try:
        yield found
    finally:
        _C.set_callback(None)


def line_of_the_zoo() -> str:
    """Return module and line of the innermost frame in a module of the zoo; "" if there is none."""
    frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("zoo_"):
            return f"{module}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def start(folder: str) -> None:
    """Count all reports of this process, and of those that are forked from it, and write them to the folder."""
    found: Reports = Counter()
    _C.set_callback(lambda kind, what, _: found.update([(kind, what, line_of_the_zoo())]))

    def write() -> None:
        if found:
            rows = [{"kind": kind, "what": what, "line": line, "count": n} for (kind, what, line), n in found.items()]
            path = Path(folder)
            path.mkdir(parents=True, exist_ok=True)
            (path / f"{os.getpid()}.json").write_text(json.dumps({"argv": sys.argv, "reports": rows}, indent=1))

    def write_at_end() -> None:  # processes of multiprocessing end without atexit
        util.Finalize(None, write, exitpriority=10)

    atexit.register(write)
    write_at_end()
    os.register_at_fork(after_in_child=lambda: (found.clear(), write_at_end()))
