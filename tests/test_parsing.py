"""Parsing of durations, seeds, settings and dtypes, and the error for anything else."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zoo_core.errors import UsageError
from zoo_core.ui.parsing import DTYPES, parse_dtype, parse_duration, parse_seeds, parse_settings

MANY = settings(max_examples=40, deadline=None)
SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("10m", 600), ("1.5h", 5400), ("90", 90), ("2 min", 120), (" 5S ", 5), ("0.5", 0.5), ("1H", 3600)],
)
def test_durations_by_hand(text: str, seconds: float):
    assert parse_duration("--budget", text) == seconds


@MANY
@given(st.integers(1, 10**6), st.integers(0, 999), st.sampled_from(list(SECONDS)), st.sampled_from(["", " "]))
def test_a_duration_is_its_number_in_its_unit(whole: int, thousandths: int, unit: str, space: str):
    text = f"{whole}.{thousandths:03d}{space}{unit}"
    assert parse_duration("--budget", text) == pytest.approx((whole + thousandths / 1000) * SECONDS[unit])


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "0.0h", "-5s", "s", "5x", "5 d", "1h30m", "1e3", ".5s", "5.", "nan", "inf"]
)
def test_an_invalid_duration_is_refused_with_the_option_and_examples(text: str):
    with pytest.raises(UsageError) as caught:
        parse_duration("--timeout", text)
    assert str(caught.value) == f"--timeout {text!r} is not a duration: write 60s, 10m or 1.5h"


@MANY
@given(st.text(max_size=10) | st.from_regex(r"[0-9.]{1,400}(s|m|min|h)?", fullmatch=True))
def test_every_text_is_a_positive_finite_duration_or_refused(text: str):
    try:
        seconds = parse_duration("--budget", text)
    except UsageError:
        return
    assert 0 < seconds < math.inf


def test_a_number_too_large_for_a_duration_is_refused():
    with pytest.raises(UsageError):
        parse_duration("--budget", "9" * 400)


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("1", [0]), ("3", [0, 1, 2]), ("0,3,7", [0, 3, 7]), ("7,", [7]), (" 2 , 1 ", [2, 1]), ("3,3", [3])],
)
def test_seeds_by_hand(text: str, seeds: list[int]):
    assert parse_seeds(text) == seeds


@MANY
@given(st.integers(1, 1000))
def test_a_single_number_is_a_count_of_seeds(count: int):
    assert parse_seeds(str(count)) == list(range(count))


@MANY
@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=5, unique=True))
def test_a_list_gives_these_seeds_in_their_order(seeds: list[int]):
    assert parse_seeds(",".join(map(str, seeds)) + ",") == seeds


@pytest.mark.parametrize("text", ["", ",", "0", "-1", "0,-1", "1.5", "a", "1;2", "1,a", "1 2", str(2**63) + ","])
def test_invalid_seeds_are_refused_with_both_forms(text: str):
    with pytest.raises(UsageError) as caught:
        parse_seeds(text)
    assert str(caught.value) == f"--seeds {text!r}: give how many (3) or which (0,3,7)"


@pytest.mark.parametrize("count", [2**62, 2**63, 10**30])
def test_more_seeds_than_any_machine_can_hold_are_refused(count: int):
    with pytest.raises(UsageError):
        parse_seeds(str(count))


KEYS = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=8)
VALUES = st.text(max_size=10).map(str.strip)


@MANY
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_settings_are_keys_and_values(values: dict[str, str]):
    assert parse_settings([f"{key}={value}" for key, value in values.items()]) == values


def test_a_value_may_contain_an_equals_sign_or_be_empty():
    assert parse_settings(["note=a=b", "text="]) == {"note": "a=b", "text": ""}


def test_spaces_around_key_and_value_do_not_count():
    assert parse_settings([" lr = 0.1 "]) == {"lr": "0.1"}


def test_the_last_value_of_a_repeated_key_counts():
    assert parse_settings(["lr=1", "lr=2"]) == {"lr": "2"}


@MANY
@given(st.text(max_size=10))
def test_a_setting_without_a_key_or_an_equals_sign_is_refused_with_an_example(text: str):
    assume("=" not in text)
    for setting in (text, f"={text}", f" ={text}"):
        with pytest.raises(UsageError) as caught:
            parse_settings(["lr=1", setting])
        assert str(caught.value) == f"--set {setting!r}: write key=value, such as --set lr=0.1"


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        ("float32", "float32"),
        ("fp32", "float32"),
        ("BF16", "bfloat16"),
        ("bfloat16", "bfloat16"),
        ("Float32", "float32"),
    ],
)
def test_dtypes_by_hand(text: str, dtype: str):
    assert parse_dtype(text) == dtype


@MANY
@given(st.text(max_size=10))
def test_an_unknown_dtype_is_refused_with_the_known_ones(text: str):
    assume(text.lower() not in DTYPES)
    with pytest.raises(UsageError) as caught:
        parse_dtype(text)
    assert str(caught.value) == f"--dtype {text!r} is not one of float32, fp32, bfloat16, bf16"
