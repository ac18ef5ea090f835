"""Draws cats and dogs, whose heads have boxes, among rabbits, bears and balls, which have none.

A coat tells nothing: all animals share their colours and patterns. Ears do not tell alone either, since a dog's may be
pricked; the muzzle, the nose and the whiskers do.
"""

from __future__ import annotations

import numpy as np

from zoo_core.data.columns import Array
from zoo_detection.canvas import Objects
from zoo_detection.datasets import PETS
from zoo_detection.scene import CIRCLE, SIZE, Colour, Light, Points, Pose, Scene, any_colour

CAT, DOG = range(len(PETS))
RABBIT, BEAR = len(PETS), len(PETS) + 1  # of no class
SMALLEST, LARGEST = 8.0, 24.0  # radius of a head, in pixels
ATTEMPTS = 12  # to find a free place for an animal
DARK, PINK = (28, 22, 24), (206, 132, 130)
COATS = ((236, 230, 220), (222, 190, 146), (200, 142, 84), (172, 166, 160), (118, 72, 46), (58, 52, 54))
PRICKED: Points = [(0.18, -0.78), (0.72, -1.55), (0.96, -0.3)]
EARS: dict[int, tuple[Points, ...]] = {  # outlines of the ear at positive x; the other one is the mirror image
    CAT: (PRICKED, [(0.1, -0.8), (0.55, -1.4), (0.95, -0.4)]),
    DOG: (
        [(0.55, -0.85), (1.05, -0.8), (1.35, 0.1), (1.15, 0.75), (0.85, 0.35), (0.75, -0.4)],
        [(0.5, -0.85), (0.9, -1.05), (1.35, -0.6), (1.1, -0.35), (0.8, -0.45)],
        [(0.2, -0.8), (0.6, -1.6), (0.98, -0.3)],
    ),
    RABBIT: ([(0.1, -0.8), (0.15, -1.9), (0.45, -2.3), (0.65, -1.8), (0.6, -0.7)],),
    BEAR: (CIRCLE * 0.38 + [0.75, -0.75],),
}


def draw_animals(rng: np.random.Generator) -> tuple[Array, Objects]:
    """Draw up to six animals under any light: the picture, uint8 (128, 128, 3), and the heads of cats and dogs."""
    scene = Scene(rng)
    floor = background(scene)
    taken: list[tuple[float, float, float]] = []
    for radius in sorted(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST), int(rng.integers(2, 7)))).tolist()):
        place = free_place(rng, radius, floor, taken)
        if place is not None:
            taken.append((*place, radius))
            animal(scene, int(rng.choice([CAT, CAT, DOG, DOG, RABBIT, BEAR])), place, radius)
    for _ in range(rng.integers(0, 4)):
        clutter(scene, near=False)
    if not rng.integers(3):
        clutter(scene, near=True)
    return scene.render(light=Light.random(rng))


def free_place(
    rng: np.random.Generator, radius: float, floor: float, taken: list[tuple[float, float, float]]
) -> tuple[float, float] | None:
    """Find the middle of a head that hides no other one; None if there is hardly room."""
    for _ in range(ATTEMPTS):
        x, y = rng.uniform(radius * 0.8, SIZE - radius * 0.8), rng.uniform(floor * 0.4 + radius, SIZE - radius)
        if all(abs(x - a) > 1.05 * (radius + b) or abs(y - c) > 1.2 * (radius + b) for a, c, b in taken):
            return x, y
    return None


def animal(scene: Scene, kind: int, middle: tuple[float, float], radius: float) -> None:
    """Draw a body, and before it a head. Only the head of a cat or a dog is an object."""
    rng = scene.rng
    base, ink = (np.array(COATS[place]) + rng.integers(-14, 15, 3) for place in rng.permutation(len(COATS))[:2])
    share = rng.uniform(0.3, 1.0)
    ink = share * ink + (1 - share) * base
    wide = rng.uniform(0.86, 1.05)
    pose = Pose(middle=middle, scale=(radius * wide, radius), tilt=np.deg2rad(rng.uniform(-24, 24)))
    body(scene, middle, radius, base, ink)
    if kind in (CAT, DOG):
        with scene.of_class(kind):
            head(scene, kind, pose, base, ink)
    else:
        head(scene, kind, pose, base, ink)


def body(scene: Scene, middle: tuple[float, float], radius: float, base: Colour, ink: Colour) -> None:
    """Draw a body that sits below the head or lies to its side, with a tail."""
    rng = scene.rng
    side = rng.choice([-1, 1])
    sits = bool(rng.integers(2))
    away = (0.3 * side, 1.9) if sits else (1.9 * side, 0.7)
    pose = Pose(middle=middle, scale=(radius, radius))
    end = (away[0] + side * (1.0 if sits else 1.5), away[1] + rng.uniform(-0.6, 0.6))
    for step in np.linspace(0, 1, 5):
        bent = (away[0] + step * 1.6 * (end[0] - away[0]), away[1] + step * (end[1] - away[1]) - 0.7 * step**2)
        scene.blob(pose, bent, (0.24, 0.24), ink)
    scene.blob(pose, away, (0.95, 1.35) if sits else (1.5, 0.9), base)
    for _ in range(rng.integers(0, 4)):
        spot = np.array(away) + rng.uniform(-0.5, 0.5, 2)
        scene.blob(pose, (spot[0], spot[1]), (0.3, 0.3), ink)
    for x in (-0.5, 0.5):
        scene.blob(pose, (away[0] + x, away[1] + (1.25 if sits else 0.8)), (0.3, 0.25), base * 0.92)


def head(scene: Scene, kind: int, pose: Pose, base: Colour, ink: Colour) -> None:
    rng = scene.rng
    outlines = EARS[kind]
    ear = np.asarray(outlines[rng.integers(len(outlines))]) + rng.uniform(-0.06, 0.06, 2)
    hangs = kind == DOG and bool(ear[:, 1].max() > 0.3)
    if hangs:
        scene.blob(pose, (0, 0), (1, 1), base)
    for side in (-1, 1):
        scene.polygon(pose, ear * [side, 1], ink if hangs or rng.integers(2) else base * 0.88)
        if not hangs:
            scene.polygon(pose, ((ear - ear.mean(axis=0)) * 0.5 + ear.mean(axis=0)) * [side, 1], PINK)
    if not hangs:
        scene.blob(pose, (0, 0), (1, 1), base)
    coat(scene, pose, ink)
    face(scene, kind, pose, base)


def coat(scene: Scene, pose: Pose, ink: Colour) -> None:
    """Draw a pattern of any animal on the upper half of a head: stripes, a patch, a blaze or none."""
    match scene.rng.integers(4):
        case 0:
            for x in (-0.4, 0.0, 0.4):
                scene.bar(pose, (x, -0.65), (0.07, 0.22), ink)
        case 1:
            scene.blob(pose, (scene.rng.choice([-0.45, 0.45]), -0.3), (0.42, 0.45), ink)
        case 2:
            scene.blob(pose, (0, -0.45), (0.18, 0.5), ink)
        case _:
            pass


def face(scene: Scene, kind: int, pose: Pose, base: Colour) -> None:
    """Draw eyes, muzzle and nose of a kind of animal."""
    rng = scene.rng
    pale = 0.5 * base + 0.5 * np.array([236, 228, 216])
    eye = np.array([150, 180, 70]) if kind == CAT and rng.integers(3) else np.array(DARK)
    for x in (-0.42, 0.42):
        scene.blob(pose, (x, -0.15), (0.19, 0.17), eye)
        scene.blob(pose, (x, -0.15), (0.06, 0.15), DARK)
    match kind:
        case 0:  # a cat: small nose, whiskers
            scene.blob(pose, (0, 0.42), (0.4, 0.28), pale)
            scene.polygon(pose, [(-0.13, 0.22), (0.13, 0.22), (0, 0.38)], PINK)
            for side in (-1, 1):
                for y in (0.3, 0.5):
                    scene.polygon(
                        pose, [(0.3 * side, 0.42), (1.25 * side, y - 0.03), (1.25 * side, y + 0.03)], (226, 222, 214)
                    )
        case 1:  # a dog: long muzzle, large nose, perhaps a tongue
            scene.blob(pose, (0, 0.45), (0.48, 0.6), pale)
            if rng.integers(2):
                scene.blob(pose, (0, 1.0), (0.18, 0.28), (220, 104, 114))
            scene.blob(pose, (0, 0.25), (0.26, 0.19), DARK)
            scene.bar(pose, (0, 0.6), (0.04, 0.2), DARK)
        case 2:  # a rabbit: teeth
            scene.blob(pose, (0, 0.4), (0.42, 0.3), pale)
            scene.blob(pose, (0, 0.25), (0.1, 0.08), PINK)
            scene.bar(pose, (0, 0.66), (0.14, 0.16), (240, 240, 236))
        case _:  # a bear: round muzzle
            scene.blob(pose, (0, 0.4), (0.46, 0.42), pale)
            scene.blob(pose, (0, 0.22), (0.2, 0.14), DARK)


def background(scene: Scene) -> float:
    """Draw a wall or meadow and a floor, with spots; return the row where the floor begins."""
    rng = scene.rng
    flat = Pose(middle=(0, 0), scale=(1, 1))
    floor = float(rng.uniform(30, 80))
    above, below = any_colour(rng, 60, 220), any_colour(rng, 50, 190)
    scene.bar(flat, (SIZE / 2, SIZE / 2), (SIZE, SIZE), above)
    scene.bar(flat, (SIZE / 2, floor + SIZE / 2), (SIZE, SIZE / 2), below)
    for _ in range(rng.integers(8, 24)):
        x, y = rng.uniform(0, SIZE, 2)
        tint = (above if y < floor else below) + rng.integers(-26, 27)
        scene.blob(flat, (x, y), (rng.uniform(2, 14), rng.uniform(1, 6)), tint)
    return floor


def clutter(scene: Scene, *, near: bool) -> None:
    """Draw a ball, a cushion or a plant of any colour; a near one is large and may hide a head."""
    rng = scene.rng
    size = rng.uniform(14, 24) if near else rng.uniform(3, 8)
    middle = (rng.uniform(0, SIZE), rng.uniform(SIZE * 0.75, SIZE) if near else rng.uniform(SIZE * 0.5, SIZE))
    pose = Pose(middle=middle, scale=(size, size), tilt=rng.uniform(-0.5, 0.5))
    colour = any_colour(rng)
    match rng.integers(3):
        case 0:
            scene.polygon(pose, CIRCLE, colour)
            scene.blob(pose, (-0.3, -0.3), (0.2, 0.2), colour + 50)
        case 1:
            scene.bar(pose, (0, 0), (1, 0.7), colour)
            scene.bar(pose, (0, 0), (0.1, 0.7), colour - 40)
        case _:
            for x in np.linspace(-0.8, 0.8, 7):
                blade: Points = [(x / 3 - 0.06, 1), (x + 0.05, -1), (x / 3 + 0.06, 1)]
                scene.polygon(pose, blade, np.array([50, 120, 44]) + rng.integers(-30, 31, 3))
