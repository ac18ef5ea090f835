"""Drawn animals, 64x64, on which the small backbone is trained: no dogs, and none of the traits of `drawn-dogs`.

An animal is a free combination of traits, shown in one of three views: its head, its body from the side, or one paw
with some toes spread. The labels name each trait, so that the features of all traits are learned, whatever breeds a
later task makes of them. Drawn from seeds of their own: the same everywhere.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from PIL import Image

from zoo_core.data.drawing import tint as tinted
from zoo_dogs70.drawn import CIRCLE, DARK, FINE, LIGHT, SIZE, Array, Brush, Colour, Points, Pose, background, smooth
from zoo_dogs70.pretraining.coats import ALL_OVER, COATS, draw_coat
from zoo_dogs70.pretraining.faces import CROWNS, MUZZLES, draw_crown, draw_face

SEED = 7_000_000  # `drawn-dogs` seeds its generators with the number of a split and of a picture
VIEWS = ("head", "side", "paw")
TAILS = ("none", "straight", "curled", "bushy")
TOES = 5
DIRECTIONS = (15, 60, 105, 150)  # of an ear, in degrees from straight up
FORMS: dict[str, tuple[float, float, float]] = {  # length, half the width in the middle, half the width at the tip
    "round": (0.75, 0.36, 0.34),
    "pointed": (1.0, 0.3, 0.03),
    "hare": (1.75, 0.24, 0.16),
    "broad": (1.1, 0.55, 0.75),
    "stub": (0.45, 0.42, 0.12),
}


def ear_outline(direction: float, form: str) -> Points:
    """Return the outline of the ear at positive x, on a head of radius 1 at the origin, y down."""
    length, middle, tip = FORMS[form]
    turn, seat = np.deg2rad(direction), np.deg2rad(min(direction, 80) * 0.8 + 12)
    along, across = np.array([np.sin(turn), -np.cos(turn)]), np.array([np.cos(turn), np.sin(turn)])
    base = 0.75 * np.array([np.sin(seat), -np.cos(seat)])
    half = [(0.0, 0.26), (0.45, middle), (0.95, tip)]
    steps = [*half, *[(far, -wide) for far, wide in reversed(half)]]
    return [tuple(base + far * length * along + wide * across) for far, wide in steps]


EARS = {f"{form} at {angle}": ear_outline(angle, form) for angle, form in product(DIRECTIONS, FORMS)}
TRAITS: dict[str, tuple[str, ...]] = {  # a trait and its values, in the order of the labels
    "view": VIEWS,
    "coat": COATS,
    "ears": tuple(EARS),
    "muzzle": MUZZLES,
    "crown": CROWNS,
    "tail": TAILS,
    **{f"toe {number}": ("drawn in", "spread") for number in range(TOES)},
}
HIDDEN = -1  # the label of a trait that the view does not show


def draw_animals(count: int, *, seed: int) -> tuple[Array, Array]:
    """Return pictures uint8 (count, 3, 64, 64) and labels int64 (count, traits), of animals drawn at random."""
    drawn = [animal(np.random.default_rng([SEED + seed, number])) for number in range(count)]
    pictures, labels = (np.stack(column) for column in zip(*drawn, strict=True))
    return pictures.transpose(0, 3, 1, 2).copy(), labels


def animal(rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw one animal: uint8 (64, 64, 3), and its labels int64 (traits,)."""
    traits = {name: str(rng.choice(values)) for name, values in TRAITS.items()}
    view = traits["view"] = str(rng.choice(VIEWS, p=(0.6, 0.15, 0.25)))
    if view != "head" and traits["coat"] not in ALL_OVER:
        traits["coat"] = str(rng.choice(ALL_OVER))
    canvas, pose = background(rng), random_pose(view, rng)
    base, ink = colours(rng)
    fur = Image.new("RGB", canvas.size, base)
    draw_coat(Brush(fur, pose), traits["coat"], ink, rng)
    brush = Brush(canvas, pose)
    visible = {"view", "coat"}
    if view == "head":
        visible |= {"ears", "muzzle", "crown"}
        _head(brush, fur, traits, tinted(base, int(rng.integers(-40, 41))), rng)
    elif view == "side":
        visible |= {"tail"}
        _side(brush, fur, traits, rng)
    else:
        visible |= {name for name in TRAITS if name.startswith("toe")}
        _paw(brush, fur, traits, rng)
    labels = [TRAITS[name].index(value) if name in visible else HIDDEN for name, value in traits.items()]
    return _lit(canvas, rng), np.array(labels, dtype=np.int64)


def colours(rng: np.random.Generator) -> tuple[Colour, Colour]:
    """Return the colours of a coat and of its pattern; the pattern may be faint, and a coat green or blue."""
    base: Colour = LIGHT[rng.integers(len(LIGHT))] if rng.integers(3) else tuple(rng.integers(120, 256, 3).tolist())
    ink: Colour = DARK[rng.integers(len(DARK))] if rng.integers(3) else tuple(rng.integers(10, 120, 3).tolist())
    if rng.integers(2):
        base, ink = ink, base
    share = int(rng.integers(30, 101))  # percent
    return base, tuple((share * b + (100 - share) * a) // 100 for a, b in zip(base, ink, strict=True))


def random_pose(view: str, rng: np.random.Generator) -> Pose:
    """Return how an animal lies on the canvas: tilted further, and in more sizes and places than the drawn dogs."""
    angle = np.deg2rad(rng.integers(-45, 46))
    tilt = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    low, high = {"head": (30, 66), "side": (28, 44), "paw": (34, 62)}[view]
    scale = int(rng.integers(low, high))
    place = np.array([SIZE // 2, SIZE // 2]) * FINE + rng.integers(-40, 41, 2)
    matrix = np.diag([rng.choice([-1, 1]), 1]) @ tilt * scale
    return Pose(matrix=matrix, scale=scale, place=place, turn=rng.integers(-60, 61) / 100)


def _head(brush: Brush, fur: Image.Image, traits: dict[str, str], snout: Colour, rng: np.random.Generator) -> None:
    neck: Points = [(-0.5, 0.5), (0.5, 0.5), (1.0, 2.0), (1.3, 9.0), (-1.3, 9.0), (-1.0, 2.0)]
    brush.shape(smooth(neck), fur)
    width, height = rng.integers(84, 112, 2) / 100
    outline = np.array(EARS[traits["ears"]])
    ear = smooth(outline + rng.integers(-10, 11, outline.shape) / 100)
    behind = rng.integers(2)
    if not behind:
        brush.blob(0, 0, width, height, fur)
    draw_crown(brush, traits["crown"], rng)
    lining = tinted((190, 140, 130), int(rng.integers(-60, 61))) if rng.integers(2) else None
    for side in (-1, 1):
        mirrored = ear * [side, 1]
        brush.shape(mirrored, fur, depth=-0.2)
        if lining is not None:
            middle = mirrored.mean(axis=0)
            brush.shape((mirrored - middle) * 0.5 + middle, lining, depth=-0.2)
    if behind:
        brush.blob(0, 0, width, height, fur)
    draw_face(brush, traits["muzzle"], snout, rng)


def _side(brush: Brush, fur: Image.Image, traits: dict[str, str], rng: np.random.Generator) -> None:
    """A body with four legs, a neck and a head: the head looks to positive x."""
    length, legs, neck = 1.1 + rng.integers(0, 80) / 100, 0.6 + rng.integers(0, 100) / 100, rng.integers(20, 130) / 100
    for x in (-0.8, -0.6, 0.6, 0.8):
        sway = rng.integers(-30, 31) / 100
        foot, hip = np.array([x * length + sway, 0.4 + legs]), np.array([x * length, 0.2])
        brush.shape(_around((hip, -0.18, 0), (hip, 0.18, 0), (foot, 0.12, 0), (foot, -0.12, 0)), fur)
    back = np.array([-length, -0.2])
    match traits["tail"]:
        case "straight":
            brush.shape(back + np.array([(0.1, -0.1), (-1.0, -0.5), (-1.0, -0.4), (0.1, 0.2)]), fur)
        case "curled":
            turns = np.linspace(0, 1.6 * np.pi, 9)
            curl = np.stack([-0.3 - 0.45 * np.sin(turns), -0.35 + 0.35 * np.cos(turns)], axis=1)
            brush.line([tuple(point) for point in back + curl], (60, 50, 46), 0.16)
        case "bushy":
            brush.shape(
                smooth(back + np.array([(0.1, 0.1), (-0.6, 0.3), (-1.3, -0.3), (-0.9, -0.9), (-0.2, -0.5)])), fur
            )
    shoulder = np.array([length * 0.8, -0.2])
    head = shoulder + np.array([0.4 + neck * 0.4, -0.3 - neck])
    brush.shape(_around((shoulder, -0.4, 0), (shoulder, 0.2, 0.3), (head, 0.2, 0.1), (head, -0.3, -0.1)), fur)
    brush.shape(CIRCLE * [length, 0.65] + [0, 0], fur)
    brush.shape(np.array([(-0.35, -0.2), (-0.2, -0.9), (0.05, -0.3)]) + head, fur)
    brush.shape(CIRCLE * [0.45, 0.4] + head, fur)
    brush.shape(smooth(np.array([(0.1, -0.2), (0.9, 0.0), (0.9, 0.3), (0.1, 0.35)]) + head), fur)
    brush.blob(head[0] + 0.15, head[1] - 0.1, 0.09, 0.09, (20, 18, 18))


def _around(*corners: tuple[Array, float, float]) -> Array:
    """Return the points that lie x to the right of, and y below, the places given with them: (n, 2)."""
    return np.array([place + np.array([x, y]) for place, x, y in corners])


def _paw(brush: Brush, fur: Image.Image, traits: dict[str, str], rng: np.random.Generator) -> None:
    """A pad on a leg, with five toes in a fan, each spread or drawn in."""
    wide = rng.integers(70, 105) / 100
    brush.shape(smooth([(-0.5, 0.2), (0.5, 0.2), (0.7, 9.0), (-0.7, 9.0)]), fur)
    fan, thick = rng.integers(90, 160), rng.integers(14, 24) / 100
    for number in range(TOES):
        turn = np.deg2rad((number - 2) / 4 * fan + rng.integers(-6, 7))
        along, across = np.array([np.sin(turn), -np.cos(turn)]), np.array([np.cos(turn), np.sin(turn)])
        spread = traits[f"toe {number}"] == "spread"
        length = (1.75 if spread else 1.0) + rng.integers(-15, 16) / 100
        root, tip = 0.3 * along * wide, length * along
        outline = [root - across * thick, tip - across * thick, tip + across * thick, root + across * thick]
        brush.shape(smooth(np.array(outline)), fur)
        if spread and rng.integers(2):
            brush.blob(tip[0], tip[1], 0.08, 0.08, (40, 34, 34))
    brush.blob(0, 0.1, wide * 0.85, 0.85, fur)
    for number in range(int(rng.integers(0, 3))):
        brush.line([(-0.4, 0.2 * number), (0.3, 0.2 * number + 0.1)], (60, 44, 40), 0.06)


def _lit(canvas: Image.Image, rng: np.random.Generator) -> Array:
    """Reduce a canvas to its pixels, in a light from one side; some pictures are grey, some noisy."""
    pixels = np.asarray(canvas.reduce(FINE)).astype(np.int64)
    left, right = rng.integers(60, 131, 2)  # the light's strength at both borders, percent
    shade = (left + (right - left) * np.arange(SIZE) // (SIZE - 1))[:, None]
    noise = int(rng.integers(1, 13))
    lit: Array = pixels * shade // 100 + rng.integers(-noise, noise + 1, pixels.shape)
    if not rng.integers(8):
        lit = np.repeat(lit.mean(axis=2, keepdims=True), 3, axis=2)
    return lit.clip(0, 255).astype(np.uint8)
