"""The events that the cells count: each function returns one that draws a board and says whether the event happened.

Only this module knows the code under test, and only these of its functions: `mean_interval`, `ranks`, and
`ratio_by_example`, which gives each image its value for a mean IoU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from generator import USUAL, Array, Draw, Mix, draw_board, draw_pixel_counts
from zoo_leaderboard.stats.intervals import mean_interval
from zoo_leaderboard.stats.ranking import ranks
from zoo_leaderboard.stats.sample import Sample

from zoo_core.metrics import ratio_by_example


def sample(scores: Array, groups: Array | None = None, *, by_example: bool = True) -> Sample:
    """What the leaderboard would load of one model."""
    if by_example:
        return Sample(scores=scores.mean(axis=1), examples=scores, groups=groups, data="test")
    return Sample(scores=scores.mean(axis=1))


def board(drawn: Draw, *, by_example: bool = True) -> list[Sample]:
    """What the leaderboard would load of a table."""
    return [sample(scores, drawn.groups, by_example=by_example) for scores in drawn.models]


def covers(
    truth: float, *, seeds: int, examples: int, **options: object
) -> Callable[[np.random.Generator], bool | None]:
    """Whether a 95 % interval covers the true mean score; None if none is claimed."""

    def count(rng: np.random.Generator) -> bool | None:
        drawn = draw_board(rng, [truth], seeds=[seeds], examples=examples, **options)  # type: ignore[arg-type]
        found = mean_interval(sample(drawn.models[0], drawn.groups))
        if found.low is None or found.high is None or found.coverage != 0.95:
            return None
        return bool(found.low <= truth <= found.high)

    return count


def impossible(truth: float, *, seeds: int, examples: int, mix: Mix) -> Callable[[np.random.Generator], bool | None]:
    """Whether an interval of an accuracy leaves 0 to 1, or has no width; None if there is no interval."""

    def count(rng: np.random.Generator) -> bool | None:
        drawn = draw_board(rng, [truth], seeds=[seeds], examples=examples, mix=mix)
        found = mean_interval(sample(drawn.models[0]))
        if found.low is None or found.high is None:
            return None
        return found.low < 0 or found.high > 1 or found.low == found.high

    return count


def any_demoted(
    truths: Sequence[float], *, seeds: Sequence[int], by_example: bool = True, **options: object
) -> Callable[[np.random.Generator], bool | None]:
    """Whether any model has a rank for which too many others would have to be better than it; None if none is ranked.

    With equal models this is a rank other than 1.
    """
    best = np.array([1 + sum(other > truth for other in truths) for truth in truths])

    def count(rng: np.random.Generator) -> bool | None:
        drawn = draw_board(rng, truths, seeds=seeds, **options)  # type: ignore[arg-type]
        found = ranks(board(drawn, by_example=by_example), higher_is_better=True)
        return bool((found.rank > best).any()) if found.compared.any() else None

    return count


def any_iou_demoted(
    models: int, *, seeds: int, images: int, mix: Mix = USUAL
) -> Callable[[np.random.Generator], bool | None]:
    """Whether any of equal models has another rank than 1 by its mean IoU over the data set."""

    def count(rng: np.random.Generator) -> bool | None:
        drawn = draw_pixel_counts(rng, models, seeds=seeds, images=images, mix=mix)
        samples = [sample(np.stack([ratio_by_example(*counts) for counts in of_model])) for of_model in drawn]
        found = ranks(samples, higher_is_better=True)
        return bool((found.rank > 1).any()) if found.compared.any() else None

    return count


def neighbours_separated(
    truths: Sequence[float], *, seeds: Sequence[int], **options: object
) -> Callable[[np.random.Generator], bool | None]:
    """Whether the ranks of a neighbouring pair, drawn at random, differ in the true direction."""

    def count(rng: np.random.Generator) -> bool | None:
        drawn = draw_board(rng, truths, seeds=seeds, **options)  # type: ignore[arg-type]
        rank = ranks(board(drawn), higher_is_better=True).rank
        place = int(rng.integers(len(truths) - 1))
        return bool(rank[place] < rank[place + 1])

    return count


def outranked(
    truths: Sequence[float], *, seeds: Sequence[int], **options: object
) -> Callable[[np.random.Generator], bool | None]:
    """Whether any ranked model has a better rank than a ranked model with a better mean."""

    def count(rng: np.random.Generator) -> bool | None:
        found_board = board(draw_board(rng, truths, seeds=seeds, **options))  # type: ignore[arg-type]
        rank = ranks(found_board, higher_is_better=True).rank
        means = np.array([row.scores.mean() for row in found_board])
        by_mean = rank[np.argsort(-means, kind="stable")]
        return bool((np.diff(by_mean[by_mean > 0]) < 0).any())

    return count
