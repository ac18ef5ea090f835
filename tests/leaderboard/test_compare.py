"""Two runs against each other in the terminal: a planted regression is found, noise is not; export and merge."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from zoo_leaderboard.records.merge import merge

from zoo_core.errors import UsageError
from zoo_core.results.records import Latency, Load
from zoo_core.results.store import Store

MODELS, SEEDS = 12, 5


@pytest.fixture
def run(record, tmp_path) -> Callable[..., Path]:
    """A run of twelve models and five seeds with noise of its own, in a folder of its own."""

    def made(name: str, noise_seed: int, worse: str = "", slower: str = "", drift: float = 1.0, **more) -> Path:
        draw = random.Random(noise_seed)
        for number in range(MODELS):
            model = f"zoo-a:m{number:02d}"
            for seed in range(SEEDS):
                score = 0.7 + number / 100 + draw.gauss(0, 0.003) - (0.03 if model == worse else 0)
                train_s = (10 + number) * draw.lognormvariate(0, 0.01) * (1.3 if model == slower else 1) * drift
                latency = Latency(median_ms=draw.lognormvariate(0, 0.01), p95_ms=2.0, n=9)
                about = {"score": score, "train_s": train_s, "measured_latency": latency, "code": name}
                about |= {"environment_machine": "m1"}
                Store(tmp_path / name).save(record(model=model, seed=seed, minute=seed, **about, **more))
        return tmp_path / name

    return made


def test_a_regression_of_the_score_is_found_and_exits_with_1(zoo, run):
    before, after = run("before", 1), run("after", 2, worse="zoo-a:m03")
    ended = zoo("results", "compare", before, after, "--fail-on", "regression")
    assert ended.code == 1
    assert [line for line in ended.out.splitlines() if line.startswith("regression")] == [
        "regression: score of zoo-a:m03 on zoo-a:digits"
    ]


def test_a_slower_model_is_found(zoo, run):
    ended = zoo("results", "compare", run("before", 1), run("after", 2, slower="zoo-a:m05"), "--fail-on", "regression")
    assert (ended.code, "regression: train_s of zoo-a:m05" in ended.out) == (1, True)


@pytest.mark.parametrize("noise", range(3, 9))
def test_noise_is_no_regression(zoo, run, noise):
    ended = zoo("results", "compare", run("before", 1), run("after", noise), "--fail-on", "regression")
    assert (ended.code, ended.out.splitlines()[-1]) == (0, "no regression found in 12 comparisons")


def test_without_fail_on_a_regression_is_printed_and_the_exit_code_is_0(zoo, run):
    ended = zoo("results", "compare", run("before", 1), run("after", 2, worse="zoo-a:m03"))
    assert (ended.code, "regression: score of zoo-a:m03" in ended.out) == (0, True)


def test_a_change_below_what_counts_is_none(zoo, run):
    words = ["--fail-on", "regression", "--least-score", "0.1"]
    assert zoo("results", "compare", run("before", 1), run("after", 2, worse="zoo-a:m03"), *words).code == 0


def failed_trials(folder, record, model, seeds):
    for seed in seeds:
        made = record(model=model, seed=seed, status="crashed", reason="signal 11", minute=90 + seed, code="after")
        Store(folder).save(made)


def regressions(ended):
    compared = json.loads(ended.out)["compared"]
    return [(item["model"], item["failed"], item["regressions"]) for item in compared if item["regressions"]]


def test_a_model_whose_trials_all_fail_where_none_did_is_a_regression(zoo, run, record):
    before, after = run("before", 1), run("after", 2)
    for path in [*after.rglob("*.json")]:
        if '"model":{"name":"zoo-a:m00"' in path.read_text().replace(" ", "").replace("\n", ""):
            path.unlink()
    failed_trials(after, record, "zoo-a:m00", range(SEEDS))
    ended = zoo("results", "compare", before, after, "--json", "--fail-on", "regression")
    assert (ended.code, regressions(ended)) == (1, [("zoo-a:m00", [0, 5], ["failures"])])
    assert "regression: failures of zoo-a:m00" in zoo("results", "compare", before, after).out


def test_one_more_failed_trial_is_counted_and_may_be_chance(zoo, run, record):
    before, after = run("before", 1), run("after", 2)
    failed_trials(after, record, "zoo-a:m00", [5])
    ended = zoo("results", "compare", before, after, "--json", "--fail-on", "regression")
    (item,) = (item for item in json.loads(ended.out)["compared"] if item["model"] == "zoo-a:m00")
    assert (ended.code, item["failed"], item["ended"]) == (0, [0, 1], [5, 6])
    assert (item["failures"]["verdict"], item["failures"]["p_value"]) == ("no change seen", 1.0)
    assert "0/5, 1/6" in zoo("results", "compare", before, after).out


def test_failures_spread_over_many_models_are_a_regression_of_all_together(zoo, run, record):
    before, after = run("before", 1), run("after", 2)
    for number in range(MODELS):
        failed_trials(after, record, f"zoo-a:m{number:02d}", [SEEDS])
    ended = zoo("results", "compare", before, after, "--fail-on", "regression")
    assert ended.code == 1
    assert "regression: failures of all models together, 0 before, 12 after" in ended.out


def test_a_drift_of_all_times_is_told_and_no_regression_and_a_large_one_is(zoo, run):
    before = run("before", 1)
    ended = zoo("results", "compare", before, run("after", 2, drift=1.05), "--fail-on", "regression")
    assert ended.code == 0
    assert "common to all: train_s of 12 models on A processor (machine m1) changed by +" in ended.out
    ended = zoo("results", "compare", before, run("slow", 3, drift=1.3), "--fail-on", "regression")
    assert (ended.code, "regression: train_s of 12 models on A processor" in ended.out) == (1, True)
    ended = zoo(
        "results", "compare", before, run("slower", 3, drift=1.3), "--fail-on", "regression", "--least-shift", 0.5
    )
    assert ended.code == 0


def test_what_could_not_be_judged_is_counted_named_and_may_fail(zoo, record, tmp_path):
    for name in ("before", "after"):
        Store(tmp_path / name).save(record(train_s=10.0, environment_machine=name))
    ended = zoo("results", "compare", tmp_path / "before", tmp_path / "after")
    assert "2 could not be judged" in ended.out
    assert "not judged: score of zoo-a:net on zoo-a:digits: too few seeds" in ended.err
    assert "not judged: train_s of zoo-a:net on zoo-a:digits: measured on different machines" in ended.err
    folders = (tmp_path / "before", tmp_path / "after")
    assert zoo("results", "compare", *folders, "--fail-on", "regression").code == 0
    assert zoo("results", "compare", *folders, "--fail-on", "unjudged").code == 1


@pytest.fixture
def days(record, tmp_path) -> Callable[..., Path]:
    """A folder with three seeds of a model on each of some days; each day has its score and its code."""

    def made(*scores: float, model: str = "zoo-a:net", first_day: int = 1) -> Path:
        for number, score in enumerate(scores, start=first_day):
            for seed in range(3):
                started = f"2026-03-{number:02d}T23:{58 + seed % 2}:0{seed}+00:00"
                about = {"score": score + seed / 1000, "code": f"c0de{number}", "environment_machine": "m1"}
                Store(tmp_path / "days").save(record(model=model, seed=seed, minute=number, started=started, **about))
        return tmp_path / "days"

    return made


def test_without_folders_the_last_two_occasions_are_compared(zoo, days):
    folder = days(0.9, 0.7, 0.8)
    ended = zoo("results", "compare", "--results", folder, "--json")
    (item,) = json.loads(ended.out)["compared"]
    assert [started[:10] for started in item["started_at"]] == ["2026-03-02", "2026-03-03"]
    assert item["score"]["change"] == pytest.approx(0.1)
    assert json.loads(zoo("results", "compare", folder, "--last", "--json").out) == json.loads(ended.out)


@pytest.mark.parametrize("baseline", ["2026-03-01", "c0de1"])
def test_a_baseline_is_named_by_its_day_or_code(zoo, days, baseline):
    ended = zoo("results", "compare", days(0.9, 0.7, 0.8), "--baseline", baseline, "--fail-on", "regression")
    assert (ended.code, "regression: score of zoo-a:net" in ended.out) == (1, True)
    assert "before: trials of 2026-03-01; after: trials of 2026-03-03" in ended.out


def test_models_of_earlier_days_are_left_out_of_the_last_comparison_and_counted(zoo, days):
    days(0.9, 0.7, model="zoo-a:old")
    ended = zoo("results", "compare", days(0.9, 0.7, first_day=8), "--last", "--json")
    found = json.loads(ended.out)
    assert ([item["model"] for item in found["compared"]], found["left_out"]) == (["zoo-a:net"], 1)


def test_one_occasion_an_unknown_baseline_and_too_many_folders_are_refused_in_words(zoo, days, tmp_path):
    folder = days(0.9)
    ended = zoo("results", "compare", folder)
    assert (ended.code, "has an earlier occasion" in ended.err) == (2, True)
    ended = zoo("results", "compare", folder, "--baseline", "2025-01-01")
    assert (ended.code, "there are occasions of 2026-03-01" in " ".join(ended.err.split())) == (2, True)
    ended = zoo("results", "compare", folder, "--baseline", "2026-03-01")
    assert (ended.code, "measured again after it" in " ".join(ended.err.split())) == (2, True)
    assert zoo("results", "compare", folder, folder, "--last").code == 2
    assert zoo("results", "compare", folder, "--last", "--baseline", "2026").code == 2
    assert zoo("results", "compare", tmp_path / "absent").code == 2


def test_disturbed_times_are_not_compared(zoo, run):
    disturbed = Load(cpu_s=4.0, wall_s=10.0)
    after = run("after", 2, slower="zoo-a:m05", measured_load=disturbed)
    ended = zoo("results", "compare", run("before", 1), after, "--json")
    assert not [item for item in json.loads(ended.out)["compared"] if "train_s" in item]


def test_times_of_another_machine_are_not_compared(zoo, run, tmp_path):
    before, after = run("before", 1), run("after", 2, slower="zoo-a:m05")
    for path in after.rglob("*.json"):
        path.write_text(path.read_text().replace('"machine": "m1"', '"machine": "m2"'))
    ended = zoo("results", "compare", before, after, "--json")
    assert not [item for item in json.loads(ended.out)["compared"] if "train_s" in item]


def test_runs_with_nothing_in_common_are_refused(zoo, run, record, tmp_path):
    Store(tmp_path / "other").save(record(task="zoo-b:other"))
    ended = zoo("results", "compare", run("before", 1), tmp_path / "other")
    assert (ended.code, "nothing in common" in ended.err) == (2, True)
    assert zoo("results", "compare", tmp_path / "before", tmp_path / "absent").code == 2


def test_what_only_one_run_has_is_named(zoo, run, record):
    before, after = run("before", 1), run("after", 2)
    Store(after).save(record(model="zoo-a:new"))
    assert "only after: zoo-a:new on zoo-a:digits" in zoo("results", "compare", before, after).err


def test_export_has_a_row_a_trial_and_no_formulas_or_paths(zoo, run, record, tmp_path):
    folder = run("before", 1)
    Store(folder).save(record(status="error", reason="=1+1", seed=7, minute=7))
    ended = zoo("results", "export", folder, "--out", tmp_path / "all.csv")
    assert ended.code == 0
    rows = list(csv.DictReader((tmp_path / "all.csv").read_text().splitlines()))
    assert len(rows) == MODELS * SEEDS + 1
    assert [row["reason"] for row in rows if row["status"] == "error"] == ["'=1+1"]
    assert str(tmp_path) not in (tmp_path / "all.csv").read_text()
    assert zoo("results", "export", folder, "--out", tmp_path / "all.json").code == 0
    trials = json.loads((tmp_path / "all.json").read_text())
    assert trials[0]["recipe"] == {"lr": 0.1}
    assert zoo("results", "export", folder, "--out", tmp_path / "all.xml").code == 2


def test_merge_copies_records_with_their_artifacts_once(zoo, record, tmp_path):
    one, two = record(measured_pictures={"a": "picture-0.png"}), record(seed=1, minute=1)
    Store(tmp_path / "a").save(one)
    Store(tmp_path / "b").save(two)
    Store(tmp_path / "b").save(one)
    kept = Store(tmp_path / "a").artifacts(one)
    kept.mkdir()
    (kept / "picture-0.png").write_bytes(b"picture")
    (kept / "link").symlink_to("/etc/hostname")
    ended = zoo("results", "merge", tmp_path / "a", tmp_path / "b", "--into", tmp_path / "all")
    assert ended.out.strip() == f"{tmp_path / 'all'}: 2 records copied, 1 already there"
    merged = Store(tmp_path / "all")
    assert {item.id for item in merged.read()} == {one.id, two.id}
    assert [path.name for path in merged.artifacts(one).iterdir()] == ["picture-0.png"]
    assert (
        zoo("results", "merge", tmp_path / "a", "--into", tmp_path / "all").out.split(": ")[1].startswith("0 records")
    )


def test_merge_names_an_artifact_that_may_not_be_read_and_copies_its_record(zoo, record, tmp_path, monkeypatch):
    def refuse(source, *_):
        raise PermissionError(13, "Permission denied", str(source))

    one = record(measured_pictures={"a": "picture-0.png"})
    Store(tmp_path / "a").save(one)
    picture = Store(tmp_path / "a").artifacts(one) / "picture-0.png"
    picture.parent.mkdir()
    picture.write_bytes(b"picture")
    monkeypatch.setattr("shutil.copyfile", refuse)
    ended = zoo("results", "merge", tmp_path / "a", "--into", tmp_path / "all")
    assert (ended.code, f"left out {picture}: Permission denied" in ended.err) == (0, True), ended.err
    assert [item.id for item in Store(tmp_path / "all").read()] == [one.id]


def test_merging_a_folder_into_itself_or_from_nowhere_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(UsageError, match="merge into"):
        merge([tmp_path / "a"], tmp_path / "a")
    with pytest.raises(UsageError, match="no results folder"):
        merge([tmp_path / "b"], tmp_path / "a")
