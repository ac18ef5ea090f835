"""The zoo's cache folder, and writing files so that a reader never meets half of one."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

ABANDONED_S = 86_400.0  # age from which what was half made has no maker any more: a folder may be filled for hours
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def cache_dir() -> Path:
    """`ZOO_CACHE`, else the user's cache folder as the operating system has it. Not created here."""
    named = os.environ.get("ZOO_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("zoo")


def own_cache(qualified: str) -> Path:
    """The folder in which a data set or a task may keep what is worth keeping between runs; it is made."""
    folder = cache_dir() / "kept" / portable(qualified)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def portable(name: str, longest: int = 80) -> str:
    """`name` as a file or folder name that every system takes and that cannot leave its folder."""
    safe = _UNSAFE.sub("-", name).strip(".-")[:longest].rstrip(".-")
    return safe or "_"


def remove_abandoned(folder: Path, prefix: str) -> None:
    """Remove folders below `folder` that runs which were killed began to fill: called `prefix...`, a day old."""
    for path in folder.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):  # its owner was faster
            if path.is_dir() and time.time() - path.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def new_folder(path: Path, prefix: str) -> Iterator[Path]:
    """Yield an empty folder to fill, which becomes `path` when the block ends; after an error nothing is left.

    If another process has made `path` meanwhile, its folder stays and this one is dropped. The folder to fill is below
    a temporary one called `prefix...`; those that killed runs left there a day ago are removed first.
    """
    import tempfile  # not needed by `zoo list`

    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path.parent, prefix)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as temporary:
        inside = Path(temporary) / "content"
        inside.mkdir()
        yield inside
        try:
            inside.rename(path)
        except OSError:
            if not path.is_dir():
                raise


def write_atomically(path: Path, content: bytes) -> None:
    """Write `path` so that it holds either its old content or all of the new one, whatever happens meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
