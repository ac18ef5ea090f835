"""Copies the pictures of records into the site, after checking them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo_core.files import read_regular
from zoo_core.results.pictured import PICTURE
from zoo_core.results.reading import error_words
from zoo_core.results.records import Record
from zoo_leaderboard.records.trials import TrialSummary
from zoo_leaderboard.site.png import clean_png
from zoo_leaderboard.text.names import is_plain_name

MAX_PICTURE_BYTES = 16 * 2**20
MAX_PICTURES = 12
THUMBNAIL = "thumbnail"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pictures:
    """The copied pictures of a record: `shown` as (caption, file name), `refused` as (caption, reason).

    `thumbnail` is the file name of the picture with that caption; the index page shows it with the task. `left_out` is
    the number of pictures beyond `MAX_PICTURES`.
    """

    record: Record
    thumbnail: str
    shown: Sequence[tuple[str, str]]
    refused: Sequence[tuple[str, str]]
    left_out: int

    @property
    def files(self) -> list[str]:
        """The names of all copied files."""
        return [name for _, name in self.shown] + ([self.thumbnail] if self.thumbnail else [])


def copy_best(
    trials: Sequence[TrialSummary], read: Callable[[TrialSummary], Record], folder: Path, prefix: str
) -> Pictures | None:
    """Copy the pictures of the newest trial that has any; None if no trial has."""
    trial = next((trial for trial in reversed(trials) if trial.has_pictures), None)
    return copy_pictures(read(trial), Path(trial.path), folder, prefix) if trial is not None else None


def copy_pictures(record: Record, path: Path, folder: Path, prefix: str) -> Pictures:
    """Copy the pictures of the record at `path` into `folder`, under new names, except the sheet of single examples."""
    shown, refused, thumbnail = [], [], ""
    named = [(caption, name) for caption, name in record.measured.pictures.items() if caption != PICTURE]
    for number, (caption, name) in enumerate(named[:MAX_PICTURES]):
        source = path.with_suffix("") / name
        content = read_picture(source, name)
        if isinstance(content, str):
            refused.append((caption, content))
            continue
        target = f"{prefix}-picture-{number}.png"
        folder.mkdir(exist_ok=True)
        (folder / target).write_bytes(content)
        if caption == THUMBNAIL:
            thumbnail = target
        else:
            shown.append((caption, target))
    left_out = max(0, len(named) - MAX_PICTURES)
    return Pictures(record=record, thumbnail=thumbnail, shown=shown, refused=refused, left_out=left_out)


def read_picture(path: Path, name: str) -> bytes | str:
    """Read a picture's file, or say why it is not shown. `name` comes from a record and is not trusted."""
    if not is_plain_name(name):
        return "invalid file name"
    if path.parent.is_symlink() or path.is_symlink() or not path.is_file():
        return "file not found"
    try:
        content = read_regular(path, MAX_PICTURE_BYTES)
    except OSError as error:
        return error_words(error)
    return clean_png(content)
