"""The site's folder: a new site is made beside it and takes its place only when it is whole."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from zoo_core.errors import UsageError

MARKER = ".zoo-leaderboard"


def require_replaceable(out: Path) -> None:
    """Raises UsageError where `out` holds something that this program did not make."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file: name a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / MARKER).is_file():
        raise UsageError(f"--out {out} holds files that are not an earlier site: name an empty or a new folder")


@contextlib.contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """A new folder to fill, which replaces `out` at the end; after an error `out` is as it was.

    What somebody put at the top of the earlier site (CNAME, .git) is kept.
    """
    require_replaceable(out)
    place = out.resolve()  # a link to the folder stays a link
    token = secrets.token_hex(4)
    new, old = (place.with_name(f".{place.name}.{token}.{word}") for word in ("new", "old"))
    try:
        new.mkdir(parents=True)
        yield new
        (new / MARKER).write_text("A site made by `zoo leaderboard build`, which replaces it.\n", encoding="utf-8")
        _swap(place, new, old)
    except OSError as error:
        raise UsageError(f"the site cannot be written to {out}: {error}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _swap(place: Path, new: Path, old: Path) -> None:
    if place.exists():
        place.rename(old)
    try:
        new.rename(place)
    except OSError:
        if old.exists():
            old.rename(place)
        raise
    if old.exists():
        for entry in old.iterdir():
            if not (place / entry.name).exists():
                entry.rename(place / entry.name)
        shutil.rmtree(old)
