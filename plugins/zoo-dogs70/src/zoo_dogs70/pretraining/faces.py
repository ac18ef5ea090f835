"""Faces and crowns of the drawn animals: cats, bears, pigs, birds and foxes, horns, antlers and crests."""

from __future__ import annotations

import numpy as np

from zoo_core.data.drawing import tint
from zoo_dogs70.drawn import Brush, Colour, Points, smooth

MUZZLES = ("cat", "bear", "pig", "beak", "bill", "fox", "ape")
CROWNS = ("none", "horns", "ram", "one tine", "two tines", "three tines", "crest")
BLACK = (24, 20, 22)


def draw_face(brush: Brush, muzzle: str, snout: Colour, rng: np.random.Generator) -> None:
    """Draw eyes, and a muzzle or beak in front of the head."""
    gap, low = rng.integers(34, 56) / 100, -0.25 + rng.integers(-8, 9) / 100
    iris = tuple(rng.integers(20, 200, 3).tolist())
    for side in (-1, 1):
        brush.blob(gap * side, low, 0.18, 0.19, tint(snout, -60), 0.7)
        brush.blob(gap * side, low, 0.14, 0.15, iris, 0.7)
        brush.blob(gap * side, low, 0.07, 0.1, BLACK, 0.7)
    match muzzle:
        case "cat":
            brush.shape([(-0.13, 0.2), (0.13, 0.2), (0, 0.34)], (200, 120, 120), 0.9)
            brush.line([(-0.25, 0.5), (0, 0.36), (0.25, 0.5)], BLACK, 0.06, 0.9)
            for y in (0.2, 0.36, 0.52):
                for side in (-1, 1):
                    brush.line([(0.3 * side, 0.36), (1.15 * side, y)], (230, 228, 224), 0.04, 0.7)
        case "bear":
            brush.blob(0, 0.42, 0.46, 0.4, snout, 0.9)
            brush.blob(0, 0.24, 0.2, 0.13, BLACK, 1.0)
            brush.line([(0, 0.3), (0, 0.55)], BLACK, 0.06, 1.0)
        case "pig":
            brush.blob(0, 0.38, 0.4, 0.3, tint(snout, 20), 1.1)
            for side in (-1, 1):
                brush.blob(0.15 * side, 0.38, 0.07, 0.13, (70, 40, 44), 1.1)
        case "beak":
            brush.shape([(-0.25, 0.05), (0.25, 0.05), (0.0, 0.75)], (226, 168, 40), 1.0)
        case "bill":
            brush.shape(
                smooth([(-0.2, 0.1), (0.2, 0.1), (0.7, 0.55), (0.4, 0.75), (-0.4, 0.75), (-0.7, 0.55)]),
                (216, 150, 60),
                1.0,
            )
            brush.line([(-0.5, 0.6), (0.5, 0.6)], BLACK, 0.05, 1.0)
        case "fox":
            brush.shape([(-0.62, 0.0), (0.62, 0.0), (0.0, 1.15)], snout, 0.6)
            brush.blob(0, 1.02, 0.16, 0.13, BLACK, 0.9)
        case "ape":
            brush.blob(0, 0.45, 0.62, 0.5, tint(snout, 30), 0.6)
            for side in (-1, 1):
                brush.blob(0.1 * side, 0.22, 0.05, 0.04, BLACK, 0.8)
            brush.line([(-0.35, 0.62), (0, 0.7), (0.35, 0.62)], BLACK, 0.06, 0.8)


def draw_crown(brush: Brush, crown: str, rng: np.random.Generator) -> None:
    """Draw horns, antlers of one to three tines a side, or a crest of feathers; "none" draws nothing."""
    bone, lean = tint((206, 190, 160), int(rng.integers(-90, 31))), rng.integers(-12, 13) / 100
    if crown == "crest":
        for turn in np.deg2rad(np.arange(-40, 41, 20)):
            tip = (1.7 * np.sin(turn), -1.7 * np.cos(turn))
            brush.line([(0, -0.7), tip], bone, 0.13, -0.1)
            brush.blob(*tip, 0.13, 0.13, bone, -0.1)
    for side in (-1, 1):
        match crown:
            case "horns":
                horn: Points = [(0.2, -0.8), (0.5, -0.75), (0.62 + lean, -1.75)]
                brush.shape([(x * side, y) for x, y in horn], bone, -0.1)
            case "ram":
                turns = np.linspace(-0.5 * np.pi, 1.2 * np.pi, 11)
                curl = [((0.85 + 0.5 * np.cos(t)) * side, -0.55 + 0.5 * np.sin(t)) for t in turns]
                brush.line(curl, bone, 0.24, -0.1)
            case "one tine" | "two tines" | "three tines":
                beam: Points = [(0.3, -0.8), (0.55 + lean, -1.4), (0.7 + lean, -2.1)]
                brush.line([(x * side, y) for x, y in beam], bone, 0.12, -0.1)
                for number in range(("one tine", "two tines", "three tines").index(crown) + 1):
                    y = -1.2 - 0.28 * number
                    brush.line([((0.5 + lean) * side, y), (1.1 * side, y - 0.4)], bone, 0.1, -0.1)
