"""The sentence on the top two of a table agrees with their ranks."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from zoo_leaderboard.board.claims import separation_words
from zoo_leaderboard.board.standing import standing

SPREAD = (-0.01, 0.0, 0.01)


@pytest.fixture
def standing_of(record, boards):
    """The standing of a table whose models have these scores, one list per model."""

    def make(scores):
        records = [
            record(model=f"zoo-a:m{number:02d}", seed=seed, score=score)
            for number, seeds in enumerate(scores)
            for seed, score in enumerate(seeds)
        ]
        (board,) = boards(records)
        (group,) = board.groups
        return standing(group)

    return make


def around(mean):
    return [mean + step for step in SPREAD]


def p_value(one, other):
    return stats.ttest_ind(one, other, equal_var=False).pvalue


def test_two_models_with_ranks_1_and_2_differ_significantly(standing_of):
    first, second = around(0.925), around(0.9)
    assert 0.025 < p_value(first, second) < 0.05  # one comparison: no correction
    found = standing_of([first, second])
    assert [row.rank for row in found.rows] == [1, 2]
    assert separation_words(found.first_two) == "The top two differ significantly on this test set."


def test_the_correction_counts_the_models_beyond_those_of_the_compare_page(standing_of):
    first, second = around(0.9637), around(0.9)
    others = [around(0.899 - number / 1e6) for number in range(43)]
    assert 0.05 / 44 < p_value(first, second) < 0.05 / 30
    found = standing_of([first, second, *others])
    assert [row.rank for row in found.rows[:2]] == [1, 1]
    assert len(found.compared) == 30
    assert found.first_two.verdict == "more seeds"


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # `standing_of` is a function without state
@given(
    st.lists(st.lists(st.integers(0, 30).map(lambda n: n / 100), min_size=2, max_size=4), min_size=2, max_size=6),
)
def test_the_top_two_are_called_different_exactly_if_their_ranks_are(standing_of, scores):
    found = standing_of(scores)
    first, second = found.rows[:2]
    assert (found.first_two.verdict == "separated") == (first.rank != second.rank)
