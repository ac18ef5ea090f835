"""A map of words: their vectors on the plane of the two principal components, with lines between paired words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo_core.data.columns import Array
from zoo_core.pictures import BLUE, GREY, INK, ORANGE, PAPER, scatter
from zoo_text.words.analogies import plane

Picture = np.ndarray[Any, Any]  # uint8 (height, width, 3)
Colour = tuple[int, int, int]

SIZE, THUMBNAIL, MARGIN, LINE, RADIUS = (960, 720), (440, 330), 60, 16, 3  # pixels
# Okabe and Ito 2008: they differ for colour-blind readers too.
COLOURS: tuple[Colour, ...] = (
    ORANGE,
    BLUE,
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (230, 159, 0),
    (90, 90, 90),
)
MAX_CHARS = 14  # of a word on the map
PAIRS_OF_A_SECTION = 10


def word_map(
    vectors: Array, names: Sequence[str], questions: Mapping[str, Array], sections: Sequence[str], most: int
) -> dict[str, Picture]:
    """Draw the pairs (c, d) of the questions: a `thumbnail` without names, a `map` with them, and their `differences`.

    The picture of the differences d - c has its own two principal components, and the colours of the map.

    Shapes: vectors (words, dimension); questions as the columns of the kind, without pairs of similar words. most: the
    largest number of words that are drawn.
    """
    pairs, section = _few_pairs(questions, most // 2)
    points = plane(vectors[pairs.ravel()])
    colours = [COLOURS[number % len(COLOURS)] for number in section.tolist()]
    shown = dict.fromkeys(section.tolist())
    legend = [(sections[number], COLOURS[number % len(COLOURS)]) for number in shown]
    labels = [names[word] for word in pairs.ravel().tolist()]
    return {
        "thumbnail": _draw(points, colours, [], [], THUMBNAIL),
        "map": _draw(points, colours, labels, legend, SIZE),
        "differences": scatter(_differences(vectors, pairs, section)),
    }


def _differences(vectors: Array, pairs: Array, section: Array) -> list[tuple[Array, Colour]]:
    """Return the points (n, 2) of the differences of each section's pairs, with its colour."""
    points = plane(vectors[pairs[:, 1]] - vectors[pairs[:, 0]])
    return [(points[section == number], COLOURS[number % len(COLOURS)]) for number in np.unique(section).tolist()]


def _few_pairs(questions: Mapping[str, Array], most: int) -> tuple[Array, Array]:
    """Return different pairs (n, 2) of each section in turn, and their sections (n,)."""
    _, rows = np.unique(questions["group"], return_index=True)
    section = questions["section"][rows]
    order = np.argsort(section, kind="stable")
    inside = np.arange(len(order)) - np.searchsorted(section[order], section[order])
    limit = max(1, min(PAIRS_OF_A_SECTION, most // max(1, len(np.unique(section)))))
    chosen = rows[order[inside < limit]][:most]
    return questions["x"][chosen][:, 2:], questions["section"][chosen]


def _draw(
    points: Array,
    colours: Sequence[Colour],
    labels: Sequence[str],
    legend: Sequence[tuple[str, Colour]],
    size: tuple[int, int],
) -> Picture:
    """Draw points (2n, 2), two for each of n pairs, with a line between them; the second one is filled."""
    sheet = Image.new("RGB", size, PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    margin = MARGIN if labels else MARGIN // 4
    places = _scaled(points, size, margin)
    for number, colour in enumerate(colours):
        draw.line([*places[2 * number], *places[2 * number + 1]], fill=_pale(colour))
    for number, (x, y) in enumerate(places):
        colour = colours[number // 2]
        draw.ellipse((x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS), PAPER if number % 2 == 0 else colour, colour)
        if labels:
            draw.text((x + RADIUS + 2, y - LINE / 2), labels[number][:MAX_CHARS], fill=INK, font=font)
    for number, (name, colour) in enumerate(legend):
        draw.text((8, 6 + number * LINE), name, fill=colour, font=font)
    draw.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=GREY)
    return np.asarray(sheet)


def _scaled(points: Array, size: tuple[int, int], margin: int) -> list[tuple[float, float]]:
    """Scale points (n, 2) to pixels inside the margin; a direction without extent is in the middle."""
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    share = np.where(extent > 0, (points - low) / np.where(extent > 0, extent, 1), 0.5)
    x = margin + share[:, 0] * (size[0] - 2 * margin)
    y = margin + (1 - share[:, 1]) * (size[1] - 2 * margin)
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _pale(colour: Colour) -> Colour:
    red, green, blue = ((channel + 255) // 2 for channel in colour)
    return red, green, blue
