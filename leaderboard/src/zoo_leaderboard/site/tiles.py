"""Pictures of single test examples: tiles of the sheets that trials keep of their wrong examples."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo_core.results.pictured import COLUMNS, PICTURE, SIDE, pictured_examples
from zoo_core.results.records import Record
from zoo_leaderboard.board.mistakes import Numbers
from zoo_leaderboard.records.trials import TrialSummary
from zoo_leaderboard.site.pictures import read_picture

MAX_SHEETS = 8  # of a table
MAX_SHEET_BYTES = 512 * 2**10
_SIZE_AT = 16  # of a PNG file: width and height in its first chunk


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """The place of an example in a sheet: the number of the sheet, and pixels from its left and upper edge."""

    sheet: int
    x: int
    y: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """A sheet in the site: file name, width and height in pixels."""

    file: str
    width: int
    height: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Tiles:
    """The copied sheets, and the tile of each example that has one, by its number."""

    sheets: Sequence[Sheet]
    by_example: Mapping[int, Tile]
    side: int = SIDE


NO_TILES = Tiles(sheets=(), by_example={})


def copy_tiles(
    trials: Sequence[TrialSummary],
    wrong: Mapping[str, Numbers],
    read: Callable[[TrialSummary], Record],
    folder: Path,
    prefix: str,
) -> Tiles:
    """Copy the sheets of these trials into `folder`, under new names.

    wrong: the wrong examples of each trial by the id of its record, in ascending order; the tiles follow from them.
    """
    sheets: list[Sheet] = []
    tiles: dict[int, Tile] = {}
    for trial in trials:
        if len(sheets) == MAX_SHEETS or not trial.has_pictures or trial.id not in wrong:
            continue
        content = _read_sheet(read(trial), Path(trial.path))
        if content is None:
            continue
        width, height = struct.unpack_from(">II", content, _SIZE_AT)
        examples = pictured_examples(wrong[trial.id].tolist())
        if (width, height) != (COLUMNS * SIDE, -(-len(examples) // COLUMNS) * SIDE):
            continue  # another form, or of other examples
        for place, number in enumerate(examples):
            tile = Tile(sheet=len(sheets), x=place % COLUMNS * SIDE, y=place // COLUMNS * SIDE)
            tiles.setdefault(number, tile)
        sheets.append(Sheet(file=f"{prefix}-examples-{len(sheets)}.png", width=width, height=height))
        (folder / sheets[-1].file).write_bytes(content)
    return Tiles(sheets=sheets, by_example=tiles)


def _read_sheet(record: Record, path: Path) -> bytes | None:
    """Read the picture; None if the record has none that may be shown."""
    name = record.measured.pictures.get(PICTURE)
    content = read_picture(path.with_suffix("") / name, name) if name is not None else ""
    return content if isinstance(content, bytes) and len(content) <= MAX_SHEET_BYTES else None
