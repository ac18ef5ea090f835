"""Drawn traffic signs of twenty classes, 48x48, in tracks: a car comes nearer to one sign and takes five frames of it.

The frames of a track are nearly copies, so a net that is judged on the tracks it trained on only seems to be good: the
column `group` says what must be held out together. Drawn from a seed: without a download, the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from zoo_core import Context, Signature, UnknownSplitError

Array = np.ndarray[Any, Any]
Colour = tuple[int, int, int]
Stroke = tuple[Colour, float, str]  # the width, and the points; a single point is a dot

SIZE, FINE = 48, 3  # pixels a side; subpixels a pixel, for smooth edges
FRONT, ENLARGED = 128, 4  # pixels a side of a sign seen from the front, and how much larger it is drawn
MARGIN = 0.95  # the sign's unit, of half its drawing
STREET = 96  # pixels a side of the street behind it
FRAMES = 5  # of a track
WHITE, BLACK, RED, BLUE = (240, 240, 236), (28, 28, 30), (196, 28, 36), (24, 84, 170)
YELLOW, GREEN = (246, 190, 30), (24, 140, 70)
PLATES = {  # corners, whole turns away from a corner at the top, radius, and how much lower than the sign's middle
    "disc": (48, 0.0, 1.0, 0.0),
    "octagon": (8, 1 / 16, 1.04, 0.0),
    "diamond": (4, 0.0, 1.0, 0.0),
    "square": (4, 1 / 8, 1.25, 0.0),
    "up": (3, 0.0, 1.2, 0.25),
    "down": (3, 1 / 2, 1.2, -0.25),
}
# Points are written in two digits, x and y, from 0 (left, top) over 8 (middle) to g (right, bottom).
CHARACTERS = {
    "0": "80 c2 d5 db ce 8g 4e 3b 35 42 80",
    "2": "34 51 80 b1 d4 c7 3g dg",
    "3": "32 60 a0 c3 b6 88 c9 dc bf 8g 3e",
    "5": "c0 40 37 86 c7 dc bf 7g 3e",
    "7": "30 d0 98 7g",
    "S": "c2 90 60 33 46 c9 dd ag 6g 3e",
    "T": "8g 80 30 d0",
    "O": "80 c2 d5 db ce 8g 4e 3b 35 42 80",
    "P": "4g 40 90 c1 d4 c7 98 48",
}


@dataclass(frozen=True, slots=True)
class Design:
    """What a sign looks like: an outline filled with the rim's colour, in it a face, on it strokes and a text."""

    outline: str
    rim: Colour
    face: Colour
    strokes: tuple[Stroke, ...] = ()
    text: str = ""
    text_height: float = 0.8
    face_share: float = 0.76  # the face's radius of the rim's


# The first four differ in one digit only. Two pairs are each other's mirror image: a flip makes another class of them.
DESIGNS = {
    "limit 20": Design("disc", RED, WHITE, text="20"),
    "limit 30": Design("disc", RED, WHITE, text="30"),
    "limit 50": Design("disc", RED, WHITE, text="50"),
    "limit 70": Design("disc", RED, WHITE, text="70"),
    "end of limits": Design("disc", BLACK, WHITE, ((BLACK, 0.25, "4c c4"),), face_share=0.94),
    "no vehicles": Design("disc", RED, WHITE),
    "no entry": Design("disc", WHITE, RED, ((WHITE, 0.3, "48 c8"),), face_share=0.9),
    "turn left": Design("disc", WHITE, BLUE, ((WHITE, 0.2, "48 c8"), (WHITE, 0.2, "75 48 7b")), face_share=0.9),
    "turn right": Design("disc", WHITE, BLUE, ((WHITE, 0.2, "48 c8"), (WHITE, 0.2, "95 c8 9b")), face_share=0.9),
    "straight ahead": Design("disc", WHITE, BLUE, ((WHITE, 0.2, "84 8c"), (WHITE, 0.2, "57 84 b7")), face_share=0.9),
    "danger": Design("up", RED, WHITE, ((BLACK, 0.2, "87 8a"), (BLACK, 0.24, "8d"))),
    "crossroads": Design("up", RED, WHITE, ((BLACK, 0.17, "87 8d"), (BLACK, 0.17, "5b bb"))),
    "bend left": Design("up", RED, WHITE, ((BLACK, 0.19, "ad aa 68"),)),
    "bend right": Design("up", RED, WHITE, ((BLACK, 0.19, "6d 6a a8"),)),
    "signals": Design("up", RED, WHITE, ((RED, 0.28, "87"), (YELLOW, 0.28, "8a"), (GREEN, 0.28, "8d"))),
    "give way": Design("down", RED, WHITE),
    "stop": Design("octagon", WHITE, RED, text="STOP", text_height=0.46, face_share=0.9),
    "priority road": Design("diamond", WHITE, YELLOW),
    "parking": Design("square", WHITE, BLUE, text="P", text_height=1.1, face_share=0.9),
    "dead end": Design("square", WHITE, BLUE, ((WHITE, 0.22, "8d 85"), (RED, 0.28, "45 c5")), face_share=0.9),
}
CLASSES = tuple(DESIGNS)


class DrawnSigns:
    """Signs by the road: x uint8 (n, 3, 48, 48), RGB; y int64 (n,); group int64 (n,), the number of the frame's track.

    Every class has equally many tracks, and no track is in two splits. There is no val split of its own.
    """

    signature = Signature(input_shape=(3, SIZE, SIZE), outputs=len(CLASSES), classes=CLASSES)
    tracks = {"train": 16, "test": 5}  # of each class

    def __init__(self, ctx: Context) -> None:
        pass

    def load(self, split: str) -> dict[str, Array]:
        if split not in self.tracks:
            raise UnknownSplitError(f"the drawn signs have no split {split!r}, only {' and '.join(self.tracks)}")
        fronts = [front(design) for design in DESIGNS.values()]
        first = 0 if split == "train" else self.tracks["train"] * len(CLASSES)
        tracks = first + np.arange(self.tracks[split] * len(CLASSES), dtype=np.int64)
        # A generator for each track: its number is the seed, so it does not depend on what was drawn before it.
        frames = [frame for t in tracks for frame in track(fronts[t % len(CLASSES)], np.random.default_rng(t))]
        group = tracks.repeat(FRAMES)
        return {"x": np.stack(frames).transpose(0, 3, 1, 2).copy(), "y": group % len(CLASSES), "group": group}


def front(design: Design) -> Image.Image:
    """The sign as it leaves the factory: RGBA (128, 128), transparent around it."""
    image = Image.new("RGBA", (FRONT * ENLARGED, FRONT * ENLARGED))
    draw = ImageDraw.Draw(image)
    corners, turned, radius, drop = PLATES[design.outline]
    angles = (np.arange(corners) / corners + turned) * 2 * np.pi
    plate = np.stack([np.sin(angles), -np.cos(angles)], axis=1) * radius
    for share, colour in ((1.0, design.rim), (design.face_share, design.face)):
        draw.polygon(pixels(plate * share + [0, drop]), fill=colour)
    for colour, width, code in design.strokes:
        stroke(draw, colour, width, points(code))
    height, ink = design.text_height, BLACK if design.face == WHITE else WHITE
    for n, letter in enumerate(design.text):
        middle = (n - (len(design.text) - 1) / 2) * height * 0.9
        stroke(draw, ink, height * 0.2, points(CHARACTERS[letter]) * height / 2 + [middle, 0])
    return image.reduce(ENLARGED)


def points(code: str) -> Array:
    """Points written in pairs of digits, as (n, 2) from -1 to 1."""
    return np.array([[int(digit, 17) for digit in pair] for pair in code.split()]) / 8 - 1


def pixels(points: Array) -> list[int]:
    """Points of the sign on its enlarged drawing: x, y, x, y, ..."""
    corners: list[int] = np.rint((points * MARGIN + 1) * FRONT * ENLARGED / 2).astype(int).ravel().tolist()
    return corners


def stroke(draw: ImageDraw.ImageDraw, colour: Colour, width: float, points: Array) -> None:
    """A line with round ends and joints."""
    radius = round(width * MARGIN * FRONT * ENLARGED / 4)
    corners = pixels(points)
    if len(points) > 1:
        draw.line(corners, fill=colour, width=2 * radius)
    for x, y in zip(corners[::2], corners[1::2], strict=True):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def track(sign: Image.Image, rng: np.random.Generator) -> list[Array]:
    """Five frames of one sign at one place, ever larger: uint8 (48, 48, 3) each."""
    street = scene(rng)
    angles = np.deg2rad(rng.integers([-8, -30, -15], [9, 31, 16]))  # roll, yaw, pitch
    nearest = rng.integers(47, 62)  # the sign's radius in the last frame, subpixels
    gain = rng.integers(35, 116) * rng.integers(88, 113, 3) // 100  # percent of each channel: hour and weather
    haze = rng.integers(0, 50)  # levels added to all, which takes contrast away
    frames = []
    for share in np.linspace(0.5, 1, FRAMES):
        near = 16 * share  # what lies behind the sign grows too, but less
        view = (near, near, STREET - near, STREET - near)
        canvas = street.resize((SIZE * FINE, SIZE * FINE), Image.Resampling.BILINEAR, box=view)
        place = SIZE * FINE // 2 + rng.integers(-8, 9, 2)
        put(canvas, sign, angles + np.deg2rad(rng.integers(-3, 4, 3)), nearest * share, place)
        blurred = canvas.filter(ImageFilter.GaussianBlur(int(rng.integers(0, 3)))).reduce(FINE)
        lit = np.asarray(blurred).astype(np.int64) * (gain + rng.integers(-4, 5)) // 100 + haze
        frames.append((lit + rng.integers(-8, 9, lit.shape)).clip(0, 255).astype(np.uint8))
    return frames


def put(canvas: Image.Image, sign: Image.Image, angles: Array, radius: float, place: Array) -> None:
    """Paste the sign on its post, turned in space and seen from four radii away."""
    x, y = (int(value) for value in place)
    ImageDraw.Draw(canvas).rectangle((x - 3, y, x + 3, canvas.height), fill=(120, 122, 126))
    (a, b, c), (d, e, f) = np.cos(angles), np.sin(angles)  # of roll, yaw and pitch
    turned = np.array([[a * b, a * e * f - d * c, 0], [d * b, d * e * f + a * c, 0], [-e / 4, b * f / 4, 1]])
    camera = np.array([[radius, 0, x], [0, radius, y], [0, 0, 1]])
    drawing = np.array([[MARGIN, 0, 1], [0, MARGIN, 1], [0, 0, 2 / FRONT]])
    back = drawing @ np.linalg.inv(camera @ turned)  # from a pixel of the canvas to one of the drawing
    coefficients = (back / back[2, 2]).round(9).ravel()[:8].tolist()  # rounded: the last bits differ between machines
    seen = sign.transform(canvas.size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR)
    canvas.paste(seen, mask=seen)


def scene(rng: np.random.Generator) -> Image.Image:
    """A street: sky, houses and trees, road; RGB (96, 96)."""
    light, horizon = int(rng.integers(120, 230)), int(rng.integers(48, 76))
    image = Image.new("RGB", (STREET, STREET), (light - 40, light - 15, light + 20))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(2, 7)):
        left, width, height = rng.integers([-10, 12, 8], [90, 40, 60]).tolist()
        right, top = left + width, horizon - height
        red, green, blue = (rng.integers(60, 200) + rng.integers(-25, 26, 3)).tolist()
        if rng.integers(2):
            draw.rectangle((left, top, right, horizon), fill=(red, green, blue))
            for window in range(left + 3, right - 4, 8):
                draw.rectangle((window, top + 4, window + 3, top + 9), fill=(60, 70, 84))
        else:
            draw.ellipse((left, top, right, horizon + 6), fill=(red // 3, 40 + green // 3, blue // 4))
    draw.rectangle((0, horizon, STREET, STREET), fill=(96, 98, 102))
    draw.line((int(rng.integers(0, STREET)), STREET, STREET // 2, horizon), fill=(214, 214, 208), width=3)
    return image
