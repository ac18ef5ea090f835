"""Size and modification time of each file of a site, as the last build left them.

They are in the cache, not in the site, which would else differ from one build to the next. Without them, a build reads
all files of the earlier site. It also reads them after a restart of a Linux system: pages are not flushed to the disk
one by one, which would take minutes, so a power failure may leave zeros in a file of the right size and time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from zoo_core.files import cache_dir, system_start
from zoo_leaderboard.records.cachefile import read_cached, write_cached

Stamp: TypeAlias = tuple[int, int]  # size in bytes and modification time in ns; moving a file changes neither
FORM = "stamps of a site, version 1"


def stamp_of(state: os.stat_result) -> Stamp:
    """Return the stamp of a file."""
    return state.st_size, state.st_mtime_ns


def load_stamps(place: Path) -> dict[str, Stamp]:
    """Return the stamps of the site in `place` by name of the file; none if the cache has none of this system start."""
    return read_cached(_path(place), dict[str, Stamp], _form()) or {}


def save_stamps(place: Path, stamps: Mapping[str, Stamp]) -> None:
    """Keep the stamps of the site in `place` for the next build."""
    write_cached(_path(place), dict(stamps), _form())


def _form() -> str:
    return f"{FORM}, of {system_start()}"


def _path(place: Path) -> Path:
    name = hashlib.sha256(os.fsencode(place)).hexdigest()[:32]
    return cache_dir() / "leaderboard" / f"{name}.stamps"
