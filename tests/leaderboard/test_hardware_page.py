"""The hardware page: medians by machine, multiples of a reference model, and blanks where nothing was measured."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from zoo_leaderboard.board.hardware import HardwarePlace, Speed, Times, speed_against, times_by_place
from zoo_leaderboard.records.trials import summarise_trial
from zoo_leaderboard.site.build import build_site
from zoo_leaderboard.site.hardware import _letters

from zoo_core.results.records import Latency, Load, Record

TIMES = "\N{MULTIPLICATION SIGN}"
A, B = HardwarePlace("cpu", "One", "m1"), HardwarePlace("cpu", "Two", "m2")


def on(record: Record, machine: str, name: str = "A processor", **environment: Any) -> Record:
    """The record as if it came from this machine."""
    return msgspec.structs.replace(
        record,
        id=f"{record.id}-{machine}",
        environment={"machine": machine, **environment},
        device=msgspec.structs.replace(record.device, name=name),
    )


def times(train_s: float | None, latency_ms: float | None = None) -> Times:
    return Times(train_s, latency_ms, None, 1)


def test_times_are_medians_of_the_latest_trial_of_each_seed_on_each_machine(record):
    made = [
        *(on(record(seed=seed, train_s=10.0 + seed), "m1") for seed in range(3)),
        on(record(seed=0, train_s=99.0, minute=5), "m1"),  # seed 0 again, later
        on(record(seed=0, train_s=4.0, minute=6), "m2"),
        on(record(seed=1, train_s=6.0, minute=7, measured_load=Load(cpu_s=9, wall_s=9, trials_beside=1)), "m2"),
        on(record(seed=2, train_s=1.0, minute=8, code="other"), "m2"),
        on(record(seed=3, minute=9, status="error"), "m3"),
    ]
    trials = [summarise_trial(item, item.id) for item in made]
    (found,) = times_by_place(trials, {trials[0].row_text: {trials[0].whole_code}}).values()
    assert {place.machine: (item.train_s, item.trials) for place, item in found.items()} == {
        "m1": (12.0, 3),  # of 99, 11 and 12
        "m2": (4.0, 1),
    }


def test_p95_is_kept_beside_the_median(record):
    one = record(measured_latency=Latency(median_ms=1.0, p95_ms=3.0, n=9))
    trial = summarise_trial(one, "x")
    (found,) = times_by_place([trial], {trial.row_text: {trial.whole_code}}).values()
    assert [(item.latency_ms, item.latency_p95_ms) for item in found.values()] == [(1.0, 3.0)]


def test_an_impossible_p95_is_refused(record):
    trial = summarise_trial(record(measured_latency=Latency(median_ms=1.0, p95_ms=-3.0, n=9)), "x")
    assert (trial.latency_ms, trial.latency_p95_ms) == (1.0, None)
    assert trial.refused_times == "latency_p95_ms -3"


def test_a_machine_is_compared_by_the_geometric_mean_over_common_rows():
    rows = [
        {A: times(1.0), B: times(2.0)},
        {A: times(1.0), B: times(8.0)},
        {A: times(5.0)},
        {A: times(None), B: times(1)},
    ]
    assert speed_against(rows, B, A) == pytest.approx(Speed(4.0, 2))  # sqrt(2 * 8)
    assert speed_against(rows, A, A) == pytest.approx(Speed(1.0, 3))
    assert speed_against([{A: times(1.0)}], B, A) is None


def test_letters_go_on_after_z():
    assert [_letters(number) for number in (0, 25, 26, 51, 52)] == ["A", "Z", "AA", "AZ", "BA"]


def test_the_page_names_the_machines_and_gives_multiples_of_the_reference_and_blanks(record, save, results, tmp_path):
    facts = {
        "cpu": "A <b>chip</b>",
        "cpu_features": ["AVX2"],
        "usable_cores": 4,
        "memory_mib": 16384,
        "system": "Linux",
    }
    save(
        *(on(record(model="zoo-a:ref", seed=s, score=0.9, train_s=10.0), "m1", **facts) for s in range(2)),
        *(on(record(model="zoo-a:big", seed=s, score=0.8, train_s=30.0, minute=1), "m1", **facts) for s in range(2)),
        on(record(model="zoo-a:ref", seed=5, score=0.9, train_s=5.0, minute=2), "m2", "Other"),
    )
    build_site([results], tmp_path / "site")
    page = (tmp_path / "site" / "hardware.html").read_text("utf-8")
    assert "A &lt;b&gt;chip&lt;/b&gt;" in page
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)).replace("&nbsp;", " ")
    assert "A &lt;b&gt;chip&lt;/b&gt; AVX2 4 16 Linux" in text
    assert f"0.5 {TIMES} 1 row" in text  # the second machine needs half the time of the first for `ref`
    assert "Reference: ref" in text
    assert f"big 30 s (3 {TIMES})" in text
    assert page.count('<td class="blank">') == 2  # `big` was not measured on the other machine


def test_a_table_of_several_machines_says_on_which_each_time_was_measured(record, save, results, tmp_path):
    save(
        on(record(model="zoo-a:one", score=0.9, train_s=10.0), "m1", "First"),
        on(record(model="zoo-a:two", score=0.8, train_s=10.0), "m2", "Second"),
    )
    build_site([results], tmp_path / "site")
    (page,) = (tmp_path / "site" / "tasks").glob("*.html")
    text = page.read_text("utf-8")
    assert "on <bdi>First</bdi>" in text
    assert "on <bdi>Second</bdi>" in text


@pytest.mark.parametrize(
    "odd", [{"cpu": 5, "cpu_features": "x", "usable_cores": -1, "memory_mib": True, "versions": []}]
)
def test_odd_facts_of_a_machine_are_unknown(odd, record, save, results, tmp_path):
    save(on(record(train_s=1.0), "m1", **odd))
    built = build_site([results], tmp_path / "site")
    assert built.complete
    (machine,) = built.summaries[0].machines
    assert (machine.cpu, machine.features, machine.cores, machine.memory_mib, machine.torch) == ("", "", None, None, "")
