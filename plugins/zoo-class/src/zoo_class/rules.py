"""Which attempts count: the latest, or the best of n; what is late, and what that costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from zoo_class.settings import Submissions
from zoo_class.submissions import Attempt

DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """An attempt, whether it runs, and if not, why. days_late: days that began after the deadline."""

    attempt: Attempt
    runs: bool
    why_not: str = ""
    days_late: int = 0


def choose(attempts: Sequence[Attempt], settings: Submissions) -> list[Choice]:
    """Say of each attempt of one student, in order of time, whether it runs. `latest` runs only the last."""
    choices = [_judge(attempt, settings) for attempt in attempts]
    running = [choice for choice in choices if choice.runs]
    if settings.attempts == "latest" and len(running) > 1:
        last = running[-1]
        why = f"attempt {last.attempt.number} is later"
        choices = [choice if choice is last or not choice.runs else _refused(choice, why) for choice in choices]
    return choices


def _judge(attempt: Attempt, settings: Submissions) -> Choice:
    late = days_late(attempt, settings)
    choice = Choice(attempt=attempt, runs=True, days_late=late)
    if settings.most_attempts and attempt.number > settings.most_attempts:
        return _refused(choice, f"only the first {settings.most_attempts} attempts count")
    if late and settings.late == "refuse":
        deadline = settings.deadline
        assert deadline is not None  # or nothing is late
        time = attempt.time.astimezone(deadline.tzinfo)
        return _refused(
            choice, f"handed in on {time:%Y-%m-%d at %H:%M}, after the deadline {deadline:%Y-%m-%d at %H:%M}"
        )
    return choice


def _refused(choice: Choice, why: str) -> Choice:
    return Choice(attempt=choice.attempt, runs=False, why_not=why, days_late=choice.days_late)


def days_late(attempt: Attempt, settings: Submissions) -> int:
    """Return how many days after the deadline have begun; 0 in time, or without a deadline."""
    if settings.deadline is None or attempt.time <= settings.deadline:
        return 0
    return max(1, math.ceil((attempt.time - settings.deadline) / DAY))


def late_factor(days: int, settings: Submissions) -> float:
    """Return the share of the points that a late attempt keeps."""
    if not days or settings.late != "reduce":
        return 1.0
    return max(0.0, 1.0 - days * settings.late_pct_per_day / 100)
