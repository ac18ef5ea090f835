"""Coats of the drawn animals. None is a coat of `drawn-dogs`; those of `ALL_OVER` cover head, body and paws alike."""

from __future__ import annotations

import numpy as np

from zoo_dogs70.drawn import Array, Brush, Colour, Points

ALL_OVER = ("striped", "ringed", "chequered", "ticked", "rosetted", "netted", "barred", "pied")
COATS = (*ALL_OVER, "hooded", "bibbed", "halved", "eyelined", "starred", "badger-faced", "spectacled", "capped")


def draw_coat(brush: Brush, coat: str, ink: Colour, rng: np.random.Generator) -> None:
    """Draw the pattern on a fur of one colour; no two animals have it in the same place."""
    by = rng.integers(-20, 21, 2) / 100
    if coat in ALL_OVER:
        _all_over(brush, coat, ink, rng)
        return
    match coat:
        case "hooded":
            brush.shape([(-9, -9), (9, -9), (9, by[0] - 0.1), (-9, by[0] - 0.1)], ink)
        case "bibbed":
            brush.shape([(-9, 9), (9, 9), (9, 0.5 + by[0]), (-9, 0.5 + by[0])], ink)
        case "halved":
            brush.shape([(by[0], -9), (9, -9), (9, 9), (by[0], 9)], ink, 0.3)
        case "eyelined":
            brush.line([(-1.6, -0.15 + by[0] / 2), (0, -0.25), (1.6, -0.15 + by[0] / 2)], ink, 0.34, 0.6)
        case "starred":
            turns = np.arange(10) * np.pi / 5
            star = np.stack([np.sin(turns), -np.cos(turns)], axis=1) * np.where(np.arange(10) % 2, 0.16, 0.42)[:, None]
            brush.shape(star + np.array([by[0] / 2, -0.62]), ink, 0.6)
        case "badger-faced":
            for side in (-1, 1):
                brush.line([(0.3 * side, -1.1), (0.48 * side, -0.2), (0.4 * side, 0.9)], ink, 0.3, 0.7)
        case "spectacled":
            for side in (-1, 1):
                _ring(brush, np.array([0.46 * side, -0.22]), 0.36 + by[0] / 4, ink, 0.14, depth=0.7)
        case "capped":
            brush.blob(by[0], -0.85, 0.55, 0.5, ink, 0.3)


def _all_over(brush: Brush, coat: str, ink: Colour, rng: np.random.Generator) -> None:
    step = rng.integers(30, 46) / 100
    at = np.arange(-3.2, 3.4, step) + rng.integers(0, 30) / 100
    match coat:
        case "striped":  # upright; the dogs' brindle lies across
            for x in at:
                bend = rng.integers(-20, 21) / 100
                brush.line([(x, -3), (x + bend, 0), (x, 4)], ink, 0.14)
        case "barred":  # a few broad bands across
            for y in np.arange(-2.6, 3.4, 0.95) + rng.integers(0, 90) / 100:
                brush.line([(-3, y), (3, y)], ink, 0.42)
        case "ringed":
            for place in _scattered(rng, 26):
                _ring(brush, place, 0.2, ink, 0.07)
        case "rosetted":
            for place in _scattered(rng, 22):
                turn = rng.integers(0, 6)
                for step_ in range(0, 6, 2):
                    angle = (turn + step_) * np.pi / 3
                    brush.blob(place[0] + 0.17 * np.cos(angle), place[1] + 0.17 * np.sin(angle), 0.1, 0.1, ink)
        case "chequered":
            for row, y in enumerate(at):
                for x in at[row % 2 :: 2]:
                    brush.shape([(x, y), (x + step, y), (x + step, y + step), (x, y + step)], ink)
        case "ticked":
            for place in _scattered(rng, 110):
                brush.line([tuple(place), (place[0] + 0.1, place[1] + 0.2)], ink, 0.07)
        case "netted":
            for x in np.arange(-7, 7, 2 * step):
                brush.line([(x, -3), (x + 6, 4)], ink, 0.09)
                brush.line([(x, 4), (x + 6, -3)], ink, 0.09)
        case "pied":
            for place in _scattered(rng, 9):
                corners: Points = [tuple(place + offset) for offset in rng.integers(-75, 76, (5, 2)) / 100]
                brush.shape(corners, ink)


def _scattered(rng: np.random.Generator, count: int) -> Array:
    """Places over an animal, (count, 2)."""
    places: Array = rng.integers([-220, -220], [221, 300], (count, 2)) / 100
    return places


def _ring(brush: Brush, place: Array, radius: float, ink: Colour, width: float, depth: float = 0.0) -> None:
    turns = np.arange(15) * np.pi / 7
    circle = place + radius * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    brush.line([tuple(point) for point in circle], ink, width, depth)
