"""Pictures of a search: each query with its nearest neighbours. Right ones have a blue frame and a check mark, wrong
ones an orange frame and a cross, so that colours are not needed to tell them apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from zoo_core.data.columns import Array
from zoo_core.pictures import BLUE, GREY, INK, ORANGE, PAPER
from zoo_metric_learning.questions import Embedded
from zoo_metric_learning.scoring import Retrieval

NEIGHBOURS = 6  # of each query
QUERIES, THUMBNAIL_QUERIES = 12, 3  # rows of a sheet, and of the thumbnail
TILE, FRAME, GAP, LINE = 64, 3, 6, 16  # pixels
MARK = 14  # pixels a side


def neighbour_pictures(
    read: Callable[[Array], Array], embedded: Embedded, found: Retrieval
) -> dict[str, np.ndarray[Any, Any]]:
    """Draw a thumbnail, queries spread over the split (`neighbours`), and the worst `mistakes`.

    read: returns the images uint8 (n, channels, side, side) of these examples. The worst mistakes are the misses whose
    nearest wrong neighbour is nearest, compared with the nearest right one.
    """
    places = np.linspace(0, len(found.queries) - 1, min(QUERIES, len(found.queries))).astype(int)
    pictures = {
        "thumbnail": _sheet(read, embedded, found.queries[places[:THUMBNAIL_QUERIES]], neighbours=4, title=False),
        "neighbours": _sheet(read, embedded, found.queries[places]),
    }
    misses = np.flatnonzero(~found.hits)
    worst = misses[np.argsort(found.margin[misses], kind="stable")][:QUERIES]
    if len(worst):
        pictures["mistakes"] = _sheet(read, embedded, found.queries[worst])
    return pictures


def nearest_neighbours(embedded: Embedded, rows: Array, count: int) -> tuple[Array, Array]:
    """Return the nearest other examples of some examples, best first: numbers and similarities (rows, count)."""
    chosen = torch.from_numpy(rows).to(embedded.unit.device)
    similarity = embedded.unit[chosen] @ embedded.unit.T
    similarity[torch.arange(len(rows), device=similarity.device), chosen] = -torch.inf
    best = similarity.topk(min(count, len(embedded.unit) - 1), dim=1)
    return best.indices.cpu().numpy(), best.values.cpu().numpy()


def _sheet(
    read: Callable[[Array], Array], embedded: Embedded, rows: Array, *, neighbours: int = NEIGHBOURS, title: bool = True
) -> np.ndarray[Any, Any]:
    """Draw a row for each query: its image, then its nearest neighbours."""
    numbers, similarities = nearest_neighbours(embedded, rows, neighbours)
    labels = embedded.labels.cpu().numpy()
    images, shown = read(rows), read(numbers.reshape(-1))
    cell, head = TILE + GAP, LINE if title else 0
    foot = LINE if title else 0  # for the similarity
    size = ((1 + numbers.shape[1]) * cell + 3 * GAP, head + len(rows) * (cell + foot) + GAP)
    sheet = Image.new("RGB", size, PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    if title:
        draw.text((GAP, 2), "query", fill=INK, font=font)
        draw.text((cell + 3 * GAP, 2), "its nearest others, and their cosine similarity", fill=INK, font=font)
    for row, query in enumerate(rows.tolist()):
        top = head + GAP + row * (cell + foot)
        _paste(sheet, images[row], GAP, top, GREY)
        for place, number in enumerate(numbers[row].tolist()):
            left, right = cell + 3 * GAP + place * cell, bool(labels[number] == labels[query])
            _paste(sheet, shown[row * numbers.shape[1] + place], left, top, BLUE if right else ORANGE)
            _mark(draw, left + TILE - MARK, top, right=right)
            if title:
                draw.text((left + 2, top + TILE), f"{similarities[row, place]:.2f}", fill=INK, font=font)
    return np.asarray(sheet)


def _paste(sheet: Image.Image, image: Array, left: int, top: int, colour: tuple[int, int, int]) -> None:
    """Paste an image, uint8 (channels, side, side), in a frame; the outer size is a tile."""
    picture = Image.fromarray(image[0] if len(image) == 1 else image[:3].transpose(1, 2, 0)).convert("RGB")
    inner = TILE - 2 * FRAME
    sheet.paste(colour, (left, top, left + TILE, top + TILE))
    sheet.paste(picture.resize((inner, inner), Image.Resampling.LANCZOS), (left + FRAME, top + FRAME))


def _mark(draw: ImageDraw.ImageDraw, left: int, top: int, *, right: bool) -> None:
    """Draw a white check mark, or a white cross, in the upper right corner of a tile."""
    draw.rectangle((left, top, left + MARK, top + MARK), fill=BLUE if right else ORANGE)
    low, middle, high = 3, MARK // 2, MARK - 3
    if right:
        draw.line([(left + low, top + middle), (left + middle - 1, top + high), (left + high, top + low)], PAPER, 2)
        return
    draw.line([(left + low, top + low), (left + high, top + high)], PAPER, 2)
    draw.line([(left + low, top + high), (left + high, top + low)], PAPER, 2)
