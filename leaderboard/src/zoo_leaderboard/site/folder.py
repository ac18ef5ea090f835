"""The site's folder. A build writes into a folder inside it, and puts its files into place when all are written.

Each unit of files has a digest of what it was made from. A unit with the same digest as in the earlier site is reused.
Files that no manifest lists belong to a person. They are never removed; one in the place of a page is renamed.

A build may be killed at any moment:

* before the site is complete: the earlier site is as it was. The next build removes the folder `NEW...`.
* while the files are put into place: the folder `NEXT` holds the manifest and the rest of the new site. The next build
  completes that site before it begins.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import msgspec

from zoo_core.errors import UsageError
from zoo_leaderboard.site.lock import LOCK, locked
from zoo_leaderboard.site.manifest import (
    FOLDERS,
    MARKER,
    PAGES,
    Manifest,
    Unit,
    content_digest,
    file_digest,
    is_as_written,
    is_file,
    read_manifest,
)
from zoo_leaderboard.site.stamps import Stamp, load_stamps, save_stamps, stamp_of

NEW = ".zoo-leaderboard.new-"  # prefix of the folder of a build that is running
NEXT = ".zoo-leaderboard.next"  # its name once the site is complete
KEPT = ".kept"  # suffix of a person's file that was in the place of a page
# What a folder that is not a site yet may hold: an empty disk, or a branch for GitHub Pages.
ALLOWED = frozenset({"lost+found", ".git", ".gitignore", ".gitattributes", ".nojekyll", "CNAME", LOCK, NEXT})


class _Checked(NamedTuple):
    """A file of the new site, when it was read or found unchanged."""

    digest: str
    stamp: Stamp


class Site:
    """A new site in `folder`, which will become the site in `place`."""

    def __init__(self, folder: Path, place: Path) -> None:
        self.folder = folder
        self.kept: list[tuple[Path, Path]] = []
        self._place = place
        earlier = read_manifest(place / MARKER)
        self._known_units, self._known = earlier.units, earlier.known
        self._known_stamps = load_stamps(place)
        self._units: dict[str, Unit] = {}
        self._checked: dict[str, _Checked] = {}
        self._written_at = _changed_ns(_state(place / MARKER))

    def reuse(self, unit: str, digest: str) -> bool:
        """Keep a unit's files of the earlier site; False if the digest differs, or a file is missing or edited."""
        known = self._known_units.get(unit)
        if known is None or known.digest != digest:
            return False
        checked = {name: found for name in known.files if (found := self._check_in_place(name)) is not None}
        if len(checked) < len(known.files):
            return False
        self._units[unit] = known
        self._checked |= checked
        return True

    def _check_in_place(self, name: str) -> _Checked | None:
        """Check a file of the earlier site; None if it is not there as it was written.

        A file is read unless it has the size and time that the last build left, and did not change after the manifest
        was written. Only the first shows what a full disk cut off; only the second shows an edit that set the file's
        times back. Neither shows what a power failure left, so no stamp outlives a restart.
        """
        path, known = self._place / name, self._known.get(name)
        state = _state(path)
        if known is None or not is_file(path) or state is None or not _has_real_parents(self._place, name):
            return None
        stamp = stamp_of(state)
        if known and self._known_stamps.get(name) == stamp and _changed_ns(state) < self._written_at:
            return _Checked(known, stamp)
        found = file_digest(path)
        return _Checked(found, stamp) if known in ("", found) else None

    def write(self, name: str, content: str | bytes, digest: str = "") -> None:
        """Write one file as a unit of its own."""
        content = content.encode("utf-8", "replace") if isinstance(content, str) else content
        made, checked = content_digest(content), self._check_in_place(name)
        if checked is None or checked.digest != made:
            (self.folder / name).write_bytes(content)
            checked = _Checked(made, stamp_of((self.folder / name).lstat()))
        self._units[name], self._checked[name] = Unit(digest, [name]), checked

    def register(self, unit: str, digest: str, files: Sequence[str]) -> None:
        """Add a unit whose files are written already."""
        for name in files:
            path = self.folder / name
            self._checked[name] = _Checked(file_digest(path), stamp_of(path.lstat()))
        self._units[unit] = Unit(digest, list(files))

    def drop(self, unit: str) -> None:
        """Leave out a unit that was written or reused, with its new files."""
        known = self._units.pop(unit, None)
        for name in known.files if known else ():
            self._checked.pop(name, None)
            path = self.folder / name
            path.unlink(missing_ok=True)
            if path.parent.parent != self.folder and path.parent.is_dir() and not any(path.parent.iterdir()):
                path.parent.rmdir()

    def complete(self) -> None:
        """Make this the site: write the manifest, and put the files into place."""
        files = sorted(self._checked.items())
        manifest = Manifest(
            units=dict(sorted(self._units.items())),
            digests={name: checked.digest for name, checked in files},
        )
        save_stamps(self._place, {name: checked.stamp for name, checked in files})
        with (self.folder / MARKER).open("wb") as file:
            file.write(msgspec.json.encode(manifest))
            file.flush()
            os.fsync(file.fileno())
        self.folder.rename(self._place / NEXT)
        try:
            self.kept += finish(self._place)
        except KeyboardInterrupt:
            self.kept += finish(self._place)
            raise


def require_replaceable(out: Path) -> None:
    """Raise UsageError if `out` is a file, or a folder with files but without the marker of a site."""
    try:
        if out.exists() and not out.is_dir():
            raise UsageError(f"--out {out} is a file: give a folder")
        if not out.is_dir() or is_file(out / MARKER) or (out / NEXT).is_dir():
            return
        other = [path.name for path in out.iterdir() if path.name not in ALLOWED and not path.name.startswith(NEW)]
    except OSError as error:
        raise UsageError(f"--out {out} cannot be read: {error.strerror or error}") from error
    if other:
        raise UsageError(
            f"--out {out} holds files that are not an earlier site, such as {sorted(other)[0]}: "
            "give an empty or a new folder"
        )


@contextlib.contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Turn an error of the file system inside the block into a UsageError."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"the site cannot be written to {out}: {error}") from error
    except RuntimeError as error:  # before Python 3.13
        if "Symlink loop" not in str(error):
            raise
        raise UsageError(f"--out {out} is a link to itself: give a folder") from error


@contextlib.contextmanager
def open_folder(out: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of the site's folder, after completing or removing what killed builds left there.

    Raises:
        UsageError: `out` cannot be replaced or written, or another build does not end.
    """
    require_replaceable(out)
    with contextlib.ExitStack() as stack:
        with _writing(out):
            place = out.resolve()  # a link to the folder stays a link
            stack.enter_context(locked(place, waiting))
            require_replaceable(out)
            finish(place)
        yield


@contextlib.contextmanager
def replacing(out: Path) -> Iterator[Site]:
    """Context of a new site that replaces the one in `out` at the end; after an error `out` is unchanged.

    Only within `open_folder`. All files that no manifest lists are kept.
    """
    with _writing(out):
        place = out.resolve()
        new = place / f"{NEW}{secrets.token_hex(4)}"
        try:
            for name in FOLDERS:
                (new / name).mkdir(parents=True)
            site = Site(new, place)
            yield site
            site.complete()
        finally:
            shutil.rmtree(new, ignore_errors=True)


def finish(place: Path) -> list[tuple[Path, Path]]:
    """Put the files of a complete new site into place, if there is one, and remove the folders of killed builds.

    It may be repeated after a stop at any point. `index.html` changes after the pages that it links to, and pages are
    removed only after that. Returns each person's file that was in the place of a page, and its new name.
    """
    kept: list[tuple[Path, Path]] = []
    if _is_real(place / NEXT) and is_file(place / NEXT / MARKER):
        earlier, new = read_manifest(place / MARKER).known, read_manifest(place / NEXT / MARKER).known
        for name in sorted(new, key=lambda name: name in PAGES):
            if is_file(place / NEXT / name) and _has_real_parents(place / NEXT, name):
                kept += _make_room(place, name, (earlier.get(name), new[name]))
                _move(place / NEXT / name, place / name)
        for name in earlier.keys() - new.keys():
            _remove(place, name, earlier[name])
        for name in FOLDERS:
            if not os.path.lexists(place / name):
                (place / name).mkdir()
        (place / NEXT / MARKER).replace(place / MARKER)
    for left in (place / NEXT, *place.glob(f"{NEW}*")):
        if left.is_symlink() or left.is_file():
            left.unlink()
        shutil.rmtree(left, ignore_errors=True)
    return kept


def _make_room(place: Path, name: str, digests: Sequence[str | None]) -> list[tuple[Path, Path]]:
    """Create the folders of a file, and rename what is in the way unless it has one of these digests.

    Returns the old and the new name of each renamed file, link or folder.
    """
    path = place / name
    in_way = [parent for parent in _parents(place, name) if os.path.lexists(parent) and not _is_real(parent)]
    kept = [(item, _move_aside(item)) for item in in_way[:1]]  # the outermost: the others were behind it
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(path) and not any(is_as_written(path, digest) for digest in digests):
        kept.append((path, _move_aside(path)))
    return kept


def _move(source: Path, target: Path) -> None:
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy = target.with_name(f"{NEW}{target.name}")  # a folder of the site is on another disk
        shutil.copyfile(source, copy)
        copy.replace(target)
        source.unlink()


def _move_aside(path: Path) -> Path:
    """Rename a person's file, link or folder, so that nothing is lost; returns the new path."""
    number, target = 2, path.with_name(f"{path.name}{KEPT}")
    while os.path.lexists(target):
        number, target = number + 1, path.with_name(f"{path.name}{KEPT}-{number}")
    path.rename(target)
    return target


def _remove(place: Path, name: str, digest: str) -> None:
    """Remove a file of the earlier site, and its folder if that is then empty. An edited file stays."""
    if not _has_real_parents(place, name) or not is_as_written(place / name, digest):
        return
    (place / name).unlink()
    with contextlib.suppress(OSError):  # not empty
        for parent in reversed(_parents(place, name)[1:]):
            parent.rmdir()


def _parents(place: Path, name: str) -> list[Path]:
    """The folders of a file within the site, the outermost first."""
    return [place / parent for parent in reversed(PurePosixPath(name).parents[:-1])]


def _has_real_parents(place: Path, name: str) -> bool:
    return all(map(_is_real, _parents(place, name)))


def _is_real(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink()


def _state(path: Path) -> os.stat_result | None:
    """The state of a file, not followed if it is a link; None if there is none."""
    try:
        return path.lstat()
    except OSError:
        return None


def _changed_ns(state: os.stat_result | None) -> int:
    """The time of the last change of a file's content, name or rights; 0 if there is no such file."""
    return 0 if state is None else max(state.st_ctime_ns, state.st_mtime_ns)
