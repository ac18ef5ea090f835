"""The val rule: a tenth of train in whole groups, by identity alone, whatever the order of the files."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo_core.columns import Ragged
from zoo_core.data.splits import choose_per_class, held_out_rows
from zoo_core.errors import DataError

MANY = settings(max_examples=40, deadline=None)
LABELS = st.lists(st.integers(0, 30), min_size=2, max_size=120).filter(lambda labels: len(set(labels)) > 1)


def held_out(labels: list[int]) -> list[int]:
    return [labels[row] for row in held_out_rows({"x": np.zeros(len(labels)), "group": np.asarray(labels)})]


@pytest.mark.parametrize(("count", "tenth"), [(2, 1), (10, 1), (11, 2), (100, 10), (101, 11), (1000, 100)])
def test_of_single_examples_exactly_a_tenth_is_held_out_rounded_up(count: int, tenth: int):
    rows = held_out_rows({"x": np.arange(count)})
    assert len(rows) == tenth
    assert rows.dtype == np.int64


def test_the_rows_are_ascending_and_each_is_there_once():
    rows = held_out_rows({"x": np.arange(1000)})
    assert np.array_equal(rows, np.unique(rows))
    assert rows[0] >= 0
    assert rows[-1] < 1000


@MANY
@given(LABELS)
def test_groups_are_kept_whole(labels: list[int]):
    inside = set(held_out(labels))
    assert len(held_out(labels)) == sum(label in inside for label in labels)


@MANY
@given(LABELS)
def test_both_sides_have_examples(labels: list[int]):
    assert 0 < len(held_out(labels)) < len(labels)


@pytest.mark.parametrize("labels", [[0] + [1] * 50, [1] + [0] * 50])
def test_a_huge_group_is_not_held_out_where_nothing_would_be_left_to_train_on(labels: list[int]):
    assert 0 < len(held_out(labels)) < len(labels)


@MANY
@given(LABELS)
def test_no_group_is_taken_beyond_a_tenth(labels: list[int]):
    """Without one of the groups taken, val is below a tenth; the last to be taken is one for which that holds."""
    taken = held_out(labels)
    sizes = [taken.count(label) for label in set(taken)]
    assert any((len(taken) - size) * 10 < len(labels) for size in sizes)


@MANY
@given(st.lists(st.integers(0, 2**40), min_size=10, max_size=100, unique=True), st.integers(1, 5))
def test_with_groups_of_one_size_it_is_the_fewest_groups_that_hold_a_tenth(labels: list[int], size: int):
    assert len(held_out(labels * size)) == size * -(-len(labels) // 10)


@MANY
@given(LABELS, st.randoms())
def test_the_order_of_the_examples_plays_no_part(labels: list[int], chance: random.Random):
    shuffled = list(labels)
    chance.shuffle(shuffled)
    assert sorted(held_out(shuffled)) == sorted(held_out(labels))


@MANY
@given(LABELS)
def test_two_calls_agree(labels: list[int]):
    assert held_out(labels) == held_out(labels)


@MANY
@given(st.lists(st.sampled_from([b"aaa", b"bbb", b"ccc", b"ddd", b"eee"]), min_size=5, max_size=60))
def test_copies_of_an_example_are_on_one_side(examples: list[bytes]):
    if len(set(examples)) < 2:
        return
    x = np.asarray([list(example) for example in examples], dtype=np.uint8)
    rows = held_out_rows({"x": x, "y": np.arange(len(x))})
    inside = {examples[row] for row in rows}
    assert all((example in inside) == (row in rows) for row, example in enumerate(examples))


def test_without_groups_the_identity_is_the_first_columns_content():
    x = np.random.default_rng(0).integers(0, 255, (50, 3, 4), dtype=np.uint8)
    alone = held_out_rows({"x": x})
    assert np.array_equal(held_out_rows({"x": x, "y": np.arange(50)}), alone)
    assert not np.array_equal(held_out_rows({"y": np.arange(50), "x": x}), alone)


def test_groups_go_before_the_content():
    labels = np.repeat(np.arange(20), 5)
    rows = held_out_rows({"x": np.arange(100), "group": labels})
    assert len(rows) == 10
    assert len(set(labels[rows])) == 2


def test_examples_of_different_lengths_have_an_identity_too():
    lengths = [1, 2, 3, 1, 2, 3, 4, 5, 6, 7, 8]
    offsets = np.cumsum([0, *lengths])
    rows = held_out_rows({"x": Ragged(np.zeros(offsets[-1]), offsets)})
    taken = {lengths[row] for row in rows}
    assert len(rows) == sum(length in taken for length in lengths) >= 2


def test_names_as_groups_are_kept_whole():
    names = np.asarray(["ann", "bob", "cid", "dan", "eve"] * 4)
    assert len(held_out_rows({"x": np.arange(20), "group": names})) == 4


def test_an_array_that_is_not_contiguous_has_the_same_identities():
    x = np.random.default_rng(0).normal(size=(40, 6))
    assert np.array_equal(held_out_rows({"x": x[:, ::2]}), held_out_rows({"x": x[:, ::2].copy()}))


@pytest.mark.parametrize("labels", [[3], [3, 3, 3, 3]])
def test_one_group_cannot_be_split(labels: list[int]):
    with pytest.raises(DataError, match=f"all {len(labels)} training examples are one group"):
        held_out(labels)


# A few examples of each class


CLASSES = st.lists(st.integers(0, 5), min_size=1, max_size=80).map(np.asarray)
SEEDS = st.integers(0, 2**63 - 1)


@MANY
@given(CLASSES, st.integers(1, 12), SEEDS)
def test_each_class_gives_the_count_or_all_that_it_has(labels: np.ndarray, count: int, seed: int):
    chosen = choose_per_class(labels, count, seed)
    assert np.array_equal(chosen, np.unique(chosen)), "ascending, each once"
    assert np.bincount(labels[chosen]).tolist() == np.minimum(np.bincount(labels), count).tolist()


@MANY
@given(CLASSES, st.integers(1, 6), SEEDS)
def test_a_smaller_count_chooses_a_part_of_what_a_larger_one_does(labels: np.ndarray, count: int, seed: int):
    few, more = (set(choose_per_class(labels, size, seed).tolist()) for size in (count, count + 1))
    assert few <= more


def test_the_choice_depends_on_the_seed_alone():
    labels = np.arange(200) % 2
    chosen = [choose_per_class(labels, 5, seed).tolist() for seed in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2]


def test_every_example_of_a_class_is_chosen_equally_often():
    """Of 10 examples, 2,000 seeds choose each 600 times on average, with a std of 20.5."""
    counts = np.sum([np.isin(np.arange(10), choose_per_class(np.zeros(10, int), 3, seed)) for seed in range(2000)], 0)
    assert np.abs(counts - 600).max() < 5 * 20.5
