"""Intervals, differences, ranks and changes: held against scipy, against hand-made numbers, and simulated."""

from __future__ import annotations

from itertools import combinations
from itertools import pairwise as neighbours
from math import inf, nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from zoo_leaderboard.stats.comparison import difference, difference_matrix
from zoo_leaderboard.stats.holm import holm
from zoo_leaderboard.stats.intervals import mean_interval, median_interval
from zoo_leaderboard.stats.more_seeds import seeds_to_separate as moments_to_separate
from zoo_leaderboard.stats.ranking import ranks
from zoo_leaderboard.stats.sample import Sample

MANY = settings(max_examples=40, deadline=None)
MIXES = [  # variances of seed, example and residual, as they enter the mean
    (1.0, 0.0, 0.0),
    (0.5, 0.5, 0.0),
    (0.8, 0.2, 0.0),
    (0.0, 1.0, 0.0),
    (0.0, 0.0, 1.0),
    (0.2, 0.4, 0.4),
]


def seeds_only(*scores):
    return Sample(scores=np.array(scores, dtype=np.float64))


def by_example(examples, groups=None, data="test"):
    examples = np.atleast_2d(np.asarray(examples, dtype=np.float64))
    groups = None if groups is None else np.asarray(groups)
    return Sample(scores=examples.mean(axis=1), examples=examples, groups=groups, data=data)


def draw(rng, mix, seeds=3, examples=60, of_example=None):
    """Seeds by examples around 0 whose mean has the mix's variances."""
    seed, example, residual = mix
    common = rng.normal(size=examples) if of_example is None else of_example
    return by_example(
        rng.normal(size=(seeds, 1)) * sqrt(seed * seeds)
        + common * sqrt(example * examples)
        + rng.normal(size=(seeds, examples)) * sqrt(residual * seeds * examples)
    )


def near(found, low, high):
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9, abs=1e-12)


# One row


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"scores": []}, "at least one number"),
        ({"scores": [[0.5]]}, "one row"),
        ({"scores": [0.5, nan]}, "nan"),
        ({"scores": [0.5, inf]}, "inf"),
        ({"scores": [0.5], "examples": [[0.5, inf]], "data": "d"}, "not finite"),
        ({"scores": [0.5], "examples": [[0.5], [0.5]], "data": "d"}, "1 seeds"),
        ({"scores": [0.5], "examples": [[]], "data": "d"}, "1 seeds"),
        ({"scores": [0.5], "examples": [[1.0, 1.0]], "data": "d"}, "not the scores"),
        ({"scores": [0.5], "examples": [[0.0, 1.0]]}, "name of their data"),
        ({"scores": [0.5], "examples": [[0.0, 1.0]], "groups": [1], "data": "d"}, "groups"),
        ({"scores": [0.5], "groups": [1]}, "groups"),
    ],
)
def test_a_sample_that_makes_no_sense_is_refused(fields, says):
    arrays = {name: value if name == "data" else np.array(value) for name, value in fields.items()}
    with pytest.raises(ValueError, match=says):
        Sample(**arrays)


def test_scores_summed_in_float32_agree_with_their_examples():
    examples = np.random.default_rng(0).random((2, 10_000)).astype(np.float32)
    scores = examples.mean(axis=1).astype(np.float64)
    assert Sample(scores=scores, examples=examples, data="d").scores is scores


def test_seeds_alone_have_students_interval():
    scores = [0.90, 0.92, 0.97, 0.93]
    found = mean_interval(seeds_only(*scores), level=0.9)
    near(found, *stats.t.interval(0.9, 3, loc=np.mean(scores), scale=stats.sem(scores)))
    assert (found.value, found.coverage, found.covers) == (pytest.approx(0.93), 0.9, "seeds")


def test_one_seed_has_the_test_samples_interval():
    examples = np.random.default_rng(0).random(30)
    found = mean_interval(by_example(examples))
    near(found, *stats.t.interval(0.95, 29, loc=examples.mean(), scale=stats.sem(examples)))
    assert (found.coverage, found.covers) == (0.95, "test sample")


def test_an_interval_over_fewer_than_thirty_shares_is_approximate():
    examples = np.random.default_rng(0).random((3, 29))
    assert [mean_interval(by_example(some)).covers for some in (examples[0], examples)] == [
        "few examples",
        "seeds and few examples",
    ]
    assert mean_interval(by_example(examples)).coverage is None
    assert mean_interval(by_example(examples[:1] > 0.5)).covers == "test sample"  # exact: zeros and ones


@pytest.mark.parametrize(("right", "count"), [(8, 10), (0, 7), (7, 7), (199, 200), (3, 200)])
def test_one_seed_of_right_and_wrong_answers_has_the_exact_binomial_interval(right, count):
    found = mean_interval(by_example(np.arange(count) < right))
    near(found, *stats.binomtest(right, count).proportion_ci(0.95, "exact"))
    assert (found.coverage, found.covers) == (0.95, "test sample")


def test_seeds_that_are_all_right_have_the_interval_of_one_of_them():
    found = mean_interval(by_example(np.ones((3, 200))))
    exact = stats.binomtest(200, 200).proportion_ci(0.95, "exact")
    wilson = stats.binomtest(200, 200).proportion_ci(0.95, "wilson")
    assert found.low == pytest.approx(min(exact.low, wilson.low), abs=1e-3)  # Wilson's with t in place of z
    assert found.high == 1


def test_the_interval_of_both_parts_is_as_by_hand():
    # Seeds' scores 1, 3/4: v1 = 1/32 / 2 = 1/64, t^2 = 161.4. Units' means 1, 1, 1, 1/2: variance 1/16, over 4 units
    # 1/64; residuals +-1/8 (three) and +-3/8: squares 2 * (3/64 + 9/64) = 3/8, over 3 degrees 1/8, / 8 numbers: 1/64.
    # So the test sample's own part is 0, and the ends solve |7/8 - x| = t/8 x (1 - x) / (7/8 1/8).
    found = mean_interval(by_example([[1, 1, 1, 1], [1, 1, 1, 0]]))
    slope = stats.t.ppf(0.975, 1) / 8 / (7 / 64)
    low, high = np.roots([slope, -slope - 1, 7 / 8]).min(), np.roots([slope, 1 - slope, -7 / 8]).max()
    count = 7 / 64 / (1 / 64) * 4 / 3  # examples that would give the variance 1/64: the exact interval's end is higher
    near(found, low, max(high, stats.beta.ppf(0.975, 7 / 8 * count + 1, 1 / 8 * count)))
    # Equal seeds: no seeds' part, so Wilson's with the quantile of t and the variance of the units, 1/12 / 8 * 7 / 8.
    found = mean_interval(by_example([[1, 1, 1, 1, 1, 1, 1, 0]] * 2))
    share = stats.t.ppf(0.975, 7) ** 2 / 7  # t^2 (7/8 1/8 / 7) / (7/8 1/8)
    ends = np.roots([1 + share, -(2 * 7 / 8 + share), (7 / 8) ** 2])
    exact = stats.binomtest(7, 8).proportion_ci(0.95, "exact")
    near(found, min(ends.min(), exact.low), max(ends.max(), exact.high))


@MANY
@given(st.integers(1, 4), st.integers(2, 30), st.floats(0, 1), st.integers(0, 99), st.sampled_from([None, 2, 5]))
def test_an_interval_of_an_accuracy_has_a_width_and_stays_within_0_and_1(seeds, examples, skill, number, groups):
    rng = np.random.default_rng(number)
    answers = rng.random((seeds, examples)) < skill
    found = mean_interval(by_example(answers, None if groups is None else np.arange(examples) % groups))
    assert 0 <= found.low < found.high <= 1
    assert found.low <= found.value <= found.high


def test_other_scores_are_cut_at_the_range_of_their_metric():
    scores = [0.999, 0.97, 0.999]
    assert mean_interval(seeds_only(*scores)).high > 1
    assert mean_interval(seeds_only(*scores), bounds=(0, 1)).high == 1
    assert mean_interval(seeds_only(0.01, 0.03), bounds=(0, inf)).low == 0


def test_scores_without_any_variation_have_no_interval_rather_than_one_without_width():
    for sample in (seeds_only(1.0, 1.0, 1.0), by_example(np.full((3, 20), 0.5))):
        found = mean_interval(sample)
        assert (found.low, found.high, found.coverage, found.covers) == (None, None, None, "")


def test_one_seed_without_examples_has_no_interval():
    found = mean_interval(seeds_only(0.5))
    assert (found.value, found.low, found.high, found.coverage, found.covers) == (0.5, None, None, None, "")


def test_one_example_or_one_group_is_no_test_sample():
    assert mean_interval(by_example([[0.5], [0.7]])).covers == "seeds"
    assert mean_interval(by_example([0.5, 0.7], groups=[4, 4])).covers == ""


def test_seeds_that_answer_alike_leave_the_test_samples_interval():
    examples = np.random.default_rng(27).random(30)
    found, alone = mean_interval(by_example([examples] * 3)), mean_interval(by_example(examples))
    near(found, alone.low, alone.high)
    assert found.covers == "seeds and test sample"


def test_examples_that_are_alike_leave_the_seeds_interval():
    scores = [0.90, 0.92, 0.97]
    alone = mean_interval(seeds_only(*scores))
    near(mean_interval(by_example(np.repeat(np.array(scores)[:, None], 7, axis=1))), alone.low, alone.high)


def test_seeds_and_test_sample_join_as_by_hand():
    # Seeds' means 4, 6: variance 2, over 2 seeds 1. Examples' means 1, 6, 8: variance 13, over 3 examples 13 / 3.
    # Residuals -1 1 0 / 1 -1 0: 4 over 1 * 2 degrees is 2, over 2 * 3 numbers 1 / 3, so the test sample's part is 4.
    found = mean_interval(by_example([[-1, 6, 7], [3, 6, 9]]))
    half = sqrt(stats.t.ppf(0.975, 1) ** 2 * 1 + stats.t.ppf(0.975, 2) ** 2 * 4)
    near(found, 5 - half, 5 + half)


def test_groups_of_one_size_count_as_their_means():
    examples = np.array([0, 0, 1, 1, 0, 1, 1, 1.0]) / 2
    found = mean_interval(by_example(examples, groups=[7, 7, 3, 3, 5, 5, 9, 9]))
    near(found, *stats.t.interval(0.95, 3, loc=0.3125, scale=stats.sem([0, 0.5, 0.25, 0.5])))
    assert (found.coverage, found.covers) == (None, "few groups")


def test_groups_without_wrong_answers_do_not_make_an_interval_of_95_percent():
    groups, wrong_from = np.arange(400) % 40, 10
    few, many = np.ones((2, 400)), np.ones((2, 400))
    few[:, groups < wrong_from], many[:, :100] = 0, 0  # 100 wrong answers of 10 groups; of all 40 groups
    assert [mean_interval(by_example(answers, groups)).coverage for answers in (few, many)] == [None, 0.95]


def test_an_interval_of_95_percent_is_claimed_from_30_groups_on():
    rng = np.random.default_rng(23)
    for groups, coverage, covers in ((29, None, "seeds and few groups"), (30, 0.95, "seeds and test sample")):
        found = mean_interval(by_example(rng.random((3, 120)), groups=np.arange(120) % groups))
        assert (found.coverage, found.covers) == (coverage, covers)


def test_grouped_answers_have_the_exact_interval_of_their_effective_number():
    # 4 groups of 2: means 0, 1, 1/2, 1; p = 5/8, variance (11/12 * 1/4) / 4; effective 15/64 / (11/192) = 45/11, then
    # times (1.96 / t)^2. Wrong answers by group 2, 0, 1, 0: 3^2 / 5 = 1.8 groups, so t has one degree (0.8 is too few).
    found = mean_interval(by_example([0, 0, 1, 1, 0, 1, 1, 1], groups=[7, 7, 3, 3, 5, 5, 9, 9]))
    variance = np.var([0, 1, 0.5, 1], ddof=1) / 4
    count = 15 / 64 / variance * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 1)) ** 2
    right, wrong = 5 / 8 * count, 3 / 8 * count
    near(found, stats.beta.ppf(0.025, right, wrong + 1), stats.beta.ppf(0.975, right + 1, wrong))


def test_groups_of_unequal_size_have_the_cluster_robust_variance():
    # Mean 1; summed deviations by group 3, -2, -1: squares 14, times 3 / 2 for three groups, over 6^2 examples.
    found = mean_interval(by_example([2, 2, 2, 0, 0, 0], groups=[0, 0, 0, 1, 1, 2]))
    half = stats.t.ppf(0.975, 2) * sqrt(14 * 1.5 / 36)
    near(found, 1 - half, 1 + half)


def coverage(intervals, truth=0.0):
    return np.mean([low <= truth <= high for low, high in intervals])


def own(sample):
    found = mean_interval(sample)
    return found.low, found.high


def pigeonhole(rng, sample, replicates=200):
    """Owen's bootstrap: seeds and examples drawn with replacement, each on its own; the percentiles of the mean."""
    seeds, examples = sample.examples.shape
    drawn_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=replicates) / seeds
    drawn = rng.multinomial(examples, np.full(examples, 1 / examples), size=replicates) / examples
    return np.quantile(((drawn_seeds @ sample.examples) * drawn).sum(axis=1), [0.025, 0.975])


def pooled(sample):
    """One quantile of t with Satterthwaite's degrees of freedom for the sum of both parts."""
    (n, m), means = sample.examples.shape, sample.examples.mean(axis=0)
    rest = sample.examples - means - sample.scores[:, None] + sample.scores.mean()
    parts = sample.scores.var(ddof=1) / n, means.var(ddof=1) / m - (rest**2).sum() / ((n - 1) * (m - 1)) / (n * m)
    total = parts[0] + max(0, parts[1])
    df = total**2 / (parts[0] ** 2 / (n - 1) + max(0, parts[1]) ** 2 / (m - 1))
    return stats.t.interval(0.95, df, loc=sample.scores.mean(), scale=sqrt(total))


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_interval_covers_the_true_mean_as_often_as_it_says(mix, seeds):
    rng = np.random.default_rng(20)
    found = coverage(own(draw(rng, mix, seeds)) for _ in range(2000))
    assert found >= 0.95 - 3 * sqrt(0.95 * 0.05 / 2000)


def test_the_interval_covers_better_than_a_bootstrap_and_than_pooled_degrees_of_freedom():
    rng = np.random.default_rng(21)
    samples = [draw(rng, (0.8, 0.2, 0.0)) for _ in range(1000)]
    bootstrap = coverage(pigeonhole(rng, sample) for sample in samples)
    assert bootstrap < 0.85
    assert (
        bootstrap < coverage(pooled(sample) for sample in samples) < 0.94 < coverage(own(sample) for sample in samples)
    )


def test_the_interval_of_an_accuracy_covers_the_true_one():
    rng = np.random.default_rng(22)
    samples = []
    for _ in range(1000):
        ease = rng.uniform(0.6, 0.9, size=300)  # the chance that a net gets this example right
        nets = rng.uniform(-0.05, 0.05, size=(4, 1))
        samples.append(by_example(rng.random((4, 300)) < ease + nets))
    assert coverage((own(sample) for sample in samples), truth=0.75) >= 0.95 - 3 * sqrt(0.95 * 0.05 / 1000)


@pytest.mark.parametrize(
    ("n", "rank", "covered"),
    [(2, 1, 0.5), (5, 1, 0.9375), (6, 1, 0.96875), (8, 1, 0.9921875), (9, 2, 0.9609375), (20, 6, 0.95861)],
)
def test_the_median_lies_between_the_order_statistics_of_the_textbook(n, rank, covered):
    found = median_interval(np.random.default_rng(n).permutation(n) + 1.0)
    assert (found.value, found.low, found.high) == ((n + 1) / 2, rank, n + 1 - rank)
    assert found.coverage == pytest.approx(covered, abs=1e-5)


def test_missed_targets_are_infinite_and_never_nan():
    assert median_interval([3.0, inf, 1.0]).value == 3
    found = median_interval([inf, 1.0, inf, 2.0])
    assert (found.value, found.low, found.high) == (inf, 1, inf)
    found = median_interval([inf] * 7)
    assert (found.value, found.low, found.high) == (inf, inf, inf)


def test_one_time_is_its_own_median_of_unknown_spread():
    found = median_interval([4.0])
    assert (found.value, found.low, found.high, found.coverage, found.covers) == (4, None, None, None, "")


@pytest.mark.parametrize("values", [[], [1.0, nan], [-inf, 1.0]])
def test_times_that_are_none_are_refused(values):
    with pytest.raises(ValueError, match="values"):
        median_interval(values)


# Two rows


def test_rows_without_examples_are_compared_by_welch():
    a, b = [0.91, 0.93, 0.96], [0.88, 0.90, 0.885, 0.91, 0.86]
    found, scipys = difference(seeds_only(*a), seeds_only(*b)), stats.ttest_ind(a, b, equal_var=False)
    assert found.p_value == pytest.approx(scipys.pvalue, rel=1e-9)
    near(found, *scipys.confidence_interval(0.95))
    assert (found.method, found.covers) == ("Welch", "seeds")


def test_one_seed_each_on_the_same_examples_is_the_paired_test():
    rng = np.random.default_rng(1)
    a, b = rng.random(30), rng.random(30) ** 2
    found, scipys = difference(by_example(a), by_example(b)), stats.ttest_rel(a, b)
    assert found.p_value == pytest.approx(scipys.pvalue, rel=1e-9)
    near(found, *scipys.confidence_interval(0.95))
    assert (found.method, found.covers) == ("paired by example", "test sample")


@pytest.mark.parametrize(("better", "worse"), [(4, 0), (5, 0), (7, 1), (9, 1), (30, 12)])
def test_where_few_examples_differ_the_p_value_is_close_to_that_of_the_exact_test(better, worse):
    a = np.arange(20_000) < 10_000
    b = a.copy()
    b[:better], b[-worse or len(b) :] = False, True
    found = difference(by_example(a), by_example(b))
    exact = stats.binomtest(better, better + worse).pvalue
    assert 0.95 * exact <= found.p_value <= 1.35 * exact
    assert stats.ttest_rel(a.astype(float), b.astype(float)).pvalue < 0.75 * exact


def test_the_correction_for_continuity_is_the_step_of_the_seeds_together():
    rng = np.random.default_rng(24)
    a, b = rng.random((2, 50)) < 0.8, rng.random((3, 50)) < 0.6
    found, smooth = difference(by_example(a), by_example(b)), difference(by_example(a * 1.5), by_example(b * 1.5))
    assert found.high - found.low == pytest.approx((smooth.high - smooth.low) / 1.5 + 2 / (6 * 50))


def test_paired_groups_count_once():
    rng = np.random.default_rng(2)
    a, b = rng.random(12), rng.random(12)
    tripled = [by_example(np.repeat(values, 3), groups=np.repeat(np.arange(12), 3)) for values in (a, b)]
    assert difference(*tripled).p_value == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-9)


def test_where_examples_make_no_difference_the_paired_test_is_welch():
    base, a, b = np.random.default_rng(3).random(50), [0.01, 0.03, 0.02], [0.0, 0.015, -0.01, 0.004]
    found = difference(by_example(base + np.array(a)[:, None]), by_example(base + np.array(b)[:, None]))
    assert found.p_value == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue, rel=1e-6)
    assert (found.method, found.covers) == ("paired by example", "seeds and test sample")


def test_a_paired_row_of_one_seed_is_lent_the_spread_of_the_other():
    base, b = np.random.default_rng(4).random(50), [0.0, 0.015, -0.01, 0.004]
    found = difference(by_example(base + 0.05), by_example(base + np.array(b)[:, None]))
    assert found.p_value == pytest.approx(stats.ttest_ind([0.05], b, equal_var=True).pvalue, rel=1e-6)


def test_both_parts_join_in_the_difference_as_by_hand():
    # a is the row of `join as by hand` above, b is 0 with one seed's variance 2: seeds' means -1, 1, no examples' part.
    # Seeds: 2 / 2 + 2 / 2 = 2 with Welch's 2 degrees; examples' differences 1, 6, 8 vary by 13 / 3 less a's 1 / 3.
    found = difference(by_example([[-1, 6, 7], [3, 6, 9]]), by_example([[-1, -1, -1], [1, 1, 1]]))
    half = sqrt(stats.t.ppf(0.975, 2) ** 2 * 2 + stats.t.ppf(0.975, 2) ** 2 * 4)
    near(found, 5 - half, 5 + half)
    assert found.p_value == pytest.approx(2 * stats.t.sf(5 / sqrt(6), 2), rel=1e-8)


@pytest.mark.parametrize("mix", MIXES)
def test_the_interval_touches_zero_at_the_level_of_the_p_value(mix):
    rng = np.random.default_rng(5)
    a, b = draw(rng, mix), draw(rng, mix, seeds=4)
    found = difference(a, b, level=1 - difference(a, b).p_value)
    assert min(abs(found.low), abs(found.high)) < 1e-6 * abs(found.difference)


def test_seeds_that_agree_by_luck_do_not_hide_the_noise_of_the_examples():
    a = [[2, 2, 2, 2, 2, 0, 0, 2], [2, 0, 2, 2, 0, 2, 2, 2]]  # 12 of 16 twice, on other examples
    b = [[2, 0, 2, 0, 2, 2, 2, 0], [0, 2, 2, 2, 0, 2, 2, 0]]  # 10 of 16 twice
    alone = stats.ttest_rel(np.mean(a, axis=0), np.mean(b, axis=0)).pvalue
    assert alone > 0.2
    assert difference(by_example(a), by_example(b)).p_value == pytest.approx(alone, rel=1e-9)
    a[1][0] = 1.998  # and not when they agree nearly
    assert difference(by_example(a), by_example(b)).p_value > 0.2
    one = np.mean(a, axis=0)
    near(mean_interval(by_example(a)), *stats.t.interval(0.95, 7, loc=one.mean(), scale=stats.sem(one)))


def test_pairing_finds_what_seeds_alone_cannot():
    rng = np.random.default_rng(6)
    ease = rng.normal(size=400)
    a, b = (by_example(ease + shift + rng.normal(scale=0.1, size=(3, 400))) for shift in (0.03, 0.0))
    elsewhere = Sample(scores=b.scores, examples=b.examples, data="other")
    assert difference(a, b).p_value < 0.02
    assert difference(a, elsewhere).method == "Welch"
    assert mean_interval(a).low < b.scores.mean()


@pytest.mark.parametrize(("n", "p_value"), [(2, 0.0742), (3, 0.0132), (5, 0.00059)])
def test_seeds_that_repeat_exactly_are_no_proof_beyond_their_number(n, p_value):
    found = difference(seeds_only(*[0.9] * n), seeds_only(*[0.8] * n))
    assert found.p_value == pytest.approx(2 * stats.t.sf(sqrt(6 * n), 2 * n - 2), rel=1e-9)
    assert found.p_value == pytest.approx(p_value, rel=0.01)
    assert (found.low < 0) == (n == 2)


@pytest.mark.parametrize("shift", [0.01, 0.03, 0.07, 0.1, 0.3])
def test_examples_that_all_differ_by_the_same_are_a_difference_but_for_rounding(shift):
    base = np.random.default_rng(1).random(6)
    found = difference(by_example(base + shift), by_example(base))
    assert found.p_value == pytest.approx(2 * stats.t.sf(sqrt(12 * 6), 5), rel=1e-6)
    assert found.p_value > 1e-4


@pytest.mark.parametrize(
    "sample",
    [
        seeds_only(0.1, 0.1, 0.1),
        seeds_only(0.1, 0.3),
        by_example([0.1, 0.2, 0.7]),
        by_example([[0.1, 0.2], [0.1, 0.3]]),
    ],
)
def test_a_row_does_not_differ_from_itself(sample):
    found = difference(sample, sample)
    assert (found.difference, found.p_value) == (0, 1)
    assert found.low == -found.high


def test_rounding_is_no_difference():
    found = difference(seeds_only(*[0.1 + 0.2] * 3), seeds_only(*[0.3] * 3))
    assert (found.difference, found.p_value, found.low, found.high) == (0, 1, 0, 0)


@pytest.mark.parametrize("other", [seeds_only(0.1), seeds_only(0.1, 0.2, 0.3), by_example([[0.1, 0.2], [0.3, 0.5]])])
def test_one_seed_without_examples_is_not_compared(other):
    found = difference(seeds_only(0.9), other)
    assert found.difference == pytest.approx(0.9 - other.scores.mean())
    assert (found.low, found.high, found.p_value, found.method, found.covers) == (None, None, None, "none", "")


@pytest.mark.parametrize("other", [by_example([1, 2, 3]), by_example([1, 2], groups=[0, 1])])
def test_rows_of_one_data_must_have_the_same_examples(other):
    with pytest.raises(ValueError, match="'test'"):
        difference(by_example([1, 2]), other)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_is_a_share(level):
    with pytest.raises(ValueError, match="level"):
        difference(seeds_only(1, 2), seeds_only(1, 2), level=level)


@pytest.mark.parametrize("mix", MIXES)
def test_equal_rows_seldom_differ_significantly(mix):
    rng = np.random.default_rng(8)
    p_values = []
    for _ in range(1000):
        ease = rng.normal(size=60)
        p_values.append(difference(draw(rng, mix, 3, of_example=ease), draw(rng, mix, 5, of_example=ease)).p_value)
    assert np.mean(np.array(p_values) <= 0.05) <= 0.06


# Many rows


def test_holm_is_as_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.02, None, 0.01, 0.9]) == [pytest.approx(0.04), None, pytest.approx(0.03), pytest.approx(0.9)]
    assert holm([]) == []
    assert holm([None, None]) == [None, None]


@pytest.mark.parametrize("wrong", [-0.1, 1.1, nan])
def test_holm_refuses_what_is_no_p_value(wrong):
    with pytest.raises(ValueError, match="p values"):
        holm([0.5, wrong])


@MANY
@given(st.lists(st.none() | st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_raises_and_stays_a_probability(p_values):
    adjusted = holm(p_values)
    assert [value is None for value in adjusted] == [value is None for value in p_values]
    pairs = sorted((raw, new) for raw, new in zip(p_values, adjusted, strict=True) if raw is not None)
    assert all(raw <= new <= 1 for raw, new in pairs)
    assert all(first[1] <= second[1] for first, second in neighbours(pairs))
    if pairs:
        assert pairs[0][1] == min(1, len(pairs) * pairs[0][0])  # Bonferroni's for the smallest
        assert pairs[-1][1] == max(pairs[-1][0], *(new for _, new in pairs))


def mixed_board(rng, rows=9):
    """Rows with and without examples, on two data, grouped or not, with one to five seeds."""
    groups = np.repeat(np.arange(20), 2)
    ease = rng.random((2, 40))
    board = [seeds_only(0.5), seeds_only(0.7, 0.7), by_example(ease[0]), by_example([ease[1]] * 3, groups, "tracks")]
    for row in range(rows):
        examples = ease[row % 2] + 0.05 * row + rng.normal(scale=0.1, size=(1 + row % 5, 40)) + rng.normal(scale=0.02)
        board.append(by_example(examples, groups, "tracks") if row % 2 else by_example(examples))
        board.append(seeds_only(*rng.normal(0.5 + 0.05 * row, 0.02, size=1 + row % 4)))
    return board


def test_all_pairs_at_once_are_the_pairs_one_by_one():
    board = mixed_board(np.random.default_rng(9))
    found = difference_matrix([row.moments() for row in board], level=0.9)
    for i, a in enumerate(board):
        for j, b in enumerate(board):
            alone = difference(a, b, level=0.9) if i != j else None
            expected = (alone.difference, alone.low, alone.high, alone.p_value) if alone else (0, 0, 0, 1)
            at_once = [matrix[i, j] for matrix in (found.difference, found.low, found.high, found.p_value)]
            expected = [nan if value is None else value for value in expected]
            assert at_once == pytest.approx(expected, rel=1e-7, abs=1e-12, nan_ok=True)


def ranges_by_hand(board, *, higher_is_better):
    """Best and worst ranks: Holm over all pairs, and a significant pair separates the rows beyond it; None: no rank."""
    sign, pairs = (1 if higher_is_better else -1), list(combinations(range(len(board)), 2))
    found = [difference(board[i], board[j]) for i, j in pairs]
    one_seed_each = [len(board[i].scores) == len(board[j].scores) == 1 for i, j in pairs]
    p_values = [None if one else pair.p_value for pair, one in zip(found, one_seed_each, strict=True)]
    means = [sign * row.scores.mean() for row in board]
    ranked = [
        any(p is not None and i in pair for pair, p in zip(pairs, p_values, strict=True)) for i in range(len(board))
    ]
    beats = [
        (i, j) if means[i] > means[j] else (j, i)
        for (i, j), p in zip(pairs, holm(p_values), strict=True)
        if p is not None and p <= 0.05
    ]

    def is_better(i, j):
        return any(means[i] >= means[a] and means[b] >= means[j] for a, b in beats)

    rows = [i for i, one in enumerate(ranked) if one]
    return [
        (1 + sum(is_better(j, i) for j in rows), len(rows) - sum(is_better(i, j) for j in rows)) if ranked[i] else None
        for i in range(len(board))
    ]


def ranges(found):
    return [
        (low, high) if low else None for low, high in zip(found.rank.tolist(), found.rank_high.tolist(), strict=True)
    ]


def test_ranks_are_those_that_the_tests_of_all_pairs_leave_open():
    board = mixed_board(np.random.default_rng(10))
    found = ranks(board, higher_is_better=False)
    assert ranges(found) == ranges_by_hand(board, higher_is_better=False)
    assert len(set(found.rank)) > 4
    assert found.rank[0] == found.compared[0] == 0  # one seed without examples
    for i, rank in enumerate(found.rank):
        assert found.tied[i] == (np.count_nonzero(found.rank == rank) - 1 if rank else 0)


def test_a_planted_winner_a_planted_tie_and_a_planted_loser_are_ranked_so():
    rng = np.random.default_rng(11)
    ease = rng.random(1000)
    skills = [0.85, 0.851, 0.95, 0.6]
    board = [
        by_example(np.stack([ease + rng.normal(scale=0.1, size=1000) < skill for _ in range(5)])) for skill in skills
    ]
    found = ranks(board, higher_is_better=True)
    assert ranges(found) == [(2, 3), (2, 3), (1, 1), (4, 4)]
    assert found.tied.tolist() == [1, 1, 0, 0]
    assert found.compared.tolist() == [3, 3, 3, 3]
    assert (found.pairs, found.undecided) == (6, 1)


def test_a_board_of_equal_models_is_one_tie_almost_always():
    rng = np.random.default_rng(12)
    found = [ranks([seeds_only(*rng.normal(size=5)) for _ in range(8)], higher_is_better=True) for _ in range(300)]
    assert np.mean([board.rank.max() > 1 for board in found]) <= 0.06  # any row: Holm over all pairs of the table


def test_a_row_that_was_compared_with_none_has_no_rank():
    assert ranks([], higher_is_better=True).rank.tolist() == []
    assert difference_matrix([]).p_value.shape == (0, 0)
    rng = np.random.default_rng(25)
    for board in ([seeds_only(0.5, 0.6)], [by_example(rng.random(30)), by_example(rng.random(30) + 1)]):
        found = ranks(board, higher_is_better=True)
        assert ranges(found) == [None] * len(board)
        assert (found.compared.max(), found.pairs) == (0, 0)


def test_a_row_of_one_seed_without_examples_takes_no_part():
    found = ranks([seeds_only(0.99), seeds_only(0.9, 0.91, 0.92), seeds_only(0.5, 0.51, 0.52)], higher_is_better=True)
    assert ranges(found) == [None, (1, 1), (2, 2)]
    assert found.compared.tolist() == [0, 1, 1]


def test_a_row_of_one_seed_is_tested_against_rows_of_several_on_the_same_examples():
    ease = np.random.default_rng(26).random(200)
    steps = np.array([-0.01, 0.0, 0.01])[:, None]
    board = [by_example(ease + 0.5), by_example(ease + 0.2 + steps), by_example(ease), by_example(ease - 1 + steps)]
    found = ranks(board, higher_is_better=True)
    assert found.compared.tolist() == [2, 3, 2, 3]
    assert np.isnan(found.adjusted[0, 2])
    assert ranges(found) == [(1, 1), (2, 2), (3, 3), (4, 4)]  # the first beats the third beyond the second


def test_a_worse_mean_does_not_outrank_a_better_one_by_scattering_more():
    first, second, scattered = seeds_only(0.949, 0.95, 0.951), seeds_only(0.899, 0.9, 0.901), seeds_only(0.6, 0.9, 0.99)
    assert difference(first, scattered).p_value > 0.2
    assert ranges(ranks([first, second], higher_is_better=True)) == [(1, 1), (2, 2)]
    assert ranges(ranks([first, second, scattered], higher_is_better=True)) == [(1, 1), (2, 3), (2, 3)]
    assert ranges(ranks([scattered, second, first], higher_is_better=False)) == [(1, 2), (1, 2), (3, 3)]


def test_a_scattered_row_between_two_that_differ_may_have_the_rank_of_either():
    first, between, last = seeds_only(0.949, 0.95, 0.951), seeds_only(0.85, 0.93, 0.99), seeds_only(0.899, 0.9, 0.901)
    assert ranges(ranks([first, between, last], higher_is_better=True)) == [(1, 2), (1, 3), (2, 3)]


def test_more_rows_than_are_handled_at_once_are_ranked_alike():
    steps = np.repeat(np.arange(5.0), 100)  # five levels of a hundred equal rows
    board = [seeds_only(level - 0.001, level, level + 0.001) for level in steps]
    assert ranks(board, higher_is_better=False).rank.tolist() == (1 + 100 * steps).tolist()


score = st.integers(-50, 50).map(float)
boards = st.lists(
    st.lists(score, min_size=1, max_size=4).map(lambda scores: seeds_only(*scores))
    | st.lists(st.lists(score, min_size=6, max_size=6), min_size=1, max_size=3).map(by_example),
    min_size=1,
    max_size=6,
)


def altered(board, factor):
    return [
        Sample(
            scores=row.scores * factor,
            examples=None if row.examples is None else row.examples * factor,
            data=row.data,
        )
        for row in board
    ]


@MANY
@given(boards)
def test_the_best_ranked_mean_has_rank_one_and_ranges_follow_the_means(board):
    found = ranges(ranks(board, higher_is_better=True))
    assert found == ranges_by_hand(board, higher_is_better=True)
    ordered = sorted(range(len(board)), key=lambda index: -board[index].scores.mean())
    ranked = [found[index] for index in ordered if found[index]]
    assert all(one[0] <= other[0] and one[1] <= other[1] for one, other in neighbours(ranked))
    assert not ranked or (ranked[0][0] == 1 and ranked[-1][1] == len(ranked))
    assert all(low <= high for low, high in ranked)


@MANY
@given(boards, st.randoms(use_true_random=False))
def test_ranks_do_not_depend_on_the_order_of_the_rows(board, random):
    order = list(range(len(board)))
    random.shuffle(order)
    found = ranks(board, higher_is_better=True)
    shuffled = ranks([board[index] for index in order], higher_is_better=True)
    assert shuffled.rank.tolist() == found.rank[order].tolist()
    assert shuffled.tied.tolist() == found.tied[order].tolist()


@MANY
@given(boards, st.sampled_from([0.125, 2.0, 1024.0]))
def test_ranks_do_not_depend_on_the_unit_nor_on_the_sign_with_the_direction(board, factor):
    expected = ranks(board, higher_is_better=True).rank.tolist()
    assert ranks(altered(board, factor), higher_is_better=True).rank.tolist() == expected
    assert ranks(altered(board, -factor), higher_is_better=False).rank.tolist() == expected


@MANY
@given(boards)
def test_identical_rows_tie(board):
    found = ranges(ranks([*board, board[0]], higher_is_better=True))
    assert found[0] == found[-1]


# Seeds still missing


def seeds_to_separate(a, b, **options):
    return moments_to_separate(a.moments(), b.moments(), **options)


def spread_of(mean, deviation, n):
    """n scores of exactly this mean and standard deviation."""
    steps = np.linspace(-1, 1, n)
    return seeds_only(*(mean + deviation * steps / steps.std(ddof=1)))


def test_the_seeds_it_advises_have_the_power_it_promises():
    found = seeds_to_separate(spread_of(1.0, 1.0, 3), spread_of(0.0, 1.0, 3))
    assert found.verdict == "more seeds"
    rng, n = np.random.default_rng(13), 3 + found.count
    a, b = rng.normal(1, 1, size=(4000, n)), rng.normal(0, 1, size=(4000, n))
    power = np.mean(stats.ttest_ind(a, b, axis=1, equal_var=False).pvalue <= 0.05)
    assert 0.78 <= power <= 0.86


def test_rows_that_differ_need_no_more_seeds():
    assert seeds_to_separate(spread_of(1.0, 0.1, 3), spread_of(0.0, 0.1, 3)).count == 0


def test_a_stricter_comparison_needs_more_seeds():
    rows = spread_of(1.0, 0.5, 3), spread_of(0.0, 0.5, 3)
    counts = [seeds_to_separate(*rows, comparisons=comparisons).count for comparisons in (2, 10, 100)]
    assert counts == sorted(set(counts))
    assert seeds_to_separate(*rows, comparisons=100, max_seeds=counts[-1] - 1).verdict == "too many"


def test_no_number_of_seeds_separates_what_the_test_sample_keeps_together():
    rng = np.random.default_rng(14)
    base, other = rng.random(30), rng.random(30)
    shifts = np.array([-0.01, 0.0, 0.01])[:, None]
    alike = other - other.mean() + base.mean() + 0.01
    found = seeds_to_separate(by_example(base + shifts), by_example(alike + shifts))
    assert (found.count, found.verdict, found.by_example) == (None, "test sample", True)
    # Endless seeds would give the means of other seeds: with seeds that scatter, the difference may yet become large.
    found = seeds_to_separate(by_example(base + 10 * shifts), by_example(alike + 10 * shifts))
    assert (found.count, found.verdict) == (None, "too many")
    # Nor is it said because of the correction, which other rows may take back.
    found = seeds_to_separate(by_example(base + shifts), by_example(alike + 0.2 + shifts), comparisons=10**9)
    assert (found.count, found.verdict) == (None, "too many")


def test_noise_that_seeds_average_out_is_not_the_test_samples():
    rng = np.random.default_rng(18)
    a, b = draw(rng, (0, 0, 1)), draw(rng, (0, 0, 1))
    a = by_example(a.examples - a.scores.mean() + b.scores.mean() + 1.5)
    assert stats.ttest_rel(a.examples.mean(axis=0), b.examples.mean(axis=0)).pvalue > 0.2
    assert seeds_to_separate(a, b).verdict == "more seeds"


def test_equal_means_would_need_endless_seeds():
    found = seeds_to_separate(spread_of(0.5, 0.125, 3), spread_of(0.5, 0.25, 3))
    assert (found.count, found.verdict, found.by_example) == (None, "too many", False)


def test_what_seeds_do_is_unknown_from_one_seed_each():
    rng = np.random.default_rng(15)
    assert seeds_to_separate(seeds_only(0.5), spread_of(0.6, 0.1, 3)).verdict == "undecidable"
    assert seeds_to_separate(by_example(rng.random(30)), by_example(rng.random(30))).verdict == "undecidable"
