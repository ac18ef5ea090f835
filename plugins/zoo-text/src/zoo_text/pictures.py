"""Pictures of how well a model predicts a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo_core.data.columns import Array
from zoo_core.pictures import BLUE, ORANGE, PAPER, scatter

COLUMNS, ROWS, CELL = 80, 24, 6  # characters of the map and pixels a side of one
THUMBNAIL = 14  # rows and columns of the map in the thumbnail
MOST_BITS = 8.0  # in full colour
MAX_PLACE = 12  # of a letter in a word


def text_pictures(characters: Sequence[str], bits: Array) -> dict[str, np.ndarray[Any, Any]]:
    """Draw the first characters as cells, from white for 0 bits to orange for 8, and the cost by place in a word."""
    cells = np.zeros(COLUMNS * ROWS)
    cells[: len(bits)] = bits[: len(cells)]
    sheet = cells.reshape(ROWS, COLUMNS)
    places, means = cost_by_place(characters, bits)
    return {
        "thumbnail": _map(sheet[:THUMBNAIL, :THUMBNAIL]),
        f"bits of the first {min(len(bits), len(cells)):,} characters of test, {COLUMNS} in a line": _map(sheet),
        "mean bits by place in a word; 0 is the space": scatter([(np.stack([places, means], 1), BLUE)]),
    }


def _map(bits: Array) -> np.ndarray[Any, Any]:
    """Return uint8 (height, width, 3) for bits (rows, columns)."""
    share = np.clip(bits / MOST_BITS, 0, 1)[:, :, None]
    colours = (1 - share) * np.array(PAPER) + share * np.array(ORANGE)
    return np.kron(colours, np.ones((CELL, CELL, 1))).astype(np.uint8)


def cost_by_place(characters: Sequence[str], bits: Array) -> tuple[Array, Array]:
    """Return the places of letters in words, up to 12, and their mean bits; other characters have place 0."""
    place, places = 0, np.zeros(len(bits), np.int64)
    for number, character in enumerate(characters):
        place = min(place + 1, MAX_PLACE) if character.isalpha() else 0
        places[number] = place
    counts, costs = np.bincount(places), np.bincount(places, bits)
    found = np.flatnonzero(counts)
    return found, costs[found] / counts[found]
