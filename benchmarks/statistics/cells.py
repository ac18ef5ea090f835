"""The cells of the simulation: each counts an event in one setting, and its count must keep its bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from events import any_demoted, any_iou_demoted, covers, impossible, neighbours_separated, outranked
from generator import LOUD, QUIET, USUAL, Kind, Mix

TWELVE = 12
CHAIN = tuple(0.93 - 0.03 * place for place in range(8))  # eight models, each three points below the one before
MIXED_SEEDS = (1, 2, 3, 5, 10, 3, 2, 1, 3, 5, 3, 2)
FAST = {
    ("coverage, accuracy 0.9", "seeds 3, examples 200, usual seeds"),
    ("coverage, accuracy 0.99", "seeds 10, examples 200, loud seeds"),
    ("coverage, accuracy 0.999", "seeds 1, examples 1000, quiet seeds"),
    ("coverage, share 0.98", "seeds 3, examples 200"),
    ("interval beyond 0 or 1, or without width, accuracy 0.999", "seeds 3, examples 200"),
    ("coverage by groups, accuracy 0.99", "groups 10, seeds 3, examples 1000"),
    ("coverage by groups, accuracy 0.9", "groups 50, seeds 3, examples 1000"),
    ("two equal models, accuracy 0.9", "one seed each, examples 1000"),
    ("two equal models, accuracy 0.9", "seeds 3, examples 1000"),
    ("twelve equal models, accuracy 0.9", "seeds 3, examples 200"),
    ("twelve equal models, share without examples, on this test set", "seeds 3, examples 200"),
    ("twelve equal models, every third scatters three times as much", "seeds 3, examples 200"),
    ("equal models, mean IoU", "models 2, seeds 3, images 200"),
    ("chain of 8: a worse mean outranks a better one", "seeds 3, examples 1000"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One row of the printed table.

    `count` draws once and returns whether the event happened; None if the code makes no claim. The share of events
    among the claims must lie between `low` and `high`; both None: reported only.
    """

    part: str
    setting: str
    count: Callable[[np.random.Generator], bool | None]
    runs: int
    low: float | None = None
    high: float | None = None


def cells() -> list[Cell]:
    """The whole grid."""
    return [*interval_cells(), *group_cells(), *pair_cells(), *table_cells(), *chain_cells()]


def fast_cells() -> list[Cell]:
    """One cell or two of each part, for every run of the tests."""
    return [cell for cell in cells() if (cell.part, cell.setting) in FAST]


def most_coverage(seeds: int, wrong: float) -> float | None:
    """Return the highest coverage that is called good; `wrong` is the expected number of wrong answers of one seed.

    Two seeds know little of their variance, and a few wrong answers are too coarse for 95 %: intervals may then cover
    more, but not less.
    """
    if seeds == 2 or wrong < 5:
        return None
    return 0.99 if seeds == 3 or wrong < 50 else 0.98


def interval_cells() -> Iterator[Cell]:
    """Coverage of the interval of one model."""
    for truth, seeds, examples in product((0.5, 0.9, 0.99, 0.999), (1, 2, 3, 5, 10), (200, 1000, 10_000)):
        for name, mix in (("quiet", QUIET), ("usual", USUAL), ("loud", LOUD)):
            if seeds == 1 and mix is not QUIET:
                continue  # the interval of one seed says that it covers the test sample only
            yield Cell(
                part=f"coverage, accuracy {truth}",
                setting=f"seeds {seeds}, examples {examples}, {name} seeds",
                count=covers(truth, seeds=seeds, examples=examples, mix=mix),
                runs=2000 if examples * seeds <= 10_000 else 600,
                low=0.93,
                high=most_coverage(seeds, examples * (1 - truth)),
            )
    for truth, seeds, examples in product((0.5, 0.9, 0.99, 0.999), (1, 3), (200, 1000)):
        yield Cell(
            part=f"interval beyond 0 or 1, or without width, accuracy {truth}",
            setting=f"seeds {seeds}, examples {examples}",
            count=impossible(truth, seeds=seeds, examples=examples, mix=LOUD),
            runs=1000,
            high=0.0,
        )
    for truth, seeds, examples in product((0.7, 0.9, 0.98), (1, 2, 3, 5, 10), (200, 1000)):
        mix = QUIET if seeds == 1 else USUAL
        yield Cell(
            part=f"coverage, share {truth}",
            setting=f"seeds {seeds}, examples {examples}",
            count=covers(truth, seeds=seeds, examples=examples, mix=mix, kind="share"),
            runs=1000,
            low=0.93,
            high=0.99,
        )


def group_cells() -> Iterator[Cell]:
    """Coverage of the interval of one model whose examples come in groups."""
    mix = Mix(ease=0.2, group=0.4, own=0.1, seed=0.003, rest=0.3)
    for truth, seeds, groups in product((0.9, 0.99), (1, 3, 10), (5, 10, 20, 30, 50, 200)):
        yield Cell(
            part=f"coverage by groups, accuracy {truth}",
            setting=f"groups {groups}, seeds {seeds}, examples 1000",
            count=covers(
                truth,
                seeds=seeds,
                examples=1000,
                groups=groups,
                mix=mix if seeds > 1 else Mix(ease=0.2, group=0.4, own=0.1, seed=0.0, rest=0.3),
            ),
            runs=2000,
            low=0.93,
            high=0.99,
        )


def pair_cells() -> Iterator[Cell]:
    """Two equal models that are given different ranks."""
    for examples in (200, 1000, 10_000):
        yield Cell(
            part="two equal models, accuracy 0.9",
            setting=f"one seed each, examples {examples}",
            count=any_demoted((0.9, 0.9), seeds=(1, 1), examples=examples, mix=USUAL),
            runs=1000,
            high=0.06,
        )
    for seeds, examples in product((2, 3, 5, 10), (200, 1000, 10_000)):
        for truth in (0.9, 0.999):
            yield Cell(
                part=f"two equal models, accuracy {truth}",
                setting=f"seeds {seeds}, examples {examples}",
                count=any_demoted((truth, truth), seeds=(seeds, seeds), examples=examples),
                runs=1000,
                high=0.06,
            )
    for seeds, images, models in product((2, 3, 5, 10), (50, 200, 1000), (2, TWELVE)):
        if models == 2 or images * seeds <= 1000:
            yield Cell(
                part="equal models, mean IoU",
                setting=f"models {models}, seeds {seeds}, images {images}",
                count=any_iou_demoted(models, seeds=seeds, images=images),
                runs=1000 if images * seeds * models <= 2000 else 400,
                high=0.06,
            )
    for seeds, examples in product((3, 5, 10), (200, 1000, 10_000)):
        for own, part, high in (
            (0.2, "two equal models, share without examples: on other test sets", None),
            (0.0, "two equal models, share without examples: on this test set", 0.06),
        ):
            yield Cell(
                part=part,
                setting=f"seeds {seeds}, examples {examples}",
                count=any_demoted(
                    (0.8, 0.8),
                    seeds=(seeds, seeds),
                    examples=examples,
                    mix=Mix(own=own),
                    kind="share",
                    by_example=False,
                ),
                runs=600,
                high=high,
            )


def table_cells() -> Iterator[Cell]:
    """Twelve equal models, any of them demoted."""
    equal = (0.9,) * TWELVE
    kinds: tuple[tuple[str, Kind, Sequence[float], Mix, bool], ...] = (
        ("accuracy 0.9", "accuracy", equal, USUAL, True),
        ("accuracy 0.9, loud seeds", "accuracy", equal, LOUD, True),
        ("accuracy 0.99", "accuracy", (0.99,) * TWELVE, USUAL, True),
        ("share", "share", equal, USUAL, True),
        ("share without examples, on this test set", "share", equal, Mix(own=0.0), False),
    )
    for (name, kind, truths, mix, by_example), seeds, examples in product(kinds, (1, 2, 3, 5, 10), (200, 1000, 10_000)):
        if examples == 10_000 and (seeds == 10 or kind == "share"):
            continue  # slow, and no different
        yield Cell(
            part=f"twelve equal models, {name}",
            setting=f"seeds {seeds}, examples {examples}",
            count=any_demoted(
                truths, seeds=(seeds,) * TWELVE, examples=examples, kind=kind, mix=mix, by_example=by_example
            ),
            runs=1000 if examples * seeds <= 3000 else 400,
            high=0.06,
        )
    for examples in (200, 1000):
        yield Cell(
            part="twelve equal models, 1 to 10 seeds each",
            setting=f"mixed seeds, examples {examples}",
            count=any_demoted(equal, seeds=MIXED_SEEDS, examples=examples),
            runs=1000,
            high=0.06,
        )
        for seeds in (2, 3, 5):
            yield Cell(
                part="twelve equal models, every third scatters three times as much",
                setting=f"seeds {seeds}, examples {examples}",
                count=any_demoted(
                    equal, seeds=(seeds,) * TWELVE, examples=examples, loudness=(9.0, 1.0, 1.0) * 4, mix=USUAL
                ),
                runs=1000,
                high=0.06,
            )


def chain_cells() -> Iterator[Cell]:
    """Models that differ: false claims among those that do not, the power to tell neighbours apart, and order."""
    halves = (0.92,) * 6 + (0.88,) * 6
    for seeds in (2, 3, 5, 10):
        many, chain_seeds = (seeds,) * TWELVE, (seeds,) * len(CHAIN)
        setting = f"seeds {seeds}, examples 1000"
        yield Cell(
            part="six equal models above six equal ones, any demoted wrongly",
            setting=setting,
            count=any_demoted(halves, seeds=many, examples=1000),
            runs=600,
            high=0.06,
        )
        yield Cell(
            part="the same, every third scatters three times as much",
            setting=setting,
            count=any_demoted(halves, seeds=many, examples=1000, loudness=(9.0, 1.0, 1.0) * 4),
            runs=600,
            high=0.06,
        )
        yield Cell(
            part="two equal models above a chain, one scatters five times as much, any demoted wrongly",
            setting=setting,
            count=any_demoted((CHAIN[0], *CHAIN), seeds=(seeds,) * 9, examples=1000, loudness=(25.0, *(1.0,) * 8)),
            runs=600,
            high=0.06,
        )
        for examples in (1000, 10_000):
            yield Cell(
                part="chain of 8, steps of 3 points: neighbours separated",
                setting=f"seeds {seeds}, examples {examples}",
                count=neighbours_separated(CHAIN, seeds=chain_seeds, examples=examples),
                runs=600 if examples == 1000 else 200,
            )
        yield Cell(
            part="chain of 8: a worse mean outranks a better one",
            setting=setting,
            count=outranked(CHAIN, seeds=chain_seeds, examples=1000, loudness=(9.0, 1.0) * 4),
            runs=600,
            high=0.0,
        )
