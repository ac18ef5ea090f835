"""Draws a road with signs of four classes, and with things that look like them but are of none.

No colour and no outline tells a class alone: a no-entry sign is as red as a stop sign, an empty red ring is no speed
limit, a parking sign is as blue as a crosswalk's, and a dark shop window is no traffic light.
"""

from __future__ import annotations

import numpy as np

from zoo_core.data.columns import Array
from zoo_detection.canvas import Objects
from zoo_detection.datasets import ROAD_SIGNS
from zoo_detection.scene import CIRCLE, SIZE, Colour, Light, Points, Pose, Scene, any_colour

CROSSWALK, SPEEDLIMIT, STOP, TRAFFICLIGHT = range(len(ROAD_SIGNS))
SMALLEST, LARGEST = 13, 46  # of a sign, in pixels
ATTEMPTS = 12  # to find a free place for a sign
RED, BLUE, WHITE, BLACK = ((178, 28, 34), (28, 74, 158), (232, 232, 228), (26, 26, 28))
OCTAGON = np.stack([np.cos(np.arange(8) * np.pi / 4 + np.pi / 8), np.sin(np.arange(8) * np.pi / 4 + np.pi / 8)], axis=1)
WALKER: Points = [
    (-0.05, -0.2),
    (0.2, -0.1),
    (0.12, 0.2),
    (0.35, 0.62),
    (0.18, 0.62),
    (-0.02, 0.3),
    (-0.3, 0.62),
    (-0.42, 0.62),
]
LAMPS = ((210, 40, 36), (232, 176, 40), (52, 190, 96))  # red, amber, green, from top to bottom
# The strokes of a digit on a grid of 2 x 4: top, upper left, upper right, middle, lower left, lower right, bottom.
STROKES = (
    (0, -2, 1, 0.28),
    (-1, -1, 0.28, 1),
    (1, -1, 0.28, 1),
    (0, 0, 1, 0.28),
    (-1, 1, 0.28, 1),
    (1, 1, 0.28, 1),
    (0, 2, 1, 0.28),
)
DIGITS = {0: "012456", 2: "02346", 3: "02356", 4: "1235", 5: "01356", 6: "013456", 7: "025", 8: "0123456", 9: "012356"}
LIMITS = (20, 30, 40, 50, 60, 70, 80, 90)


def draw_road(rng: np.random.Generator) -> tuple[Array, Objects]:
    """Draw a road under any light: the picture, uint8 (128, 128, 3), and its signs."""
    scene = Scene(rng)
    horizon = int(rng.integers(44, 72))
    background(scene, horizon)
    sizes = [*rng.uniform(np.log(SMALLEST), np.log(LARGEST), int(rng.integers(3, 7)))]
    taken: list[tuple[float, float, float]] = []
    for size in sorted(np.exp(sizes).tolist()):  # far ones first: near ones may hide them
        kind = int(rng.integers(10))
        if kind < 2:
            car(scene, horizon, size)
            continue
        place = free_place(rng, size, taken)
        if place is None:
            continue
        taken.append((*place, size))
        on_pole(scene, place, size, kind < 8)
    if not rng.integers(4):
        foreground(scene)
    return scene.render(light=Light.random(rng))


def free_place(
    rng: np.random.Generator, size: float, taken: list[tuple[float, float, float]]
) -> tuple[float, float] | None:
    """Find the middle of a sign that covers no other one by more than its corners; None if there is hardly room."""
    for _ in range(ATTEMPTS):
        x, y = rng.uniform(size * 0.4, SIZE - size * 0.4), rng.uniform(size * 0.5, SIZE * 0.8 - size * 0.3)
        if all(abs(x - a) > 0.45 * (size + b) or abs(y - c) > 0.55 * (size + b) for a, c, b in taken):
            return x, y
    return None


def on_pole(scene: Scene, middle: tuple[float, float], size: float, is_sign: bool) -> None:
    """Draw a pole and on it a sign of any class, or what looks like one."""
    rng = scene.rng
    pole = Pose(middle=(middle[0], middle[1] + 0.9 * size), scale=(size, size))
    scene.bar(pole, (0, 0), (0.05, 0.9), any_colour(rng, 70, 150))
    turned = rng.uniform(0.72, 1.0)  # a sign seen from the side is narrower
    pose = Pose(middle=middle, scale=(size / 2 * turned, size / 2), tilt=np.deg2rad(rng.uniform(-9, 9)))
    if is_sign:
        label = int(rng.integers(len(ROAD_SIGNS)))
        with scene.of_class(label):
            (crosswalk, speedlimit, stop, trafficlight)[label](scene, pose)
    else:
        lookalike(scene, pose)


def stop(scene: Scene, pose: Pose) -> None:
    red = faded(scene.rng, RED)
    scene.polygon(pose, OCTAGON, WHITE)
    scene.polygon(pose, OCTAGON * 0.9, red)
    for x in (-0.54, -0.18, 0.18, 0.54):  # four letters
        scene.bar(pose, (x, 0), (0.12, 0.26), WHITE)
        if x > -0.5:
            scene.bar(pose, (x, 0.02), (0.04, 0.13), red)


def speedlimit(scene: Scene, pose: Pose) -> None:
    ring(scene, pose)
    for x, digit in zip((-0.32, 0.32), divmod(int(scene.rng.choice(LIMITS)), 10), strict=True):
        for stroke in DIGITS[digit]:
            across, down, wide, tall = STROKES[int(stroke)]
            scene.bar(pose, (x + 0.19 * across, 0.19 * down), (0.19 * wide + 0.02, 0.19 * tall + 0.02), BLACK)


def crosswalk(scene: Scene, pose: Pose) -> None:
    scene.bar(pose, (0, 0), (0.9, 0.95), faded(scene.rng, BLUE))
    scene.polygon(pose, [(0, -0.82), (0.78, 0.72), (-0.78, 0.72)], WHITE)
    scene.polygon(pose, WALKER, BLACK)
    scene.blob(pose, (0.1, -0.32), (0.13, 0.12), BLACK)


def trafficlight(scene: Scene, pose: Pose) -> None:
    housing = any_colour(scene.rng, 18, 60)
    scene.bar(pose, (0, 0), (0.45, 1.0), housing)
    lit = scene.rng.integers(3)
    for number, (y, lamp) in enumerate(zip((-0.64, 0.0, 0.64), LAMPS, strict=True)):
        scene.blob(pose, (0, y), (0.32, 0.26), lamp if number == lit else np.array(lamp) // 4)


def lookalike(scene: Scene, pose: Pose) -> None:
    """Draw a sign of another kind, or a thing with the colours and the outline of one."""
    rng = scene.rng
    match rng.integers(7):
        case 0:  # no entry
            scene.polygon(pose, CIRCLE, faded(rng, RED))
            scene.bar(pose, (0, 0), (0.68, 0.18), WHITE)
        case 1:  # no vehicles: the ring of a speed limit, with nothing in it or with a bar
            ring(scene, pose)
            if rng.integers(2):
                scene.bar(Pose(middle=pose.middle, scale=pose.scale, tilt=0.8), (0, 0), (0.16, 0.7), faded(rng, RED))
        case 2:  # parking
            scene.bar(pose, (0, 0), (0.9, 0.95), faded(rng, BLUE))
            scene.bar(pose, (-0.28, 0), (0.14, 0.68), WHITE)
            scene.blob(pose, (0.05, -0.3), (0.42, 0.38), WHITE)
            scene.blob(pose, (0.02, -0.3), (0.18, 0.16), faded(rng, BLUE))
        case 3:  # this way
            scene.polygon(pose, CIRCLE, faded(rng, BLUE))
            scene.polygon(
                pose, [(0, -0.7), (0.5, 0), (0.16, 0), (0.16, 0.66), (-0.16, 0.66), (-0.16, 0), (-0.5, 0)], WHITE
            )
        case 4:  # a red poster with white lines
            scene.bar(pose, (0, 0), (0.95, 0.8), faded(rng, RED))
            for y in (-0.4, 0.0, 0.4):
                scene.bar(pose, (rng.uniform(-0.2, 0.2), y), (0.5, 0.1), WHITE)
        case 5:  # a dark window, of three panes
            scene.bar(pose, (0, 0), (0.45, 1.0), any_colour(rng, 18, 60))
            for y in (-0.64, 0.0, 0.64):
                scene.bar(pose, (0, y), (0.32, 0.24), any_colour(rng, 60, 150))
        case _:  # give way
            scene.polygon(pose, [(-0.95, -0.8), (0.95, -0.8), (0, 0.9)], faded(rng, RED))
            scene.polygon(pose, [(-0.56, -0.58), (0.56, -0.58), (0, 0.45)], WHITE)


def ring(scene: Scene, pose: Pose) -> None:
    scene.polygon(pose, CIRCLE, faded(scene.rng, RED))
    scene.polygon(pose, CIRCLE * 0.76, WHITE)


def faded(rng: np.random.Generator, colour: tuple[int, int, int]) -> Colour:
    """Return the paint of one sign: years in the sun make it paler and greyer."""
    share = rng.uniform(0, 0.35)
    return (1 - share) * np.array(colour) + share * 150 + rng.integers(-12, 13, 3)


def background(scene: Scene, horizon: int) -> None:
    """Draw sky, houses and trees, and the road up to the horizon."""
    rng = scene.rng
    flat = Pose(middle=(0, 0), scale=(1, 1))
    scene.bar(flat, (SIZE / 2, horizon / 2), (SIZE, horizon), np.array([-40, -15, 10]) + rng.integers(120, 240))
    for left in range(-8, SIZE, 18):
        if rng.integers(3):
            house(scene, left + float(rng.uniform(-5, 5)), horizon)
        else:
            tree(scene, left + 8.0, horizon, float(rng.uniform(10, 26)))
    scene.bar(flat, (SIZE / 2, horizon + SIZE / 2), (SIZE, SIZE / 2), any_colour(rng, 90, 160) // 2 + 60)
    middle, near_left, near_right = rng.uniform(40, 88), rng.uniform(-30, 20), SIZE - rng.uniform(-30, 20)
    road: Points = [(middle - 3, horizon), (middle + 3, horizon), (near_right, SIZE), (near_left, SIZE)]
    scene.polygon(flat, road, rng.integers(60, 120) + rng.integers(-6, 7, 3))
    for near in np.arange(0.1, 1.0, 0.2):  # the dashes of the middle line
        x, y = middle + near * ((near_left + near_right) / 2 - middle), horizon + near * (SIZE - horizon)
        scene.bar(flat, (x, y), (0.3 + near, 1 + 3 * near), (214, 214, 204))


def house(scene: Scene, left: float, horizon: int) -> None:
    rng = scene.rng
    wide, tall = float(rng.uniform(7, 13)), float(rng.uniform(12, horizon / 2))
    pose = Pose(middle=(left + wide, horizon - tall), scale=(wide, tall))
    scene.bar(pose, (0, 0), (1, 1), any_colour(rng, 60, 215))
    pane = any_colour(rng, 50, 200) if rng.integers(2) else np.array([62, 70, 84])
    for y in (-0.65, -0.15, 0.35):
        for x in (-0.45, 0.45):
            scene.bar(pose, (x, y), (0.22, 0.14), pane)


def tree(scene: Scene, x: float, ground: float, tall: float) -> None:
    green = int(scene.rng.integers(50, 150))
    pose = Pose(middle=(x, ground - tall), scale=(tall, tall))
    scene.bar(pose, (0, 0.5), (0.1, 0.5), (80, 64, 50))
    for _ in range(5):
        away = scene.rng.uniform(-0.35, 0.35, 2)
        leaves = np.array([green - 25, green, green // 2]) + scene.rng.integers(-14, 15)
        scene.blob(pose, (away[0], away[1] - 0.3), (0.38, 0.38), leaves)


def car(scene: Scene, horizon: int, size: float) -> None:
    """Draw a car from behind, with tail lights as round and as red as a lamp or a sign."""
    rng = scene.rng
    pose = Pose(middle=(rng.uniform(10, SIZE - 10), horizon + size), scale=(size * 0.75, size * 0.75))
    body = any_colour(rng, 30, 235)
    scene.polygon(pose, [(-0.95, 0.1), (-0.65, -0.75), (0.65, -0.75), (0.95, 0.1)], body * 3 // 4)
    scene.polygon(pose, [(-0.7, 0.0), (-0.52, -0.6), (0.52, -0.6), (0.7, 0.0)], (70, 84, 98))
    scene.bar(pose, (0, 0.35), (1, 0.4), body)
    for x in (-0.75, 0.75):
        scene.blob(pose, (x, 0.8), (0.2, 0.2), BLACK)
        scene.blob(pose, (x, 0.25), (0.17, 0.15), (206, 42, 40))
    scene.bar(pose, (0, 0.45), (0.3, 0.1), WHITE)


def foreground(scene: Scene) -> None:
    """Draw a post or leaves near the camera, which may hide signs."""
    rng = scene.rng
    x = float(rng.uniform(8, SIZE - 8))
    if rng.integers(2):
        scene.bar(Pose(middle=(x, 64), scale=(1, 1)), (0, 0), (rng.uniform(1.5, 4), 80), any_colour(rng, 40, 130))
    else:
        tree(scene, x, SIZE + 20.0, float(rng.uniform(45, 80)))
