"""Pictures that tasks make of what a model did; raster images as uint8 (height, width, 3)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo_core.data.columns import Array

TILE = 84  # pixels a side
CAPTION = 16
COLUMNS = 8
PAPER, INK = (255, 255, 255), (20, 20, 20)


def captioned_grid(images: Array, captions: Sequence[str]) -> np.ndarray[Any, Any]:
    """Images uint8 (n, channels, height, width), 1 or 3 channels, in rows of eight, each above its caption."""
    columns = min(COLUMNS, len(images))
    rows = -(-len(images) // COLUMNS)
    sheet = Image.new("RGB", (columns * (TILE + 4) + 4, rows * (TILE + CAPTION + 4) + 4), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left = 4 + index % COLUMNS * (TILE + 4)
        top = 4 + index // COLUMNS * (TILE + CAPTION + 4)
        tile = Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).convert("RGB")
        sheet.paste(tile.resize((TILE, TILE), Image.Resampling.NEAREST), (left, top))
        draw.text((left + 1, top + TILE), caption[:14], fill=INK, font=font)
    return np.asarray(sheet)


def png(picture: Array) -> bytes:
    """A picture as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
