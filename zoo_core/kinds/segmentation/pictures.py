"""Pictures of classes per pixel: image, target, prediction and mistakes side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo_core.columns import Array
from zoo_core.pictures import INK, PAPER

# Safe for colour-blind readers: Okabe and Ito's colours (jfly.uni-koeln.de/color), grey and four of Paul Tol's.
PALETTE = np.array(
    [
        *((86, 180, 233), (213, 94, 0), (240, 228, 66), (128, 128, 128), (230, 159, 0), (0, 158, 115)),
        *((204, 121, 167), (153, 153, 51), (0, 114, 178), (20, 20, 20), (136, 34, 85), (221, 204, 119)),
    ],
    np.uint8,
)
IGNORED = (255, 255, 255)
MISTAKE = (255, 0, 160)  # on the grey image
PANEL_WIDTH = 240  # pixels
THUMBNAIL = (480, 360)
GAP, LINE = 4, 16
HEADINGS = ("image", "target", "prediction", "mistakes")


def spread(count: int, limit: int) -> list[int]:
    """Return up to `limit` numbers below `count`, evenly spread."""
    rows: list[int] = np.linspace(0, count - 1, min(limit, count)).astype(int).tolist()
    return rows


def coloured(classes: Array, ignored: int = -1) -> Array:
    """Colour classes (height, width) as uint8 (height, width, 3); colours repeat after twelve."""
    colours: Array = PALETTE[classes % len(PALETTE)]
    colours[classes == ignored] = IGNORED
    return colours


def as_rgb(image: Array) -> Array:
    """Convert (channels, height, width) to uint8 (height, width, 3): the first three channels, or the first as grey."""
    picture = image.transpose(1, 2, 0)
    return picture[..., :3] if picture.shape[2] >= 3 else picture[..., :1].repeat(3, axis=2)


def mistakes(image: Array, targets: Array, predictions: Array, ignored: int) -> Array:
    """Draw the image in pale grey with wrong pixels in colour; uint8 (height, width, 3)."""
    grey = as_rgb(image).mean(axis=2, keepdims=True).repeat(3, axis=2)
    picture: Array = (grey / 2 + 110).astype(np.uint8)
    picture[(targets != predictions) & (targets != ignored)] = MISTAKE
    return picture


def prediction_sheet(
    images: Array, targets: Array, predictions: Array, ignored: int, classes: Sequence[str], captions: Sequence[str]
) -> Array:
    """Draw one row per image: image, target, prediction, mistakes; with headings and a legend of the classes.

    Shapes: images uint8 (n, channels, height, width), targets and predictions (n, height, width). Returns uint8
    (height, width, 3).
    """
    panel_height = max(1, round(PANEL_WIDTH * images.shape[2] / images.shape[3]))
    panels = [
        (as_rgb(x), coloured(y, ignored), coloured(a), mistakes(x, y, a, ignored))
        for x, y, a in zip(images, targets, predictions, strict=True)
    ]
    width = len(HEADINGS) * (PANEL_WIDTH + GAP) + GAP
    legend = _legend(classes, width)
    height = LINE + len(panels) * (panel_height + LINE + GAP) + GAP + legend.height
    sheet = Image.new("RGB", (width, height), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for column, heading in enumerate(HEADINGS):
        draw.text((GAP + column * (PANEL_WIDTH + GAP), 1), heading, fill=INK, font=font)
    for number, (row, caption) in enumerate(zip(panels, captions, strict=True)):
        top = LINE + number * (panel_height + LINE + GAP)
        for column, panel in enumerate(row):
            smooth = Image.Resampling.BILINEAR if column == 0 else Image.Resampling.NEAREST
            sheet.paste(
                Image.fromarray(panel).resize((PANEL_WIDTH, panel_height), smooth),
                (GAP + column * (PANEL_WIDTH + GAP), top + GAP),
            )
        draw.text((GAP, top + GAP + panel_height), caption, fill=INK, font=font)
    sheet.paste(legend, (0, height - legend.height))
    return np.asarray(sheet)


def _legend(classes: Sequence[str], width: int) -> Image.Image:
    """Draw the classes' names after their colours, on as many lines as needed."""
    font = ImageFont.load_default(12)
    places, left, top = [], GAP, 0
    for name in classes[: len(PALETTE)]:
        need = int(font.getlength(name)) + 28
        if left + need > width and left > GAP:
            left, top = GAP, top + LINE + 2
        places.append((left, top))
        left += need
    image = Image.new("RGB", (width, top + LINE + GAP), PAPER)
    draw = ImageDraw.Draw(image)
    for number, (left, top) in enumerate(places):
        draw.rectangle((left, top + 2, left + 11, top + 13), fill=tuple(PALETTE[number].tolist()), outline=INK)
        draw.text((left + 16, top), classes[number], fill=INK, font=font)
    return image


def split_view(image: Array, predictions: Array) -> Array:
    """Draw an image whose right half shows the predicted classes, cropped to uint8 (360, 480, 3)."""
    half = predictions.shape[1] // 2
    picture = as_rgb(image).astype(np.float32)
    cover = coloured(predictions).astype(np.float32)
    picture[:, half:] = 0.3 * picture[:, half:] + 0.7 * cover[:, half:]
    height, width = predictions.shape
    if width * THUMBNAIL[1] > height * THUMBNAIL[0]:
        cut = (width - height * THUMBNAIL[0] / THUMBNAIL[1]) / 2
        box = (cut, 0.0, width - cut, float(height))
    else:
        cut = (height - width * THUMBNAIL[1] / THUMBNAIL[0]) / 2
        box = (0.0, cut, float(width), height - cut)
    view = Image.fromarray(picture.astype(np.uint8)).resize(THUMBNAIL, Image.Resampling.BICUBIC, box=box)
    ImageDraw.Draw(view).line((THUMBNAIL[0] // 2, 0, THUMBNAIL[0] // 2, THUMBNAIL[1]), fill=PAPER, width=2)
    return np.asarray(view)
