"""Draws boards of models with known truths. It uses numpy and scipy only, and nothing of the code that it tests.

The score of example i under seed s of model m comes from a latent value with crossed effects, all normal:

    z = ease[i] + group[g(i)] + own[m, i] + seed[m, s] + rest[m, s, i]

`ease` and `group` are shared by all models, `own` is how much better a model does on an example than others do. Every
variance is part of a `Mix`. The latent values of a model are shifted so that its true mean score is the one asked for:

* accuracy: an example is right if z + shift > 0, so the true accuracy is Phi(shift / sd(z)).
* share (like Dice or IoU of a picture): the score is Phi(z + shift), whose mean is Phi(shift / sqrt(1 + var(z))).

The true mean is over all seeds and all examples of the population, not over those drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from scipy import special

Array: TypeAlias = np.ndarray[Any, Any]
Kind: TypeAlias = Literal["accuracy", "share"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Mix:
    """The variances of the latent effects."""

    ease: float = 0.5
    group: float = 0.0
    own: float = 0.2
    seed: float = 0.003
    rest: float = 0.3


# At an accuracy of 0.9 the seeds' standard deviations are about 0, 0.01 and 0.025.
QUIET, USUAL, LOUD = Mix(seed=0.0), Mix(seed=0.003), Mix(seed=0.02)


@dataclass(frozen=True, kw_only=True, slots=True)
class Draw:
    """A board drawn: for each model its scores by example, (seeds, examples); and the group of each example."""

    models: list[Array]
    groups: Array | None


def draw_board(
    rng: np.random.Generator,
    truths: Sequence[float],
    *,
    seeds: Sequence[int],
    examples: int,
    kind: Kind = "accuracy",
    mix: Mix = USUAL,
    groups: int = 0,
    loudness: Sequence[float] | None = None,
) -> Draw:
    """Draw models of these true mean scores, each with its number of seeds, all on one test sample.

    `groups` is the number of groups, of unequal sizes; 0 for independent examples. `loudness` multiplies the variance
    of each model's seeds.
    """
    ease = mix.ease**0.5 * rng.standard_normal(examples, dtype=np.float32)
    group_of_example = draw_groups(rng, examples, groups) if groups else None
    if group_of_example is not None:
        ease += (mix.group**0.5 * rng.standard_normal(groups, dtype=np.float32))[group_of_example]
    models = []
    for number, (truth, count) in enumerate(zip(truths, seeds, strict=True)):
        seed_var = mix.seed * (1.0 if loudness is None else loudness[number])
        total = mix.ease + mix.group + mix.own + seed_var + mix.rest
        z = mix.rest**0.5 * rng.standard_normal((count, examples), dtype=np.float32)
        z += ease + mix.own**0.5 * rng.standard_normal(examples, dtype=np.float32)
        z += (seed_var**0.5 * rng.standard_normal((count, 1))).astype(np.float32)
        models.append(_scores(z, truth, total, kind))
    return Draw(models=models, groups=group_of_example)


def draw_pixel_counts(
    rng: np.random.Generator, models: int, *, seeds: int, images: int, classes: int = 5, mix: Mix = USUAL
) -> list[list[tuple[Array, Array]]]:
    """Draw equal segmentation models: by model and seed, the pixels of intersection and of union.

    Both arrays are (images, classes). The true pixels of a class are lognormal, and 0 in four of ten images. A model
    finds the share Phi(1 + z) of them, with z as above by image and class, and half as many wrong ones as it misses.
    """
    shape = (images, classes)
    true = np.exp(rng.normal(6, 1, shape)) * (rng.random(shape) < 0.6)
    ease = mix.ease**0.5 * rng.standard_normal(shape)
    drawn = []
    for _ in range(models):
        own = ease + mix.own**0.5 * rng.standard_normal(shape)
        found = [
            special.ndtr(1 + own + mix.seed**0.5 * rng.standard_normal() + mix.rest**0.5 * rng.standard_normal(shape))
            for _ in range(seeds)
        ]
        drawn.append([(true * share, true * (1 + (1 - share) / 2)) for share in found])
    return drawn


def draw_groups(rng: np.random.Generator, examples: int, groups: int) -> Array:
    """Draw the group of each example. Sizes are unequal (a Dirichlet share of 2 each), and no group is empty."""
    shares = rng.dirichlet(np.full(groups, 2.0))
    rest = rng.choice(groups, size=examples - groups, p=shares)
    return np.concatenate([np.arange(groups), rest])


def _scores(z: Array, truth: float, variance: float, kind: Kind) -> Array:
    if kind == "accuracy":
        shift = special.ndtri(truth) * variance**0.5
        return (z > -shift).astype(np.float64)
    shift = special.ndtri(truth) * (1 + variance) ** 0.5
    return special.ndtr(z.astype(np.float64) + shift)
