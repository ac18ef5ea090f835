"""What a table says about its ranks and intervals, in sentences; each says no more than what was tested."""

from __future__ import annotations

import math
from typing import Final, Protocol

from zoo_leaderboard.board.row_labels import row_label
from zoo_leaderboard.board.standing import Standing
from zoo_leaderboard.stats.more_seeds import MoreSeeds
from zoo_leaderboard.text.formats import clip, counted, score

ON_THIS_TEST_SET: Final = " on this test set"


class HasInterval(Protocol):
    """A row, or what is kept of it; `covers` as in `Covers`, None without an interval."""

    @property
    def covers(self) -> str | None: ...


def lead_words(standing: Standing) -> str:
    """Say how far the best mean is from the second best, as a sentence; empty if their difference has no interval."""
    if standing.differences is None:
        return ""
    value, low, high = (float(getattr(standing.differences, name)[0, 1]) for name in ("difference", "low", "high"))
    if not all(map(math.isfinite, (value, low, high))):
        return ""
    rows = {row.row_text: row for row in standing.rows}
    first, second = (clip(row_label(rows[row_text]), 120) for row_text in standing.compared[:2])
    interval = f"{score(low)} to {score(high)}" if value >= 0 else f"{score(-high)} to {score(-low)}"
    place = f"{score(abs(value))} {'above' if value > 0 else 'below'}" if value else "the same as"
    return f"{first} has the best mean, {place} {second} (95 % CI of this pair alone: {interval})."


def separation_words(first_two: MoreSeeds | None) -> str:
    """Describe what would separate the top two models, as a sentence; empty if there are fewer than two.

    The answer comes from the test that the ranks come from.
    """
    if first_two is None:
        return ""
    place = "" if first_two.by_example else ON_THIS_TEST_SET
    if first_two.verdict == "separated":
        return f"The top two differ significantly{place}."
    if first_two.verdict == "more seeds":
        seeds = counted(first_two.count or 0, "more seed")
        return f"About {seeds} per model would likely separate the top two{place}."
    if first_two.verdict == "test sample":
        return "More seeds cannot separate the top two: the test split is too small for their difference."
    if first_two.verdict == "too many":
        return f"The top two do not differ significantly{place}, and 100 more seeds per model may not change it."
    return "The top two were not compared: run at least two seeds of each model."


def comparison_words(standing: Standing) -> str:
    """Describe what the ranks of a table were tested on, and the correction; empty if nothing was compared."""
    if not standing.pairs:
        return ""
    together = (
        f"Ranks come from {counted(standing.pairs, 'comparison')} of two models, tested together at 5 % (Holm's "
        "correction): a table of equal models shows any false difference with a probability of at most 5 %. Tables are "
        "not corrected for each other."
    )
    return f"{together} {_scope_words(standing)}"


def _scope_words(standing: Standing) -> str:
    """Say whether the ranks hold beyond this test set."""
    ranked = sum(row.rank is not None for row in standing.rows)
    if not standing.by_seeds:
        return "Models are compared example by example, so ranks allow for other seeds and other test examples."
    if standing.by_seeds == ranked:
        return (
            "There are no results by example, so ranks hold on this test set only: they allow for other seeds, but not "
            "for other test examples."
        )
    return (
        f"{counted(standing.by_seeds, 'ranked model')} of {ranked} have no results by example: comparisons with them "
        "hold on this test set only."
    )


def interval_words(row: HasInterval) -> str:
    """Say in a few words what the interval of a row leaves out; empty if it allows for seeds and test sample."""
    return {
        "seeds": "on this test set only",
        "test sample": "test sample only: one seed",
        "seeds and few groups": "approximate: few groups of examples",
        "few groups": "approximate: one seed, few groups of examples",
        "seeds and few examples": "approximate: few examples",
        "few examples": "approximate: one seed, few examples",
    }.get(row.covers or "", "")
