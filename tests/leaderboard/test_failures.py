"""Why a run failed: the reason at the top of the task's page, with a link to the trial."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from zoo_leaderboard.site.build import build_site
from zoo_leaderboard.site.failures import MAX_REASONS


@pytest.fixture
def page(results, tmp_path):
    """Build the site; returns the task's page."""

    def built(**options) -> str:
        build_site([results], tmp_path / "site", **options)
        (path,) = (tmp_path / "site" / "tasks").glob("*.html")
        return path.read_text("utf-8")

    return built


def alert(page: str) -> str:
    return page.partition('<section class="alert"')[2].partition("</section>")[0]


def text_of(part: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", part.partition(">")[2]))


def test_equal_reasons_are_one_line_with_their_number_and_a_link_to_the_newest_trial(record, save, page, tmp_path):
    why = {"status": "timeout", "reason": "the trial took longer than 600 s", "score": None}
    newest = record(model="zoo-a:big", seed=1, minute=5, **why)
    save(record(), record(model="zoo-a:big", seed=0, minute=4, **why), newest)
    part = alert(page())
    assert "2 failed trials big , 2 trials: timeout the trial took longer than 600 s Output and traceback" in text_of(
        part
    )
    (link,) = re.findall(r'href="\.\./(trials/[^"]+)"', part)
    assert newest.id in (tmp_path / "site" / link).read_text("utf-8")


def test_the_reason_comes_before_the_table_and_leads_from_the_row_too(record, save, page):
    save(record(), record(model="zoo-a:bad", status="error", reason="ValueError: <b>3</b> channels", score=None))
    found = page()
    assert found.index("ValueError: &lt;b&gt;3&lt;/b&gt; channels") < found.index('<table class="board"')
    row = found.partition('class="unscored"')[2].partition("</tr>")[0]
    assert re.search(r'<a href="\.\./trials/[^"]+"><bdi>ValueError: &lt;b&gt;3', row)


def test_many_reasons_are_cut_and_counted_the_most_frequent_first(record, save, page):
    failed = [record(model=f"zoo-a:m{n}", seed=n, status="error", reason=f"reason {n}", score=None) for n in range(9)]
    often = [record(model="zoo-a:often", seed=n, status="crashed", reason="signal 11", score=None) for n in range(3)]
    save(*failed, *often)
    text = text_of(alert(page()))
    assert text.startswith(" 12 failed trials often , 3 trials: crashed signal 11")
    assert text.count("reason ") == MAX_REASONS - 1
    assert f"{9 - MAX_REASONS + 1} more with other reasons" in text


def test_a_failure_without_a_page_has_no_link(record, save, page):
    save(record(minute=9), record(model="zoo-a:bad", status="error", reason="planted", score=None))
    assert "<a " not in alert(page(trial_pages=0))


def test_skipped_trials_are_no_failures(record, save, page):
    save(record(), record(seed=1, status="skipped", reason="no data", score=None))
    assert alert(page()) == ""


def test_no_failure_is_no_alert_on_the_index(record, save, page, tmp_path: Path):
    save(record())
    page()
    assert 'class="alert"' not in (tmp_path / "site" / "index.html").read_text("utf-8")
