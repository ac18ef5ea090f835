"""Points for a score: targets, linear between them or in steps, and bonuses; each part says why it is what it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zoo_class.scores import TIMES, Score
from zoo_class.settings import Bonus, Points, Target
from zoo_core.ui.formats import format_count, format_number, format_score


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A part of the points: its name, the points, the most that it could be, and the reason."""

    name: str
    points: float
    most: float
    reason: str


def points_of(score: Score | None, points: Points, *, metric: str, higher_is_better: bool) -> list[Part]:
    """Return the points for the targets, then those of each bonus. Without a score, all are 0."""
    most = max((target.points for target in points.targets), default=0.0)
    if score is None:
        return [
            Part(name=metric, points=0.0, most=most, reason="no score"),
            *(Part(name=item.name, points=0.0, most=item.points, reason="no score") for item in points.bonus),
        ]
    value, words = _value_that_counts(score, points, higher_is_better)
    targets = sorted(points.targets, key=lambda target: target.score, reverse=not higher_is_better)
    reached = [target for target in targets if _as_good(value, target.score, higher_is_better)]
    got, why = _between(value, targets, len(reached), points)
    reason = f"{metric} {format_score(score.mean)} {_interval_words(score)}; {words}: {why}"
    names = {target.name for target in reached}
    return [
        Part(name=metric, points=got, most=most, reason=reason),
        *(_bonus(item, score, names) for item in points.bonus),
    ]


def _as_good(value: float, target: float, higher_is_better: bool) -> bool:
    return value >= target if higher_is_better else value <= target


def _value_that_counts(score: Score, points: Points, higher_is_better: bool) -> tuple[float, str]:
    """Return the mean, or the end of the interval that is worse, and which it is."""
    end = score.low if higher_is_better else score.high
    if points.reached == "mean":
        return score.mean, "the mean counts"
    if end is None:
        return score.mean, "the mean counts, because one seed without results by example has no interval"
    return end, f"the interval's {'lower' if higher_is_better else 'upper'} end counts"


def _interval_words(score: Score) -> str:
    seeds = f"({format_count(score.seeds, 'seed')}"
    if score.low is None or score.high is None:
        return f"{seeds})"
    return f"{seeds}, 95 % interval {format_score(score.low)} to {format_score(score.high)})"


def _between(value: float, targets: Sequence[Target], reached: int, points: Points) -> tuple[float, str]:
    """Return the points of a value that reaches the first so many targets, easiest first, and why."""
    if not targets:
        return 0.0, "there are no targets"
    following = targets[reached] if reached < len(targets) else None
    if not reached:
        first = targets[0]
        return 0.0, f"below {first.name} ({format_score(first.score)}), the first target"
    last = targets[reached - 1]
    got = max(target.points for target in targets[:reached])
    why = f"{last.name} ({format_score(last.score)}) is reached, {got:g} points"
    if following is None or points.between == "steps":
        return got, why
    share = (value - last.score) / (following.score - last.score)
    more = share * max(0.0, following.points - got)
    return got + more, f"{why}; {100 * share:.0f} % of the way to {following.name}, {more:+.2f}"


def _bonus(item: Bonus, score: Score, reached: set[str]) -> Part:
    def part(points: float, reason: str) -> Part:
        return Part(name=item.name, points=points, most=item.points, reason=reason)

    if item.from_target and item.from_target not in reached:
        return part(0.0, f"{item.from_target} is not reached")
    value = score.measures.get(item.measure)
    if value is None:
        return part(0.0, f"{item.measure} is unknown")
    limit = item.at_most if item.at_most is not None else item.at_least
    assert limit is not None  # the settings have one of the two
    is_met = value <= limit if item.at_most is not None else value >= limit
    side = "at most" if item.at_most is not None else "at least"
    doubt = f"; timing unreliable: {score.disturbed}" if item.measure in TIMES and score.disturbed else ""
    reason = f"{item.measure} {_number(value)}, {side} {_number(limit)} is asked for{doubt}"
    return part(item.points if is_met else 0.0, reason)


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else format_number(value)
