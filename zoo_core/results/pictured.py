"""Which test examples a trial's picture `examples` shows, so that a reader of records finds the tile of an example.

The picture is a sheet of square tiles in rows of `COLUMNS`, each `SIDE` pixels wide. The numbers of its examples are
not stored: they follow from the results by example.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

PICTURE: Final = "examples"  # its name in `Measured.pictures`
COLUMNS: Final = 8
SIDE: Final = 48
MAX_TILES: Final = 40


def pictured_examples(wrong: Sequence[int]) -> list[int]:
    """Select the examples of the sheet from the numbers of all wrong ones, in ascending order: evenly spread.

    >>> pictured_examples([3, 5, 8])
    [3, 5, 8]
    >>> len(pictured_examples(range(1000)))
    40
    """
    if len(wrong) <= MAX_TILES:
        return [int(number) for number in wrong]
    return [int(wrong[place * (len(wrong) - 1) // (MAX_TILES - 1)]) for place in range(MAX_TILES)]
