"""Changes between two runs and along a history: held against scipy, worked out by hand, and simulated."""

from __future__ import annotations

import importlib.util
import sys
from math import exp, expm1, inf, log, nan
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from zoo_leaderboard.stats.changes import (
    Change,
    Pair,
    correct_together,
    failure_change,
    failures_together,
    score_changes,
    time_changes,
)
from zoo_leaderboard.stats.moderated import MIN_SPREAD, moderate
from zoo_leaderboard.stats.sequence import score_marks, time_marks

SIMULATION = Path(__file__).resolve().parents[2] / "benchmarks" / "statistics" / "changes_simulation.py"


def pair(before, after):
    return Pair(np.array(before, dtype=np.float64), np.array(after, dtype=np.float64))


def verdicts(changes):
    return [None if change is None else change.verdict for change in changes]


# Pooled spreads


def test_models_that_scatter_alike_nearly_share_the_pooled_variance():
    own = np.array([1.0, 1.1, 0.9, 1.0])
    variances, dfs = moderate(own, np.array([4.0, 4.0, 4.0, 4.0]))
    weight = (variances[1] - 1) / (own[1] - 1)  # of the own variance, 4 / (d0 + 4)
    assert special.polygamma(1, (4 / weight - 4) / 2) == pytest.approx(MIN_SPREAD)
    assert variances.tolist() == pytest.approx((1 + weight * (own - 1)).tolist())
    assert dfs.tolist() == [16.0] * 4  # not d0 + 4, which is more than were observed


def test_models_that_scatter_differently_keep_mostly_their_own_variance():
    own = np.array([1e-6, 1e-3, 1.0, 1e3])
    variances, dfs = moderate(own, np.full(4, 50.0))
    assert np.abs(np.log(variances / own)).max() < 0.2
    assert dfs.max() < 55


def test_a_model_without_a_variance_of_its_own_gets_the_common_one_and_two_models_share_nothing():
    variances, dfs = moderate(np.array([1.0, 1.0, 1.0, 0.0]), np.array([4.0, 4.0, 4.0, 0.0]))
    assert (variances[3], dfs[3]) == (pytest.approx(1.0), 12.0)
    variances, dfs = moderate(np.array([1.0, 9.0, 0.0]), np.array([4.0, 4.0, 0.0]))
    assert (variances[:2].tolist(), dfs.tolist()) == ([1.0, 9.0], [4.0, 4.0, 0.0])
    assert np.isnan(variances[2])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=30), st.integers(1, 20))
def test_moderated_variances_keep_their_order_and_never_lose_degrees_of_freedom(values, df):
    own, dfs = np.sort(values), np.full(len(values), float(df))
    variances, moderated_dfs = moderate(own, dfs)
    assert (variances > 0).all()
    assert (np.diff(variances) >= 0).all()
    assert (moderated_dfs >= dfs).all()
    assert (moderated_dfs <= dfs.sum() + 1e-9).all()


# Two runs


def test_the_change_of_one_models_score_is_students_test():
    before, after = [0.90, 0.92, 0.91], [0.85, 0.84, 0.86]
    (found,) = score_changes([pair(before, after)], higher_is_better=True)
    scipys = stats.ttest_ind(after, before)
    low, high = scipys.confidence_interval(0.95)
    assert (found.change, found.low, found.high) == pytest.approx((-0.06, low, high))
    assert (found.p_value, found.verdict) == (pytest.approx(scipys.pvalue), "regression")
    assert score_changes([pair(before, after)], higher_is_better=False)[0].verdict == "improvement"
    assert score_changes([pair(before, after)], higher_is_better=True, min_change=0.1)[0].verdict == "no change seen"


def test_one_seed_before_and_one_after_are_judged_only_by_the_spread_of_other_models():
    single, others = pair([0.9], [0.8]), [pair([0.9, 0.91, 0.92], [0.9, 0.91, 0.92])] * 4
    alone = score_changes([single], higher_is_better=True)[0]
    assert (alone.verdict, alone.reason, alone.p_value) == ("unknown", "too few seeds", None)
    assert score_changes([single, *others], higher_is_better=True)[0].verdict == "regression"


def test_a_change_between_exact_repeats_is_held_against_rounding():
    (found,) = score_changes([pair([0.5, 0.5, 0.5], [0.6, 0.6, 0.6])], higher_is_better=True)
    assert found.p_value == pytest.approx(2 * stats.t.sf((12 * 3 / 2) ** 0.5, 4))


def test_a_time_is_compared_by_its_ratio_beyond_the_smallest_change_that_counts():
    before, after = [10.0, 10.4, 9.8], [12.1, 11.8, 12.4]
    (found,), shift = time_changes([pair(before, after)])
    ratio = exp(np.log(after).mean() - np.log(before).mean())
    assert (found.change, found.own, shift) == (pytest.approx(ratio - 1), pytest.approx(ratio - 1), None)
    assert found.verdict == "regression"
    assert time_changes([pair(after, before)])[0][0].verdict == "improvement"
    (drifted,), _ = time_changes([pair(before, [time * 1.05 for time in before])])
    assert drifted.verdict == "no change seen"


def test_what_all_models_share_is_told_and_taken_off_each():
    rng = np.random.default_rng(3)
    times = [np.exp(rng.normal(level, 0.01, size=(2, 3))) for level in range(12)]
    pairs = [Pair(before, after * 1.05 * (1.3 if model == 4 else 1)) for model, (before, after) in enumerate(times)]
    changes, shift = time_changes(pairs)
    (corrected,) = zip(*[item.values() for item in correct_together([{"t": one} for one in changes])], strict=True)
    assert [model for model, change in enumerate(corrected) if change.verdict == "regression"] == [4]
    assert set(verdicts(corrected)) == {"regression", "no change seen"}
    assert shift.change == pytest.approx(0.05, abs=0.01)
    assert (shift.models, shift.significant) == (12, True)
    assert changes[4].change == pytest.approx(1.05 * 1.3 - 1, abs=0.03)
    assert changes[4].own == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("wrong", [[], [0.0, 1.0], [-1.0], [nan, 1.0], [inf, 1.0]])
def test_a_time_is_a_finite_number_above_zero(wrong):
    with pytest.raises(ValueError, match="times"):
        time_changes([pair([1.0, 2.0], wrong)])


def test_nothing_to_compare_is_no_change():
    assert score_changes([], higher_is_better=True) == []
    assert time_changes([]) == ([], None)


def test_the_verdicts_of_all_tables_are_corrected_together():
    def change(p_value):
        return Change(change=1.0, own=1.0, p_value=p_value, relative=False, verdict="regression")

    (one, two) = correct_together([{"score": change(0.02), "train_s": change(0.01)}, {"score": change(0.9)}])
    assert (one["score"].adjusted, one["train_s"].adjusted) == pytest.approx((0.04, 0.03))
    assert (one["train_s"].verdict, two["score"].verdict) == ("regression", "no change seen")


# Failures


def test_failures_are_compared_by_fishers_exact_test():
    found = failure_change((0, 5), (5, 5))
    assert found.p_value == pytest.approx(2 / 252)  # one of the 252 ways to choose 5 of 10, at either end
    assert (found.change, found.verdict) == (1.0, "regression")
    assert failure_change((5, 5), (0, 5)).verdict == "improvement"
    assert failure_change((0, 5), (1, 6)).verdict == "no change seen"
    assert failure_change((0, 5), (0, 6)) is None
    assert failure_change((0, 0), (3, 3)) is None


@pytest.mark.parametrize(("before", "after"), [((1, 9), (6, 9)), ((0, 3), (3, 3)), ((4, 4), (1, 7))])
def test_one_models_failures_together_are_fishers_test(before, after):
    assert failures_together([(before, after)]).p_value == pytest.approx(failure_change(before, after).p_value)


def test_failures_of_many_models_count_together_and_constant_ones_not_at_all():
    some = [((0, 3), (1, 3))] * 12
    assert failures_together(some).verdict == "regression"
    assert failures_together(some).p_value == pytest.approx(2 * 0.5**12)  # each failure is before or after by chance
    assert failures_together([((3, 3), (3, 3))] * 12).p_value == 1.0
    assert failures_together([((0, 3), (0, 3))]) is None


# A history


def scores_of(rng, count, sd=0.005):
    return [rng.normal(0.9, sd, size=3) for _ in range(count)]


def test_a_drop_is_marked_at_its_occasion_and_compared_with_all_before():
    rng = np.random.default_rng(5)
    occasions = [*scores_of(rng, 39), rng.normal(0.85, 0.005, size=3)]
    changes = score_marks(occasions, [1] * 40, higher_is_better=True)
    assert verdicts(changes) == [None, *["no change seen"] * 38, "regression"]
    assert changes[-1].change == pytest.approx(occasions[-1].mean() - np.mean(occasions[:-1]))
    assert verdicts(score_marks(occasions, [1] * 40, higher_is_better=False))[-1] == "improvement"


def test_scores_of_another_version_are_not_compared():
    occasions = [np.array([0.9, 0.91]), np.array([0.5, 0.51]), np.array([0.9, 0.91])]
    assert verdicts(score_marks(occasions, [1, 2, 1], higher_is_better=True)) == [None, None, "no change seen"]


def test_one_seed_at_each_occasion_is_judged_by_the_earlier_occasions():
    rng = np.random.default_rng(6)
    occasions = [*(rng.normal(0.9, 0.004, size=1) for _ in range(20)), np.array([0.8])]
    changes = score_marks(occasions, [1] * 21, higher_is_better=True)
    assert verdicts(changes)[:2] == [None, "unknown"]
    assert verdicts(changes)[-1] == "regression"


def test_a_step_of_time_is_held_against_the_earlier_steps_of_the_machine():
    drifting = [np.array([10.0, 10.1]) * factor for factor in (1, 1.2, 0.9, 1.15, 0.95, 1.1, 0.9, 1.3)]
    assert "regression" not in verdicts(time_marks(drifting, ["m"] * 8))
    quiet = [np.array([10.0, 10.1])] * 8
    assert verdicts(time_marks([*quiet, quiet[0] * 1.3], ["m"] * 9))[-2:] == ["no change seen", "regression"]
    changes = time_marks([quiet[0], quiet[0] * 2, None, quiet[0], quiet[0] * 2], ["m", "n", "m", "m", None])
    assert verdicts(changes) == [None, None, None, "no change seen", None]
    assert changes[3].change == pytest.approx(0.0)


def test_a_certain_step_below_five_percent_is_no_change():
    steps = [np.array([10.0, 10.0001])] * 40
    assert verdicts(time_marks([*steps, steps[0] * 1.04], ["m"] * 41))[-1] == "no change seen"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=4), min_size=1, max_size=12), st.data())
def test_a_mark_is_never_withdrawn(occasions, data):
    arrays = [np.array(values) for values in occasions]
    count = data.draw(st.integers(0, len(arrays)))
    machines = ["m"] * len(arrays)
    whole = score_marks(arrays, machines, higher_is_better=True), time_marks(arrays, machines)
    early = (
        score_marks(arrays[:count], machines[:count], higher_is_better=True),
        time_marks(arrays[:count], machines[:count]),
    )
    assert [changes[:count] for changes in whole] == list(early)


# Simulated: a cell of each row; `nox -s statistics` runs all of them


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("changes_simulation", SIMULATION)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["changes_simulation"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def failing(rows):
    return [(row.what, row.cell, row.value) for row in rows if not row.holds]


def test_planted_changes_are_found_also_under_a_drift_of_all_models(simulation):
    (cell,) = (cell for cell in simulation.COMPARE_CELLS if cell.name.startswith("30 % slower and 3 points worse"))
    assert failing(simulation.compare_rows(cell, 40)) == []


def test_a_drift_of_all_models_is_no_regression(simulation):
    (cell,) = (cell for cell in simulation.COMPARE_CELLS if cell.name == "common drift 5 %, times 2%")
    assert failing(simulation.compare_rows(cell, 40)) == []


def test_ten_days_of_drift_have_no_false_mark_and_a_drop_at_the_fortieth_is_found(simulation):
    cells = {cell.name: cell for cell in simulation.HISTORY_CELLS}
    assert failing(simulation.history_rows(cells["10 days, drift 5% day by day"], 60)) == []
    assert failing(simulation.history_rows(cells["5-point drop at day 40, seeds 1.0 points"], 20)) == []


def test_a_percentage_is_of_the_ratio():
    assert time_changes([pair([1.0, 1.0], [2.0, 2.0])])[0][0].change == pytest.approx(expm1(log(2)))
