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

    def made(name: str, noise_seed: int, worse: str = "", slower: str = "", **more) -> Path:
        draw = random.Random(noise_seed)
        for number in range(MODELS):
            model = f"zoo-a:m{number:02d}"
            for seed in range(SEEDS):
                score = 0.7 + number / 100 + draw.gauss(0, 0.003) - (0.03 if model == worse else 0)
                train_s = (10 + number) * draw.lognormvariate(0, 0.01) * (1.3 if model == slower else 1)
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


def test_trials_that_fail_where_none_did_are_a_regression(zoo, run, record):
    before, after = run("before", 1), run("after", 2)
    Store(after).save(record(model="zoo-a:m00", seed=5, status="crashed", reason="signal 11", minute=9, code="after"))
    ended = zoo("results", "compare", before, after, "--json", "--fail-on", "regression")
    assert ended.code == 1
    found = [item for item in json.loads(ended.out)["compared"] if item["regressions"]]
    assert [(item["model"], item["failed"], item["regressions"]) for item in found] == [
        ("zoo-a:m00", [0, 1], ["failures"])
    ]


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


def test_merging_a_folder_into_itself_or_from_nowhere_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(UsageError, match="merge into"):
        merge([tmp_path / "a"], tmp_path / "a")
    with pytest.raises(UsageError, match="no results folder"):
        merge([tmp_path / "b"], tmp_path / "a")
