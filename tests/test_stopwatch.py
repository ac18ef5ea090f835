"""Times of calls by the zoo's clock, for tasks whose score is a time."""

from __future__ import annotations

import time

import pytest

from zoo_core import Context
from zoo_core.stopwatch import Timing, time_calls


def test_a_call_that_sleeps_takes_as_long_as_it_sleeps() -> None:
    timing = Context().time_calls(lambda: time.sleep(0.01), repeats=3)
    assert timing.calls == 1
    assert len(timing.seconds) == 3
    assert 0.01 <= min(timing.seconds) <= timing.median_s < 0.1


def test_a_short_call_is_repeated_until_the_clock_counts() -> None:
    count = 0

    def call() -> None:
        nonlocal count
        count += 1

    timing = time_calls(call, "cpu", repeats=2, at_least_s=0.002)
    assert timing.calls > 100
    assert count > 2 * timing.calls
    assert all(seconds < 1e-4 for seconds in timing.seconds), "seconds of one call"


def test_the_warm_up_does_not_count() -> None:
    slow_calls = iter([0.05])
    timing = time_calls(lambda: time.sleep(next(slow_calls, 0.001)), "cpu", repeats=3, at_least_s=0.0)
    assert max(timing.seconds) < 0.04


def test_the_median_of_an_even_number_of_repeats_lies_between() -> None:
    assert Timing((0.1, 0.4, 0.2, 0.3), calls=1).median_s == pytest.approx(0.25)
