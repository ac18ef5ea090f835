"""Points for scores, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from zoo_class.points import points_of
from zoo_class.scores import Score
from zoo_class.settings import Bonus, Points, Target

TARGETS = (Target(name="full", score=0.9, points=10.0), Target(name="pass", score=0.8, points=6.0))


def score(mean: float, half: float | None = 0.02, **measures: float) -> Score:
    low, high = (None, None) if half is None else (mean - half, mean + half)
    return Score(mean=mean, seeds=3, low=low, high=high, measures=measures)


def total(value: Score | None, *, higher: bool = True, **rules: Any) -> float:
    points = Points(**{"targets": TARGETS, **rules})
    return sum(part.points for part in points_of(value, points, metric="accuracy", higher_is_better=higher))


@pytest.mark.parametrize(
    ("mean", "linear", "steps"),
    [(0.79, 0.0, 0.0), (0.8, 6.0, 6.0), (0.85, 8.0, 6.0), (0.875, 9.0, 6.0), (0.9, 10.0, 10.0), (1.0, 10.0, 10.0)],
)
def test_points_lie_on_the_line_between_two_targets_or_on_its_steps(mean: float, linear: float, steps: float) -> None:
    assert total(score(mean)) == pytest.approx(linear)
    assert total(score(mean), between="steps") == steps


def test_an_error_counts_downwards() -> None:
    targets = (Target(name="pass", score=0.2, points=6.0), Target(name="full", score=0.1, points=10.0))
    assert [total(score(value), higher=False, targets=targets) for value in (0.3, 0.2, 0.15, 0.05)] == pytest.approx(
        [0, 6, 8, 10]
    )


def test_by_the_interval_its_worse_end_has_to_reach_the_target() -> None:
    assert total(score(0.81), between="steps", reached="mean") == 6.0
    assert total(score(0.81), between="steps", reached="interval") == 0.0
    assert total(score(0.83), between="steps", reached="interval") == 6.0
    targets = (Target(name="pass", score=0.2, points=6.0),)
    assert total(score(0.19), higher=False, targets=targets, reached="interval") == 0.0
    assert total(score(0.17), higher=False, targets=targets, reached="interval") == 6.0


def test_without_an_interval_the_mean_counts_and_the_reason_says_so() -> None:
    points = Points(targets=TARGETS, reached="interval")
    (part,) = points_of(score(0.81, None), points, metric="accuracy", higher_is_better=True)
    assert part.points == pytest.approx(6.4)
    assert "the mean counts, because one seed without results by example has no interval" in part.reason


def test_the_reason_names_score_interval_target_and_the_way_to_the_next() -> None:
    (part,) = points_of(score(0.85), Points(targets=TARGETS), metric="accuracy", higher_is_better=True)
    assert part.reason == (
        "accuracy 0.8500 (3 seeds, 95 % interval 0.8300 to 0.8700); the mean counts: pass (0.8000) is reached, "
        "6 points; 50 % of the way to full, +2.00"
    )


def test_equal_scores_get_equal_points_and_no_score_gets_none() -> None:
    assert total(score(0.84)) == total(score(0.84))
    parts = points_of(None, Points(targets=TARGETS), metric="accuracy", higher_is_better=True)
    assert [(part.points, part.most, part.reason) for part in parts] == [(0.0, 10.0, "no score")]


SMALL = Bonus(name="small", measure="parameters", at_most=1000, points=1.0, from_target="pass")


@pytest.mark.parametrize(
    ("mean", "measures", "expected", "reason"),
    [
        (0.8, {"parameters": 900}, 1.0, "parameters 900, at most 1,000 is asked for"),
        (0.8, {"parameters": 1001}, 0.0, "parameters 1,001, at most 1,000 is asked for"),
        (0.7, {"parameters": 900}, 0.0, "pass is not reached"),
        (0.8, {}, 0.0, "parameters is unknown"),
    ],
)
def test_a_bonus_needs_its_measure_and_its_target(
    mean: float, measures: dict[str, float], expected: float, reason: str
) -> None:
    points = Points(targets=TARGETS, bonus=(SMALL,))
    _, part = points_of(score(mean, **measures), points, metric="accuracy", higher_is_better=True)
    assert (part.points, part.most, part.reason) == (expected, 1.0, reason)
    assert points.most == 11.0


def test_a_bonus_for_speed_says_when_the_time_is_not_reliable() -> None:
    fast = Bonus(name="fast", measure="throughput", at_least=10, points=1.0)
    value = Score(mean=0.5, seeds=1, measures={"throughput": 20.0}, disturbed="other work was running")
    (_, part) = points_of(value, Points(bonus=(fast,)), metric="accuracy", higher_is_better=True)
    assert part.points == 1.0
    assert part.reason.endswith("timing unreliable: other work was running")
