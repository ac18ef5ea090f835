"""Text of numbers, scores, seconds, values and tables."""

from __future__ import annotations

from typing import Any

import pytest

from zoo_core.ui.formats import (
    align_rows,
    bare_name,
    format_cell,
    format_count,
    format_number,
    format_score,
    format_seconds,
    format_value,
    html_table,
    short_names,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0, "0.0000"), (0.98765, "0.9877"), (-12.5, "-12.5000"), (0.00012345, "1.23e-04")],
)
def test_a_score_has_four_decimals_or_an_exponent(value: float | None, text: str) -> None:
    assert format_score(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.00992, "0.00992 s"),
        (99.94, "99.9 s"),
        (100, "1 min 40 s"),
        (3599.4, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_seconds_are_shown_in_the_unit_that_suits_them(value: float | None, text: str) -> None:
    assert format_seconds(value) == text


def test_a_number_has_the_given_significant_digits() -> None:
    assert [format_number(1234.567), format_number(1234.567, 3), format_number(None)] == ["1235", "1.23e+03", "-"]


def test_a_count_of_one_has_a_noun_in_the_singular() -> None:
    assert [format_count(count, "trial") for count in (0, 1, 2)] == ["0 trials", "1 trial", "2 trials"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ("", "-"),
        ([], "-"),
        ({}, "-"),
        (0, "0"),
        (False, "False"),
        (["a", 1, None], "a, 1, -"),
        ({"a": [1, 2], "b": None, "c": {"d": "e"}}, "a: 1, 2; c: d: e"),
        (0.123456789, "0.123456789"),
    ],
)
def test_a_json_value_is_one_line_of_text(value: Any, text: str) -> None:
    assert format_value(value) == text


def test_a_measured_cell_has_five_digits() -> None:
    assert [format_cell(value) for value in (0.123456789, 123456, "x", None)] == ["0.12346", "123456", "x", "-"]


def test_a_bare_name_has_no_plugin() -> None:
    assert [bare_name(name) for name in ("zoo-mnist:cnn", "cnn")] == ["cnn", "cnn"]


def test_columns_are_aligned_without_spaces_at_the_end() -> None:
    assert align_rows([["a", "b"], ["longer", "c"]]) == ["a       b", "longer  c"]


def test_a_cell_of_an_html_table_is_escaped() -> None:
    assert html_table(["<a>"], [["b & c"]]) == (
        "<table><thead><tr><th>&lt;a&gt;</th></tr></thead><tbody><tr><td>b &amp; c</td></tr></tbody></table>"
    )


def test_names_have_their_plugin_only_where_two_would_look_the_same() -> None:
    assert short_names(["zoo-a:net", "zoo-b:net", "zoo-a:mlp", "bare"]) == {
        "zoo-a:net": "zoo-a:net",
        "zoo-b:net": "zoo-b:net",
        "zoo-a:mlp": "mlp",
        "bare": "bare",
    }
