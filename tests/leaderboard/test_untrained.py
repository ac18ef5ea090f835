"""Models with nothing to train belong to every recipe class of their setting."""

from __future__ import annotations

import pytest
from zoo_leaderboard.board.standing import standings
from zoo_leaderboard.records.trials import has_nothing_to_train

NOTHING = {"model_parameters": 0, "model_trainable_parameters": 0, "model_size_mib": 0.0}


@pytest.fixture
def three_seeds(record):
    """The trials of one model with three seeds around a score."""
    return lambda model, score, **more: [
        record(model=model, seed=seed, score=score + step, **more) for seed, step in enumerate((-0.001, 0.0, 0.001))
    ]


def rows_of(board):
    """The models of each group, best first, by recipe class."""
    ranked = standings(board.groups)
    return {group.key.recipe_class: [row.model for row in ranked[group.key].rows] for group in board.groups}


def test_a_baseline_of_the_default_class_is_ranked_with_its_quick_rivals(boards, three_seeds):
    (board,) = boards(
        [
            *three_seeds("zoo-a:copy", 0.5, **NOTHING),
            *three_seeds("zoo-a:good", 0.9, recipe_class="quick"),
            *three_seeds("zoo-a:bad", 0.1, recipe_class="quick"),
        ]
    )
    assert rows_of(board) == {"quick": ["zoo-a:good", "zoo-a:copy", "zoo-a:bad"]}  # no table of the baseline alone
    assert board.counts == (9, 0, 0)
    rows = standings(board.groups)[board.groups[0].key].rows
    assert [(row.rank, row.rank_high) for row in rows] == [(1, 1), (2, 2), (3, 3)]
    assert [row.untrained for row in rows] == [False, True, False]
    assert rows[1].recipe_class == "default"
    assert "--preset" not in rows[1].command
    assert board.groups[0].newest.recipe_class == "quick"


def test_a_baseline_is_in_the_tables_of_all_recipe_classes_and_its_trials_count_once(boards, three_seeds):
    (board,) = boards(
        [
            *three_seeds("zoo-a:copy", 0.5, recipe_class="quick", **NOTHING),
            *three_seeds("zoo-a:net", 0.9, recipe_class="quick"),
            *three_seeds("zoo-a:net", 0.95, recipe_class="default"),
            *three_seeds("zoo-a:net", 0.4, recipe_class="custom", recipe={"lr": 9}),
        ]
    )
    assert rows_of(board) == {
        "default": ["zoo-a:net", "zoo-a:copy"],
        "quick": ["zoo-a:net", "zoo-a:copy"],
        "custom": ["zoo-a:copy", "zoo-a:net"],
    }
    assert board.counts == (12, 0, 0)
    anchors = [row.anchor for ranked in standings(board.groups).values() for row in ranked.rows]
    assert len(anchors) == len(set(anchors))


def test_a_table_with_a_row_of_the_baseline_keeps_its_own(boards, three_seeds):
    (board,) = boards(
        [
            *three_seeds("zoo-a:copy", 0.5, **NOTHING),
            *three_seeds("zoo-a:copy", 0.6, recipe_class="quick", recipe={"batch": 64}, **NOTHING),
            *three_seeds("zoo-a:net", 0.9, recipe_class="quick"),
        ]
    )
    (rows,) = [ranked.rows for ranked in standings(board.groups).values()]
    assert [(row.model, pytest.approx(row.score)) for row in rows] == [("zoo-a:net", 0.9), ("zoo-a:copy", 0.6)]


def test_baselines_without_rivals_stand_in_one_table(boards, three_seeds):
    (board,) = boards(
        [*three_seeds("zoo-a:copy", 0.5, **NOTHING), *three_seeds("zoo-a:zero", 0.1, recipe_class="quick", **NOTHING)]
    )
    assert rows_of(board) == {"default": ["zoo-a:copy", "zoo-a:zero"]}


@pytest.mark.parametrize("more", [{"fingerprint": "e" * 32}, {"device": "cuda"}, {"task_version": 2}])
def test_a_baseline_stays_within_its_task_version_data_and_device_class(more, boards, three_seeds):
    (board,) = boards(
        [*three_seeds("zoo-a:copy", 0.5, **NOTHING), *three_seeds("zoo-a:net", 0.9, recipe_class="quick", **more)]
    )
    assert rows_of(board) == {"default": ["zoo-a:copy"], "quick": ["zoo-a:net"]}


def test_a_custom_recipe_of_a_baseline_stays_custom_because_its_options_may_matter(boards, three_seeds):
    (board,) = boards(
        [
            *three_seeds("zoo-a:neighbours", 0.5, recipe_class="custom", recipe={"k": 5}, **NOTHING),
            *three_seeds("zoo-a:net", 0.9),
        ]
    )
    assert rows_of(board) == {"default": ["zoo-a:net"], "custom": ["zoo-a:neighbours"]}


@pytest.mark.parametrize(
    ("parameters", "trainable", "size_mib", "expected"),
    [
        (0, 0, 0.0, True),
        (0, 0, None, True),
        (1000, 0, 0.5, True),  # frozen
        (1000, 10, 0.5, False),
        (0, 0, 0.5, False),  # buffers, which a fit without gradients may fill
        (None, None, None, False),  # never built
    ],
)
def test_nothing_to_train_means_no_state_that_training_could_change(parameters, trainable, size_mib, expected, record):
    model = record(model_parameters=parameters, model_trainable_parameters=trainable, model_size_mib=size_mib).model
    assert has_nothing_to_train(model) is expected
