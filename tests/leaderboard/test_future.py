"""Records of trials that started in the future, by a wrong clock or a forged date: told, and never the latest."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner
from zoo_leaderboard.board.history import model_histories
from zoo_leaderboard.board.tables import current_trials
from zoo_leaderboard.cli.leaderboard import app
from zoo_leaderboard.records.index import cached_head, load_all_trials, load_trials, refresh, scan
from zoo_leaderboard.site.build import build_site

from zoo_core.results import bounds
from zoo_core.results.current import CurrentCode, read_current, save_current

FAR = "2199-01-01T00:00:00.000000+00:00"
TOLD = "in the future"


def ahead(**more: float) -> str:
    return (datetime.now(UTC) + timedelta(**more)).isoformat(timespec="microseconds")


@pytest.fixture
def far(record):
    """The record of a trial of 2199, with another score and the same row and seed as `record()`."""
    return record(score=0.1, minute=9, started=FAR)


def page_of(site, name):
    (page,) = site.glob(f"trials/*{name}*.html")
    return page.read_text("utf-8")


def test_a_record_of_the_future_replaces_no_other(record, far, save, results):
    save(record(), far)
    trials = load_all_trials([results]).trials
    assert [(trial.started_at[:4], trial.future_start[:4]) for trial in trials] == [("", "2199"), ("2026", "")]
    assert [trial.score for trial in current_trials(trials)] == [0.9]


def test_a_record_of_the_future_does_not_say_which_code_is_current(record, save, results):
    save(record(code="new"), record(code="old", minute=9, started=FAR, seed=1))
    assert [trial.code_sha256 for trial in current_trials(load_all_trials([results]).trials)] == ["new"]


def test_a_record_of_the_future_alone_counts(far, save, results):
    save(far)
    assert [trial.score for trial in current_trials(load_all_trials([results]).trials)] == [0.1]


def test_it_is_no_occasion_of_a_history(record, far, save, results):
    save(record(), record(minute=5, score=0.8, environment_machine="other"), far)
    (found,) = model_histories(load_all_trials([results]).trials)
    assert [occasion.score for occasion in found.occasions] == [0.9, 0.8]


@pytest.mark.parametrize(("start", "is_of_future"), [({"hours": 23}, False), ({"hours": 25}, True)])
def test_a_clock_may_be_ahead_by_a_day(start, is_of_future, record, save, results):
    save(record(started=ahead(**start)))
    (trial,) = load_all_trials([results]).trials
    assert bool(trial.future_start) is is_of_future


def test_the_pages_tell_it(record, far, save, results, tmp_path):
    save(record(), far, record(seed=1, status="error", reason="lost", started=FAR, minute=8))
    build_site([results], tmp_path / "site")
    assert TOLD in page_of(tmp_path / "site", "0009")
    assert "2199-01-01 00:00:00 UTC" in page_of(tmp_path / "site", "0009")
    assert TOLD not in page_of(tmp_path / "site", "0000")
    (page,) = (tmp_path / "site").glob("tasks/*.html")
    assert page.read_text("utf-8").count(TOLD) >= 1


def test_when_the_day_comes_the_pages_are_made_again(record, save, results, tmp_path, monkeypatch):
    save(record(), record(score=0.1, minute=9, started=ahead(days=3)))
    site = tmp_path / "site"
    build_site([results], site)
    assert build_site([results], site).rendered == 0
    (shard,) = scan([results])
    assert cached_head(shard) is not None
    monkeypatch.setattr(bounds, "FAST_CLOCK", timedelta(days=4))  # as if three days had passed
    assert cached_head(shard) is None
    assert [trial.future_start for trial in load_trials(shard)] == ["", ""]
    assert build_site([results], site).rendered > 0
    (data,) = site.glob("data/zoo-a--digits-*.json")
    (group,) = json.loads(data.read_text())["groups"]
    assert group["models"][0]["score"] == 0.1
    assert TOLD not in page_of(site, "0009")
    assert refresh(shard).future == []


def test_a_note_of_the_future_is_named_and_has_no_influence(record, save, results, tmp_path):
    store = save(record())
    task = store.task_folder("zoo-a:digits")
    note = CurrentCode(task="zoo-a:digits", dataset="zoo-a:digits", model="zoo-a:net", code_sha256="x", asked_at=FAR)
    save_current(store, note)
    ran = CliRunner().invoke(app, ["build", str(results), "--out", str(tmp_path / "site")])
    assert ran.exit_code == 0
    assert "lies in the future" in ran.stderr
    (path,) = (task / "current").glob("*.json")
    (data,) = (tmp_path / "site").glob("data/zoo-a--digits-*.json")
    assert [row["stale"] for group in json.loads(data.read_text())["groups"] for row in group["models"]] == [""]
    save_current(
        store,
        CurrentCode(
            **{name: getattr(note, name) for name in ("task", "dataset", "model")},
            code_sha256="y",
            asked_at="2026-01-03T00:00:00+00:00",
        ),
    )
    assert [getattr(item, "code_sha256", item) for item in read_current(task)] == ["y"], f"{path.name} is replaced"
