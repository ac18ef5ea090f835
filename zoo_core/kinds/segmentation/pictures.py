"""Pictures of classes pixel by pixel: beside the image, its truth and the model's mistakes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo_core.columns import Array
from zoo_core.pictures import INK, PAPER

# Told apart by the colour-blind: Okabe and Ito's colours (jfly.uni-koeln.de/color), grey and four of Paul Tol's.
PALETTE = np.array(
    [
        *((86, 180, 233), (213, 94, 0), (240, 228, 66), (128, 128, 128), (230, 159, 0), (0, 158, 115)),
        *((204, 121, 167), (153, 153, 51), (0, 114, 178), (20, 20, 20), (136, 34, 85), (221, 204, 119)),
    ],
    np.uint8,
)
IGNORED = (255, 255, 255)
WRONG = (255, 0, 160)  # a mistake, on the image in grey
WIDE = 240  # pixels of a panel
THUMBNAIL = (480, 360)
GAP, LINE = 4, 16
HEADINGS = ("image", "truth", "answer", "mistakes")


def spread(count: int, most: int) -> list[int]:
    """Up to `most` numbers below `count`, spread over all."""
    rows: list[int] = np.linspace(0, count - 1, min(most, count)).astype(int).tolist()
    return rows


def coloured(classes: Array, ignored: int = -1) -> Array:
    """uint8 (height, width, 3) of classes (height, width); colours come again after twelve."""
    colours: Array = PALETTE[classes % len(PALETTE)]
    colours[classes == ignored] = IGNORED
    return colours


def as_rgb(image: Array) -> Array:
    """uint8 (height, width, 3) of (channels, height, width), its first three channels or its first as grey."""
    picture = image.transpose(1, 2, 0)
    return picture[..., :3] if picture.shape[2] >= 3 else picture[..., :1].repeat(3, axis=2)


def mistakes(image: Array, truth: Array, answers: Array, ignored: int) -> Array:
    """The image in pale grey, wrong pixels in a colour of their own; uint8 (height, width, 3)."""
    grey = as_rgb(image).mean(axis=2, keepdims=True).repeat(3, axis=2)
    picture: Array = (grey / 2 + 110).astype(np.uint8)
    picture[(truth != answers) & (truth != ignored)] = WRONG
    return picture


def answer_rows(
    images: Array, truth: Array, answers: Array, ignored: int, classes: Sequence[str], captions: Sequence[str]
) -> Array:
    """A row for each image: itself, its truth, the answer, the mistakes; above headings, below the classes' colours.

    Shapes: images uint8 (n, channels, height, width), truth and answers (n, height, width); uint8 (h, w, 3) returned.
    """
    tall = max(1, round(WIDE * images.shape[2] / images.shape[3]))
    panels = [
        (as_rgb(x), coloured(y, ignored), coloured(a), mistakes(x, y, a, ignored))
        for x, y, a in zip(images, truth, answers, strict=True)
    ]
    width = len(HEADINGS) * (WIDE + GAP) + GAP
    legend = _legend(classes, width)
    height = LINE + len(panels) * (tall + LINE + GAP) + GAP + legend.height
    sheet = Image.new("RGB", (width, height), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for column, heading in enumerate(HEADINGS):
        draw.text((GAP + column * (WIDE + GAP), 1), heading, fill=INK, font=font)
    for number, (row, caption) in enumerate(zip(panels, captions, strict=True)):
        top = LINE + number * (tall + LINE + GAP)
        for column, panel in enumerate(row):
            smooth = Image.Resampling.BILINEAR if column == 0 else Image.Resampling.NEAREST
            sheet.paste(Image.fromarray(panel).resize((WIDE, tall), smooth), (GAP + column * (WIDE + GAP), top + GAP))
        draw.text((GAP, top + GAP + tall), caption, fill=INK, font=font)
    sheet.paste(legend, (0, height - legend.height))
    return np.asarray(sheet)


def _legend(classes: Sequence[str], width: int) -> Image.Image:
    """The classes' names, each behind its colour, in as many lines as they need."""
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


def split_view(image: Array, answers: Array) -> Array:
    """An image whose right half is covered by the classes answered; uint8 (360, 480, 3), cut to that form."""
    half = answers.shape[1] // 2
    picture = as_rgb(image).astype(np.float32)
    cover = coloured(answers).astype(np.float32)
    picture[:, half:] = 0.3 * picture[:, half:] + 0.7 * cover[:, half:]
    height, width = answers.shape
    if width * THUMBNAIL[1] > height * THUMBNAIL[0]:
        cut = (width - height * THUMBNAIL[0] / THUMBNAIL[1]) / 2
        box = (cut, 0.0, width - cut, float(height))
    else:
        cut = (height - width * THUMBNAIL[1] / THUMBNAIL[0]) / 2
        box = (0.0, cut, float(width), height - cut)
    view = Image.fromarray(picture.astype(np.uint8)).resize(THUMBNAIL, Image.Resampling.BICUBIC, box=box)
    ImageDraw.Draw(view).line((THUMBNAIL[0] // 2, 0, THUMBNAIL[0] // 2, THUMBNAIL[1]), fill=PAPER, width=2)
    return np.asarray(view)
