"""File names made of names: valid on Windows too, and as before for names that always were."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoo_leaderboard.text.names import file_name

from zoo_core.files import portable

DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE | re.ASCII)
ODD = st.sampled_from(["CON", "nul.txt", "com1.", "LPT9 ", "aux", "Prn.a.b", "..", "", " ", "a.", "a ", "~", "é" * 300])


@given(name=st.text(max_size=300) | ODD | st.tuples(ODD, st.text(max_size=5)).map("".join))
def test_a_file_name_is_valid_on_every_system(name):
    for made, most in ((portable(name), 80), (file_name(name), 69)):
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", made)
        assert len(made) <= most
        assert not DEVICE.match(made)
        assert not made.endswith((".", " "))
        assert portable(made) == made


@pytest.mark.parametrize("name", ["zoo-x--t_1.5", "a", "console", "com", "com10", "nully.txt", "x.con", "LPT", "_con"])
def test_an_ordinary_name_stays_as_it_is(name):
    assert portable(name) == name


@pytest.mark.parametrize(("one", "other"), [("Net", "net"), ("a:b", "a/b"), ("con", "_con"), ("x", "x."), ("x", "x ")])
def test_two_names_get_two_pages_also_where_case_counts_for_nothing(one, other):
    assert file_name(one).casefold() != file_name(other).casefold()
