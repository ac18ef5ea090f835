"""The zoo's cache folder, and atomic writes: a reader never sees half a file or half a folder."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from zoo_core.errors import UsageError

ABANDONED_AFTER_S = 86_400.0  # a temporary folder may be filled for hours; after a day its process is gone
SET_CACHE = "set ZOO_CACHE to a folder that you may write to, on a disk with free space"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)  # devices on Windows, also con.txt


def cache_dir() -> Path:
    """Return `ZOO_CACHE`, or the operating system's cache folder for the user; does not create it.

    Raises UsageError if the user has no home folder, as in a container with an unknown user.
    """
    named = os.environ.get("ZOO_CACHE")
    try:
        if named:
            return Path(named).expanduser().absolute()
        from platformdirs import user_cache_path

        return user_cache_path("zoo").absolute()
    except RuntimeError as error:  # neither HOME nor the list of users gives a home folder
        raise UsageError(f"there is no home folder for the cache: {SET_CACHE}") from error


def hide_home(text: str) -> str:
    """Replace the user's home folder in `text` by `~`, because records are published."""
    home = str(user_home() or "")
    return text.replace(home, "~") if len(home) > 1 else text


def user_home() -> Path | None:
    """Return the user's home folder; None if the user has none."""
    try:
        return Path.home()
    except RuntimeError:
        return None


@contextlib.contextmanager
def writing_cache() -> Iterator[None]:
    """Turn an error of the file system inside the block into a UsageError that names the cache folder."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(f"the cache folder {cache_dir()} cannot be written ({reason}): {SET_CACHE}") from error


def require_writable_cache() -> None:
    """Raise UsageError if the cache folder cannot be created or written."""
    with writing_cache():
        cache_dir().mkdir(parents=True, exist_ok=True)
        probe = cache_dir() / f".probe.{secrets.token_hex(4)}.tmp"
        probe.touch()
        probe.unlink()


def write_to_cache(path: Path, content: bytes) -> None:
    """Write a file of the cache, atomically. Raises UsageError if the cache folder cannot be written."""
    with writing_cache():
        write_atomically(path, content)


def own_cache(qualified: str) -> Path:
    """Create and return the folder where a data set or task may keep files between runs. Raises UsageError."""
    folder = cache_dir() / "kept" / portable(qualified)
    with writing_cache():
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def portable(name: str, max_chars: int = 80) -> str:
    """Turn `name` into a file name that is valid on every system and cannot lead out of its folder.

    Two names may get one file name, also names that differ in upper and lower case only.

    >>> portable("a b/c:d."), portable("con.txt"), portable("..")
    ('a-b-c-d', '_con.txt', '_')
    """
    safe = _UNSAFE.sub("-", name).strip(".-")
    safe = f"_{safe}" if _RESERVED.match(safe) else safe
    return safe[:max_chars].rstrip(".-") or "_"


def remove_abandoned(folder: Path, prefix: str) -> None:
    """Remove the temporary folders `prefix...` in `folder` that killed runs left there more than a day ago."""
    for path in folder.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):  # another process removed it first
            if path.is_dir() and time.time() - path.stat().st_mtime > ABANDONED_AFTER_S:
                shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def new_folder(path: Path, prefix: str) -> Iterator[Path]:
    """Yield an empty folder to fill, and rename it to `path` at the end of the block; an error leaves nothing behind.

    If another process creates `path` first, its folder stays and this one is dropped. The empty folder is inside a
    temporary folder `prefix...` next to `path`. Old temporary folders of killed runs are removed first.
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
    """Write a file so that it always holds either its old content or all of the new content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
