"""The profile of a trial on its page: a table of operators, and where the trace lies."""

from __future__ import annotations

import html
import re

import pytest
from zoo_leaderboard.site.build import build_site

from zoo_core.results.records import ProfileFacts, TableFacts

COLUMNS = ["operator", "calls", "cpu_ms", "share_pct"]


def profile(rows, *, columns=COLUMNS, trace="trace.json.gz"):
    return ProfileFacts(what="time", steps=5, table=TableFacts(columns=columns, rows=rows), trace=trace)


def section(site):
    """The part of the one trial's page that shows its profile."""
    (trial,) = (site / "trials").glob("*.html")
    (found,) = re.findall(r'<section aria-labelledby="profile-title">(.*?)</section>', trial.read_text("utf-8"), re.S)
    return found


def cells(text):
    return [html.unescape(cell) for cell in re.findall(r"<t[hd][^>]*><bdi>(.*?)</bdi></t[hd]>", text)]


def test_the_costliest_operators_are_on_the_trials_page_with_the_place_of_the_trace(record, save, results, tmp_path):
    made = record(measured_profile=profile([["aten::mm", 6.0, 1.25, 62.5], ["outside of operators", 1.0, 0.75, 37.5]]))
    save(made)
    build_site([results], tmp_path / "site")
    text = section(tmp_path / "site")
    assert cells(text)[:4] == ["Operator", "Calls", "CPU (ms)", "Share (%)"]
    assert cells(text)[4:] == ["aten::mm", "6", "1.25", "62.5", "outside of operators", "1", "0.75", "37.5"]
    assert "Costliest operators by time, means per step" in text
    assert f"<bdi>{made.id}/trace.json.gz</bdi>" in text


def test_a_trial_without_a_profile_has_no_such_section(record, save, results, tmp_path):
    save(record())
    build_site([results], tmp_path / "site")
    (trial,) = (tmp_path / "site" / "trials").glob("*.html")
    assert "profile-title" not in trial.read_text("utf-8")


HOSTILE = {
    "markup": profile([["<script>alert(1)</script>", 1, 2.0, 3.0]], trace="<b>/../x"),
    "columns without end": profile([[0] * 500], columns=["<i>"] * 500),
    "rows without end": profile([["aten::mm", 1, 2.0, 3.0]] * 5000),
    "a number without end": profile([["aten::mm", 10**400, float("nan"), None]]),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_profile_is_only_text_and_short(kind, record, save, results, tmp_path):
    save(record(measured_profile=HOSTILE[kind]))
    build_site([results], tmp_path / "site")
    text = section(tmp_path / "site")
    assert "<script>" not in text
    assert "<b>" not in text
    assert "<i>" not in text
    assert len(cells(text)) <= 4 + 4 * 100


def test_a_profile_whose_rows_do_not_fit_is_left_out_and_the_rest_of_the_record_stays(record, save, results, tmp_path):
    save(record(measured_profile=profile([["aten::mm", 1]])))
    build_site([results], tmp_path / "site")
    (trial,) = (tmp_path / "site" / "trials").glob("*.html")
    assert "profile-title" not in trial.read_text("utf-8")
    assert "0.9000" in trial.read_text("utf-8")
