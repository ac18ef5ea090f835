"""A pair over time: occasions, the best so far, and changes that are more than noise."""

from __future__ import annotations

import pytest
from zoo_leaderboard.board.history import model_histories, score_rows, time_rows
from zoo_leaderboard.records.trials import summarise_trial
from zoo_leaderboard.site.build import build_site

from zoo_core.results.records import Load

NOISE = (-0.002, -0.001, 0.0, 0.001, 0.002)


@pytest.fixture
def day(record):
    """The five trials of one day."""

    def made(number: int, score: float, train_s: float = 10.0, machine: str = "m1", **more):
        return [
            record(
                seed=seed,
                score=score + noise,
                train_s=train_s * (1 + noise),
                minute=seed + 10 * number,
                code=f"code{number}",
                environment_machine=machine,
                started=f"2026-03-{number:02d}T00:0{seed}:00+00:00",
                **more,
            )
            for seed, noise in enumerate(NOISE)
        ]

    return made


def history(records):
    entries = sorted((summarise_trial(record, record.id) for record in records), key=lambda entry: entry.started_at)
    return model_histories(entries)


def test_a_pair_measured_once_has_no_history(day):
    assert history(day(1, 0.9)) == []


def test_occasions_are_days_of_one_code_and_the_best_so_far_is_kept(day):
    (pair,) = history([*day(1, 0.8), *day(2, 0.9), *day(3, 0.85)])
    assert [occasion.score for occasion in pair.occasions] == pytest.approx([0.8, 0.9, 0.85])
    assert [occasion.best for occasion in pair.occasions] == pytest.approx([0.8, 0.9, 0.9])
    assert [row["best"] for row in score_rows(pair)] == pytest.approx([0.8, 0.9, 0.9])


def test_changes_are_marked_where_they_are_more_than_noise(day):
    (pair,) = history([*day(1, 0.8), *day(2, 0.9), *day(3, 0.85), *day(4, 0.8501)])
    verdicts = [occasion.change.verdict if occasion.change else None for occasion in pair.occasions]
    assert verdicts == [None, "improvement", "regression", "no change seen"]
    assert pair.regressions == 1


def test_a_run_across_midnight_is_one_occasion_and_a_repeated_seed_begins_another(record):
    def trial(seed, started, **more):
        return record(seed=seed, started=started, train_s=1.0, environment_machine="m1", **more)

    night = [trial(seed, f"2026-03-0{1 + seed // 2}T{'23:50' if seed < 2 else '00:10'}:00+00:00") for seed in range(4)]
    assert history(night) == []
    again = trial(0, "2026-03-02T00:20:00+00:00", score=0.8, minute=9)
    (pair,) = history([*night, again])
    assert [sorted(item.seed for item in occasion.trials) for occasion in pair.occasions] == [[0, 1, 2, 3], [0]]


def test_marks_of_the_past_stay_when_days_are_added(day):
    days = [day(number, 0.9 if number < 6 else 0.8) for number in range(1, 12)]

    def marks(count):
        (pair,) = history([made for one in days[:count] for made in one])
        return [(one.moment, one.change and one.change.verdict) for one in pair.occasions]

    assert marks(6)[-1][1] == "regression"
    assert all(marks(count) == marks(11)[:count] for count in range(2, 11))


def test_speed_is_compared_on_the_same_machine_only(day):
    slow = day(2, 0.8, train_s=20.0, machine="m2")
    (pair,) = history([*day(1, 0.8, train_s=10.0), *slow, *day(3, 0.8, train_s=15.0)])
    verdicts = [occasion.speed.verdict if occasion.speed else None for occasion in pair.occasions]
    assert verdicts == [None, None, "regression"]
    assert pair.occasions[2].speed.change == pytest.approx(0.5, abs=1e-3)
    assert [row["value"] for row in time_rows(pair)] == pytest.approx([10.0, 20.0, 15.0])
    assert [row["best"] for row in time_rows(pair)] == pytest.approx([10.0, 20.0, 10.0])


def test_disturbed_times_are_no_history(day):
    disturbed = day(2, 0.8, train_s=90.0, measured_load=Load(cpu_s=1.0, wall_s=10.0))
    (pair,) = history([*day(1, 0.8), *disturbed])
    assert (pair.occasions[1].train_s, pair.occasions[1].speed) == (None, None)


def test_the_page_marks_regressions(day, save, results, tmp_path):
    save(*day(1, 0.9), *day(2, 0.8))
    build_site([results], tmp_path / "site")
    (page,) = (tmp_path / "site" / "history").glob("*.html")
    text = page.read_text("utf-8")
    assert "1 regression" in text
    assert "▼ worse" in text
    (task,) = (tmp_path / "site" / "tasks").glob("*.html")
    assert f'href="../history/{page.name}"' in task.read_text("utf-8")


def test_an_occasion_says_what_its_interval_covers_and_stays_in_the_range_of_the_metric(
    record, save, results, tmp_path
):
    scores = {"code1": (0.9, 1.0), "code2": (0.95,)}
    records = [
        record(seed=seed, score=score, code=code, task_metric="mean_iou", minute=int(code[-1]) * 10 + seed)
        for code, of_code in scores.items()
        for seed, score in enumerate(of_code)
    ]
    (pair,) = history(records)
    assert [(occasion.covers, occasion.high) for occasion in pair.occasions] == [("seeds", 1.0), ("", None)]
    save(*records)
    build_site([results], tmp_path / "site")
    (page,) = (tmp_path / "site" / "history").glob("*.html")
    assert page.read_text("utf-8").count("on this test set only") == 1


def test_a_task_without_history_has_no_page_of_it(day, save, results, tmp_path):
    save(*day(1, 0.9))
    build_site([results], tmp_path / "site")
    assert not list((tmp_path / "site" / "history").iterdir())
