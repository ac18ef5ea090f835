"""Pictures of a filter: a photo, its true response, the model's response and their difference; and the kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo_core.data.columns import Array
from zoo_core.pictures import BLUE, INK, ORANGE, PAPER
from zoo_sobel.models.fixed import SOBEL

Picture = np.ndarray[Any, Any]  # uint8 (height, width, 3)

PANEL_WIDTH, GAP, LINE = 480, 8, 18  # pixels
THUMBNAIL = (480, 360)
CELL = 76  # pixels a side of a weight in the picture of the kernels


def filter_pictures(x: Array, y: Array, outputs: Array, places: Array, kernel: Array) -> dict[str, Picture]:
    """Draw a thumbnail, the `responses` for a photo, and the `kernels`.

    Shapes: patches of one photo: x uint8 (n, 1, h + 2, w + 2), y and outputs (n, 1, h, w), places (n, 2), top and left.
    kernel: the model's (3, 3).
    """
    photo, target, output = (stitched(patches, places) for patches in (x[:, 0, 1:-1, 1:-1], y[:, 0], outputs[:, 0]))
    scale = float(np.abs(target).max()) or 1.0
    drawn = [photo, grey_response(target, scale), grey_response(output, scale)]
    return {
        "thumbnail": halves(drawn[0], drawn[2]),
        "responses": response_sheet(drawn, np.abs(output - target)),
        "kernels": kernel_sheet(kernel),
    }


def stitched(patches: Array, places: Array) -> Array:
    """Put patches (n, h, w) back to their places (n, 2) in the photo; they may overlap."""
    height, width = (int(size) for size in places.max(axis=0) + patches.shape[1:])
    whole = np.zeros((height, width), patches.dtype)
    for patch, (top, left) in zip(patches, places.tolist(), strict=True):
        whole[top : top + patch.shape[0], left : left + patch.shape[1]] = patch
    return whole


def grey_response(response: Array, scale: float) -> Array:
    """Draw a response (height, width) in grey: 0 is mid-grey, `scale` white and -`scale` black."""
    levels: Array = (127.5 + 127.5 * np.clip(response / scale, -1, 1)).round().astype(np.uint8)
    return levels


def halves(left: Array, right: Array) -> Picture:
    """Draw the left half of one image beside the right half of another, both uint8 (height, width), as a thumbnail."""
    both = np.concatenate([left[:, : left.shape[1] // 2], right[:, left.shape[1] // 2 :]], axis=1)
    height, width = both.shape
    size = (min(width, height * THUMBNAIL[0] / THUMBNAIL[1]), min(height, width * THUMBNAIL[1] / THUMBNAIL[0]))
    corner = (width - size[0]) / 2, (height - size[1]) / 2
    box = (*corner, corner[0] + size[0], corner[1] + size[1])
    return np.asarray(Image.fromarray(both).resize(THUMBNAIL, Image.Resampling.BICUBIC, box=box).convert("RGB"))


def response_sheet(drawn: list[Array], errors: Array) -> Picture:
    """Draw a photo, its true response, the model's, and where they differ; each with a line of text above it.

    Shapes: drawn: three uint8 (height, width); errors: absolute, (height, width).
    """
    largest = float(errors.max())
    difference = (255 - 255 * errors / (largest or 1.0)).round().astype(np.uint8)
    captions = (
        "the photo in grey",
        "scipy's horizontal Sobel response",
        "the model's response",
        f"absolute error, from 0 (white) to {largest:.2g} (black)",
    )
    panel_height = max(1, round(PANEL_WIDTH * errors.shape[0] / errors.shape[1]))
    sheet = Image.new("RGB", (2 * PANEL_WIDTH + 3 * GAP, 2 * (panel_height + LINE) + 3 * GAP), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for number, (panel, caption) in enumerate(zip([*drawn, difference], captions, strict=True)):
        left = GAP + number % 2 * (PANEL_WIDTH + GAP)
        top = GAP + number // 2 * (panel_height + LINE + GAP)
        draw.text((left, top), caption, fill=INK, font=font)
        image = Image.fromarray(panel).resize((PANEL_WIDTH, panel_height), Image.Resampling.BILINEAR)
        sheet.paste(image.convert("RGB"), (left, top + LINE))
    return np.asarray(sheet)


def kernel_sheet(kernel: Array) -> Picture:
    """Draw a kernel (3, 3) beside Sobel's, each weight as a number: orange is positive, blue negative."""
    true = np.asarray(SOBEL)
    scale = max(float(np.abs(kernel).max()), float(np.abs(true).max()))
    width = 3 * CELL
    sheet = Image.new("RGB", (2 * width + 3 * GAP, width + LINE + 2 * GAP), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for number, (caption, weights) in enumerate((("the model's kernel", kernel), ("Sobel's kernel", true))):
        left, top = GAP + number * (width + GAP), GAP + LINE
        draw.text((left, GAP), caption, fill=INK, font=font)
        for (row, column), weight in np.ndenumerate(weights):
            x, y = left + column * CELL, top + row * CELL
            draw.rectangle((x, y, x + CELL - 2, y + CELL - 2), fill=weight_colour(float(weight) / scale))
            text = f"{weight:+.4f}"
            across = x + (CELL - 2 - font.getlength(text)) / 2
            draw.text((across, y + CELL / 2 - 9), text, fill=INK, font=font)
    return np.asarray(sheet)


def weight_colour(share: float) -> tuple[int, int, int]:
    """Return a pale colour for a weight, as a share of the largest: orange is positive, blue negative, white 0."""
    full = ORANGE if share > 0 else BLUE
    red, green, blue = (round(255 - (255 - channel) * 0.7 * min(abs(share), 1.0)) for channel in full)
    return red, green, blue
