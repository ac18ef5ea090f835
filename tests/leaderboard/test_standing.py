"""The standing of a table: which rows are ranked, why others are not, and what the page says of ranks and intervals."""

from __future__ import annotations

from itertools import pairwise as neighbours

import numpy as np
import pytest
from zoo_leaderboard.board import standing as standing_module
from zoo_leaderboard.board.claims import comparison_words, interval_words, separation_words
from zoo_leaderboard.board.score_range import score_range
from zoo_leaderboard.board.standing import standing
from zoo_leaderboard.stats.more_seeds import MoreSeeds


@pytest.fixture
def standing_of(record, boards, tmp_path):
    """The standing of a table from the scores of each model: numbers, one per seed, or arrays (seeds, examples)."""

    def make(models, groups=None, **more):
        records = []
        for number, scores in enumerate(models):
            for seed, score in enumerate(scores):
                by_example = np.ndim(score) > 0
                made = record(
                    model=f"zoo-a:m{number:03d}",
                    seed=seed,
                    score=float(np.mean(score)),
                    measured_per_example="per_example.npz" if by_example else "",
                    **more,
                )
                if by_example:
                    folder = tmp_path / made.id
                    folder.mkdir(exist_ok=True)
                    kept = {} if groups is None else {"group": np.asarray(groups)}
                    np.savez(folder / "per_example.npz", score=np.asarray(score), **kept)
                records.append(made)
        (board,) = boards(records, folder=tmp_path)
        return standing(board.groups[0])

    return make


def ranges(found):
    return {row.model[-3:]: (row.rank, row.rank_high) if row.rank else row.not_ranked for row in found.rows}


def seeds_around(mean, spread=0.001, examples=None):
    steps = mean + spread * np.array([-1.0, 0.0, 1.0])
    return list(steps) if examples is None else [step + examples for step in steps]


def test_a_model_alone_in_its_table_is_not_ranked(standing_of):
    found = standing_of([seeds_around(0.9)])
    assert ranges(found) == {"000": "nothing to compare"}
    assert (found.rows[0].winner, found.pairs, comparison_words(found), separation_words(found.first_two)) == (
        False,
        0,
        "",
        "",
    )


def test_models_of_one_seed_each_are_not_ranked_however_far_apart(standing_of):
    rng = np.random.default_rng(0)
    found = standing_of([[rng.random(500) * 0.1 + 0.1 * number] for number in range(12)])
    assert set(ranges(found).values()) == {"one seed each"}
    assert not any(row.winner for row in found.rows)
    assert separation_words(found.first_two) == "The top two were not compared: run at least two seeds of each model."
    assert {interval_words(row) for row in found.rows} == {"test sample only: one seed"}


def test_a_better_model_of_one_seed_without_examples_has_no_rank_and_takes_none(standing_of):
    found = standing_of([[0.99], seeds_around(0.9), seeds_around(0.8)])
    assert ranges(found) == {"000": "one seed, without results by example", "001": (1, 1), "002": (2, 2)}
    assert [row.winner for row in found.rows] == [False, True, False]
    assert "were not compared" in separation_words(found.first_two)  # the top two by mean


def test_the_only_model_of_several_seeds_is_not_ranked_either(standing_of):
    found = standing_of([seeds_around(0.9), [0.8], [0.7]])
    assert ranges(found) == dict.fromkeys(("001", "002"), "one seed, without results by example") | {
        "000": "the other models have one seed"
    }


def test_rows_out_of_date_and_without_a_score_say_so(record, boards):
    scores = {seed: 0.9 + seed / 1000 for seed in range(3)}
    records = [
        record(model=f"zoo-a:m{n}", seed=s, score=score - n / 10) for n in range(2) for s, score in scores.items()
    ]
    records += [record(model="zoo-a:old", seed=s, score=0.95 + s / 1000, model_version=1) for s in range(2)]
    records += [
        record(model="zoo-a:old", task="zoo-a:other", model_version=2),
        record(model="zoo-a:bad", status="error"),
    ]
    board = next(board for board in boards(records) if board.newest.task == "zoo-a:digits")
    by_name = {row.model: row for row in standing(board.groups[0]).rows}
    assert {name: row.not_ranked for name, row in by_name.items()} == {
        "zoo-a:m0": "",
        "zoo-a:m1": "",
        "zoo-a:old": "out of date",
        "zoo-a:bad": "no score",
    }
    assert [name for name, row in by_name.items() if row.current] == ["zoo-a:m0", "zoo-a:m1"]
    assert (by_name["zoo-a:old"].rank, by_name["zoo-a:m0"].winner) == (None, True)


def test_rows_beyond_the_40th_are_compared_by_example_as_well(standing_of):
    rng = np.random.default_rng(1)
    ease = rng.random(300)
    found = standing_of([seeds_around(-number / 100, examples=ease) for number in range(45)])
    assert found.pairs == 45 * 44 / 2
    assert {row.covers for row in found.rows} == {"seeds and test sample"}
    assert ranges(found)["044"] == (45, 45)


def test_rows_beyond_the_memory_limit_say_that_they_were_not_compared(standing_of, monkeypatch):
    monkeypatch.setattr(standing_module, "MAX_UNITS", 150)
    ease = np.random.default_rng(2).random(100)
    found = standing_of([seeds_around(-number, examples=ease) for number in range(4)])
    assert ranges(found) == {"000": (1, 1), "001": (2, 2)} | dict.fromkeys(
        ("002", "003"), "too many results by example to compare"
    )
    assert [row.low is None for row in found.rows] == [False, False, True, True]


def test_the_compare_page_gets_the_p_values_of_the_ranks(standing_of):
    found = standing_of([seeds_around(0.9 - 0.002 * number) for number in range(35)])
    adjusted = found.differences.adjusted
    assert adjusted.shape == (30, 30)
    assert np.nanmin(adjusted) > np.nanmin(found.differences.p_value) * 500  # of 595 pairs, not of 435
    better = [sum(adjusted[j, i] <= 0.05 for j in range(i)) for i in range(30)]
    assert [row.rank for row in found.rows[:30]] == [1 + count for count in better]  # all scatter alike


def test_the_sentence_on_the_top_two_agrees_with_the_ranks_where_two_rows_share_the_second_mean(standing_of):
    step = 2.0**-10
    found = standing_of([seeds_around(0.96875, step), seeds_around(0.75, 0.25), seeds_around(0.75, step)])
    assert found.differences.adjusted[0, 1] > 0.05 > found.differences.adjusted[0, 2]
    assert ranges(found)["000"] == (1, 1)
    assert separation_words(found.first_two) == "The top two differ significantly on this test set."


def test_the_page_says_what_was_tested_and_that_tables_are_not_corrected_together(standing_of):
    ease = np.random.default_rng(3).random(60)
    by_example = [seeds_around(0.01 * number, examples=ease) for number in range(3)]
    words = comparison_words(standing_of(by_example))
    assert words.startswith("Ranks come from 3 comparisons of two models, tested together at 5 % (Holm's correction)")
    assert "Tables are not corrected for each other." in words
    assert words.endswith("so ranks allow for other seeds and other test examples.")
    words = comparison_words(standing_of([seeds_around(0.9), seeds_around(0.8)]))
    assert "ranks hold on this test set only" in words
    words = comparison_words(standing_of([*by_example, seeds_around(0.9)]))
    assert "1 ranked model of 4 have no results by example: comparisons with them hold on this test set only." in words


@pytest.mark.parametrize(
    ("examples", "groups", "words"),
    [
        (None, None, "on this test set only"),
        (60, None, ""),
        (60, 5, "approximate: few groups of examples"),
    ],
)
def test_an_interval_says_what_it_does_not_allow_for(standing_of, examples, groups, words):
    rng = np.random.default_rng(4)
    models = [seeds_around(0.9, examples=None if examples is None else rng.random(examples)) for _ in range(2)]
    found = standing_of(models, None if groups is None else np.arange(examples) % groups)
    assert {interval_words(row) for row in found.rows} == {words}


@pytest.mark.parametrize(
    ("verdict", "by_example", "sentence"),
    [
        ("separated", True, "The top two differ significantly."),
        ("separated", False, "The top two differ significantly on this test set."),
        ("more seeds", True, "About 7 more seeds per model would likely separate the top two."),
        (
            "test sample",
            True,
            "More seeds cannot separate the top two: the test split is too small for their difference.",
        ),
        (
            "too many",
            False,
            "The top two do not differ significantly on this test set, and 100 more seeds per model may not change it.",
        ),
        ("undecidable", True, "The top two were not compared: run at least two seeds of each model."),
    ],
)
def test_the_sentence_on_the_top_two_names_the_test_set_where_it_is_about_that_alone(verdict, by_example, sentence):
    assert separation_words(MoreSeeds(count=7, verdict=verdict, by_example=by_example)) == sentence


def test_twelve_equal_models_of_several_seeds_share_all_ranks(standing_of):
    rng = np.random.default_rng(5)
    ease = rng.random(400)
    for seeds in (3, 5):
        found = standing_of([(ease + rng.normal(0, 0.3, (seeds, 400)) < 0.9) * 1.0 for _ in range(12)])
        assert set(ranges(found).values()) == {(1, 12)}
        assert not any(row.winner for row in found.rows)


def test_a_chain_of_eight_models_is_ranked_in_its_order(standing_of):
    rng = np.random.default_rng(6)
    ease = rng.random(2000)
    found = standing_of([(ease + rng.normal(0, 0.1, (5, 2000)) < 0.95 - 0.05 * n) * 1.0 for n in range(8)])
    assert list(ranges(found).values()) == [(n, n) for n in range(1, 9)]
    assert [row.winner for row in found.rows] == [True] + [False] * 7
    assert all(one.score > other.score for one, other in neighbours(found.rows))


@pytest.mark.parametrize(
    ("metric", "higher_is_better", "bounds"),
    [
        ("accuracy", True, (0, 1)),
        ("mean_iou", True, (0, 1)),
        ("map50", True, (0, 1)),
        ("mse", False, (0, np.inf)),
        ("joint_error", False, (0, np.inf)),
        ("r2", True, (-np.inf, 1)),
        ("nll", False, (-np.inf, np.inf)),
        ("iou", False, (-np.inf, np.inf)),
    ],
)
def test_the_range_of_a_score_is_known_by_the_name_of_its_metric(metric, higher_is_better, bounds):
    assert score_range(metric, higher_is_better) == bounds
