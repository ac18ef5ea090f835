"""Records to tables: groups, rows, order, means and medians that can be worked out by hand."""

from __future__ import annotations

import json
import math
from itertools import permutations

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zoo_leaderboard.board.standing import standings
from zoo_leaderboard.records.keys import RowKey, group_key, row_key
from zoo_leaderboard.records.times import describe_disturbance, describe_latency_disturbance

from zoo_core.results.records import Latency, Load, TimeToTarget

MISSED, NOT_APPLICABLE = TimeToTarget(status="missed"), TimeToTarget(status="not applicable")


def met(seconds):
    return TimeToTarget(status="met", seconds=seconds)


@pytest.fixture
def only_group(boards):
    def group_of(records):
        (board,) = boards(records)
        (group,) = board.groups
        return group

    return group_of


def test_a_row_has_the_mean_and_the_sample_standard_deviation_over_seeds(record, only_group):
    group = only_group([record(seed=seed, score=score) for seed, score in enumerate((0.8, 0.9, 1.0))])
    (row,) = group.frame.to_dict("records")
    assert row["score"] == pytest.approx(0.9)
    assert row["std"] == pytest.approx(0.1)
    assert (row["seed_count"], row["provisional"]) == (3, False)


def test_one_seed_has_no_spread(record, only_group):
    assert math.isnan(only_group([record()]).frame["std"].iloc[0])


@pytest.mark.parametrize(("seeds", "provisional"), [(1, True), (2, True), (3, False)])
def test_fewer_than_three_seeds_are_provisional(record, seeds, provisional, only_group):
    group = only_group([record(seed=seed) for seed in range(seeds)])
    assert bool(group.frame["provisional"].iloc[0]) is provisional


@pytest.mark.parametrize(("higher_is_better", "order"), [(True, ["a", "b", "c"]), (False, ["c", "b", "a"])])
def test_models_are_in_the_order_of_the_metrics_direction(record, higher_is_better, order, only_group):
    scores = {"b": 0.5, "a": 0.7, "c": 0.1}
    group = only_group([record(model=m, score=s, higher_is_better=higher_is_better) for m, s in scores.items()])
    assert list(group.frame["model"]) == order


def test_the_order_of_the_records_does_not_matter(record, only_group):
    records = [record(model=model, score=score) for model, score in (("a", 0.5), ("b", 0.5), ("c", 0.9))]
    orders = {tuple(only_group(list(order)).frame["model"]) for order in permutations(records)}
    assert orders == {("c", "a", "b")}


def test_a_model_with_only_failed_trials_stays_at_the_end_with_its_reason(record, only_group):
    group = only_group(
        [
            record(model="a", status="error", reason="ValueError: no"),
            record(model="b", score=0.1),
            record(model="c", status="timeout", reason="10 s were over", seed=1),
        ]
    )
    assert list(group.frame["model"]) == ["b", "a", "c"]
    assert list(group.frame["reason"])[1:] == ["ValueError: no", "10 s were over"]
    assert list(group.frame["seed_count"]) == [1, 0, 0]
    assert group.frame["score"].isna().tolist() == [False, True, True]


def test_a_group_in_which_all_failed_is_still_there(record, boards):
    (board,) = boards([record(status="diverged", reason="loss is nan")])
    assert list(board.groups[0].frame["model"]) == ["zoo-a:net"]
    assert board.counts == (1, 1, 0)


def test_failed_trials_are_counted_and_enter_no_mean(record, only_group):
    good = [record(seed=seed, score=0.9, train_s=10.0) for seed in range(3)]
    group = only_group([*good, record(seed=3, status="error"), record(seed=4, status="out_of_memory", train_s=900.0)])
    (row,) = group.frame.to_dict("records")
    assert row["statuses"] == {"ok": 3, "error": 1, "out_of_memory": 1}
    assert next(iter(row["statuses"])) == "ok"
    assert (row["score"], row["train_s"], row["seed_count"]) == (pytest.approx(0.9), 10.0, 3)


@pytest.mark.parametrize(
    "other",
    [
        {"fingerprint": "e" * 32},
        {"device": "cuda"},
        {"recipe_class": "quick"},
        {"task_version": 2},
        {"dataset": "zoo-a:copy"},
        {"higher_is_better": False},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_differs_in_any_of_these_is_another_group(record, other, boards):
    (board,) = boards([record(score=0.1), record(score=0.9, **other)])
    assert [len(group.frame) for group in board.groups] == [1, 1]
    assert sorted(group.frame["score"].iloc[0] for group in board.groups) == [0.1, 0.9]


def test_groups_begin_with_the_newest_task_version_then_the_real_data_then_the_default_recipe(record, boards):
    (board,) = boards(
        [
            record(origin="synthetic", dataset="zoo-a:made"),
            record(recipe_class="quick"),
            record(task_version=2, origin="bundled", dataset="zoo-a:small"),
            record(),
        ]
    )
    facts = [(g.newest.task_version, g.newest.origin, g.newest.recipe_class) for g in board.groups]
    assert facts == [
        (2, "bundled", "default"),
        (1, "real", "default"),
        (1, "real", "quick"),
        (1, "synthetic", "default"),
    ]


def test_only_the_latest_trial_of_an_experiment_counts(record, only_group):
    group = only_group([record(score=0.2, minute=0), record(score=0.8, minute=5), record(score=0.4, minute=3)])
    (row,) = group.frame.to_dict("records")
    assert (row["score"], row["seed_count"], row["older_trials"]) == (0.8, 1, 2)


def test_counts_are_whole_numbers_whatever_happened_to_other_trials(record, boards):
    (board,) = boards(
        [
            record(score=0.2, minute=0),
            record(score=0.8, minute=5),
            record(status="skipped", fingerprint="unavailable", minute=1),
            record(model="zoo-a:bad", status="error"),
        ]
    )
    good, bad = standings(board.groups)[board.groups[0].key].rows
    assert [
        repr(value) for value in (good.older_trials, good.timed_trials, good.disturbed_trials, good.met_trials)
    ] == ["1", "1", "0", "0"]
    assert (bad.timed_trials, bad.disturbed_trials, bad.met_trials) == (None, None, None)


def test_an_interrupted_repeat_does_not_take_away_a_result(record, only_group):
    group = only_group([record(score=0.8, minute=0), record(status="interrupted", minute=5)])
    assert group.frame["score"].iloc[0] == 0.8
    assert group.frame["statuses"].iloc[0] == {"ok": 1}


def test_a_failed_repeat_of_the_same_code_does_not_either(record, only_group):
    group = only_group([record(score=0.8, minute=0), record(status="crashed", minute=5)])
    assert (group.frame["score"].iloc[0], group.frame["statuses"].iloc[0]) == (0.8, {"ok": 1})
    assert group.frame["older_trials"].iloc[0] == 1


def test_newer_code_that_fails_takes_away_the_results_of_the_older_code(record, only_group):
    group = only_group([record(score=0.8, minute=0), record(status="crashed", minute=5, code="new")])
    assert math.isnan(group.frame["score"].iloc[0])


def on(record, made, name, index=0):
    """The record on another device of its class."""
    device = msgspec.structs.replace(made.device, name=name, index=index)
    return msgspec.structs.replace(made, device=device, id=f"{made.id}-{name}", key=f"{made.key}-{name}")


def test_one_seed_on_two_devices_of_a_class_is_one_seed(record, only_group):
    made = record(device="cuda", score=0.8)
    group = only_group([on(record, made, "T4"), on(record, record(device="cuda", score=0.9, minute=5), "A100")])
    (row,) = group.frame.to_dict("records")
    assert (row["seed_count"], row["statuses"], row["score"], row["older_trials"]) == (1, {"ok": 1}, 0.9, 1)


def test_an_error_on_another_device_does_not_take_away_the_ok_of_the_seed(record, only_group):
    failed = record(device="cuda", status="out_of_memory", minute=5)
    group = only_group([on(record, record(device="cuda", score=0.8), "A100"), on(record, failed, "T4")])
    (row,) = group.frame.to_dict("records")
    assert (row["score"], row["statuses"]) == (0.8, {"ok": 1})


def test_times_come_from_the_machine_with_the_most_trials_and_the_others_are_counted_and_named(record, only_group):
    slow = [record(seed=seed, minute=seed, train_s=90.0, environment_machine="m2") for seed in (0, 1)]
    fast = [record(seed=seed, train_s=10.0 + seed, environment_machine="m1") for seed in (2, 3, 4)]
    (row,) = only_group([*fast, *slow]).frame.to_dict("records")
    assert (row["seed_count"], row["train_s"], row["timed_trials"]) == (5, 13.0, 3)
    assert row["timed_on"] == "A processor (machine m1)"
    assert (row["elsewhere_trials"], row["elsewhere"]) == (2, "A processor (machine m2)")
    assert row["time_note"] == (
        "times from A processor (machine m1); not those of 2 trials on A processor (machine m2)"
    )


def test_of_two_machines_with_equally_many_trials_the_newest_is_timed(record, only_group):
    trials = [
        record(seed=seed, minute=minute, train_s=time, environment_machine=machine)
        for seed, minute, time, machine in [(0, 0, 10.0, "m1"), (1, 9, 30.0, "m2")]
    ]
    assert only_group(trials).frame["train_s"].iloc[0] == 30.0


def test_a_disturbed_machine_is_not_timed_if_another_was_quiet(record, only_group):
    busy = Load(cpu_s=4.0, wall_s=10.0)
    loud = [
        record(seed=seed, minute=9, train_s=90.0, environment_machine="m2", measured_load=busy) for seed in (0, 1, 2)
    ]
    (row,) = only_group([record(seed=3, train_s=10.0, environment_machine="m1"), *loud]).frame.to_dict("records")
    assert (row["train_s"], row["times_reliable"], row["disturbed_trials"], row["elsewhere_trials"]) == (10, True, 3, 3)


@pytest.mark.parametrize("wrong", [-3.0, 0.0, 1e-12, 1e12, math.inf, math.nan])
def test_a_time_that_cannot_be_true_is_unknown_and_counted_and_the_record_stays(record, only_group, wrong):
    latency = Latency(median_ms=wrong, p95_ms=1.0, n=5)
    more = {"measured_throughput": -1.0, "measured_latency": latency, "target": met(wrong)}
    group = only_group([record(seed=0, train_s=wrong, **more), record(seed=1, train_s=10.0)])
    (row,) = group.frame.to_dict("records")
    assert (row["seed_count"], row["train_s"], row["refused_trials"]) == (2, 10.0, 1)
    assert row["refused_times"].startswith(f"train_s {wrong:g}, target_s {wrong:g}, throughput -1")
    assert f"latency_ms {wrong:g}" in row["refused_times"]
    assert row["time_note"] == f"impossible times in 1 trial, ignored: {row['refused_times']}"
    assert (row["time_to_target"], math.isnan(row["latency_ms"])) == ("not applicable", True)


def test_a_row_without_refused_times_or_other_machines_says_nothing_of_them(record, only_group):
    (row,) = only_group([record(train_s=1.0)]).frame.to_dict("records")
    assert (row["refused_trials"], row["refused_times"], row["elsewhere_trials"], row["elsewhere"]) == (0, "", 0, "")
    assert row["time_note"] == ""


def test_the_latency_is_the_median_of_the_trials_that_were_quiet_while_it_was_measured(record, only_group):
    def measured(median, cpu_s):
        return Latency(median_ms=median, p95_ms=9.0, n=100, wall_s=1.0, cpu_s=cpu_s, involuntary_switches=3)

    trials = [
        record(seed=seed, train_s=10.0, measured_latency=measured(median, cpu_s))
        for seed, median, cpu_s in [(0, 1.0, 0.99), (1, 9.0, 0.4), (2, 2.0, 0.98)]
    ]
    (row,) = only_group(trials).frame.to_dict("records")
    assert (row["latency_ms"], row["train_s"], row["disturbed_trials"], row["latency_reliable"]) == (1.5, 10.0, 0, True)
    (row,) = only_group(trials[1:2]).frame.to_dict("records")
    assert (row["latency_ms"], row["times_reliable"], row["latency_reliable"]) == (9.0, True, False)


@pytest.mark.parametrize(
    ("latency", "reason"),
    [
        ({}, ""),
        ({"wall_s": 1.0, "cpu_s": 0.99, "involuntary_switches": 20}, ""),
        ({"wall_s": 1.0, "cpu_s": 0.5}, "used 50% of a CPU core"),
        ({"wall_s": 0.01, "cpu_s": 0.001}, ""),
        ({"wall_s": 1.0, "cpu_s": 1.0, "involuntary_switches": 239}, "239 involuntary context switches per second"),
        ({"wall_s": 1.0, "cpu_s": 0.5, "wait_s": 0.02}, ""),
        ({"wall_s": 0.1, "cpu_s": 0.1, "wait_s": 0.04}, "waited for a CPU core 40% of the time"),
    ],
)
def test_the_latency_has_a_disturbance_of_its_own(record, latency, reason):
    made = record(measured_latency=Latency(median_ms=1.0, p95_ms=2.0, n=9, **latency))
    assert describe_latency_disturbance(made) == reason
    assert describe_disturbance(made) == ""


@pytest.mark.parametrize(
    ("threads", "cpu_s", "reason"),
    [
        (1, 8.6, ""),
        (2, 15.0, ""),
        (2, 10.0, "used 50% of 2 CPU cores"),
        (4, 30.0, ""),
        (4, 10.0, "used 25% of 4 CPU cores"),
        (16, 12.0, "used 8% of 16 CPU cores"),
        (4, -1.0, ""),
    ],
)
def test_the_cpu_seconds_are_judged_for_each_thread(record, threads, cpu_s, reason):
    made = record(measured_load=Load(cpu_s=cpu_s, wall_s=10.0))
    made = msgspec.structs.replace(made, device=msgspec.structs.replace(made.device, threads=threads))
    assert describe_disturbance(made) == reason


def test_seeds_of_earlier_code_are_not_mixed_with_those_of_later_code(record, only_group):
    old = [record(seed=seed, score=0.2, code="old", minute=seed) for seed in range(3)]
    group = only_group([*old, record(seed=0, score=0.9, code="new", minute=9)])
    (row,) = group.frame.to_dict("records")
    assert (row["score"], row["seed_count"], row["older_trials"]) == (0.9, 1, 3)


def test_a_copied_record_counts_once(record, only_group):
    assert only_group([record(), record()]).frame["seed_count"].iloc[0] == 1


def test_another_recipe_or_dtype_is_another_row_that_says_so(record, only_group):
    group = only_group(
        [
            record(recipe_class="custom", recipe={"lr": 0.1, "epochs": 1}, score=0.3),
            record(recipe_class="custom", recipe={"lr": 0.2, "epochs": 1}, score=0.2),
            record(recipe_class="custom", recipe={"lr": 0.2, "epochs": 1}, score=0.1, dtype="bfloat16", threads=2),
        ]
    )
    assert list(group.frame["variant"]) == ["lr=0.1", "lr=0.2", "bfloat16, 2 threads, lr=0.2"]


def test_versions_of_a_model_are_rows_of_their_own(record, only_group):
    group = only_group([record(model_version=1, score=0.1), record(model_version=2, score=0.2)])
    assert list(group.frame["model_version"]) == [2, 1]
    assert list(group.frame["variant"]) == ["", ""]


@pytest.mark.parametrize(
    ("targets", "status", "seconds"),
    [
        ([met(1.0), met(2.0), met(9.0)], "met", 2.0),
        ([met(1.0), met(2.0), MISSED], "met", 2.0),
        ([met(1.0), MISSED, MISSED], "missed", None),
        ([met(1.0), MISSED], "missed", None),
        ([met(1.0), met(3.0)], "met", 2.0),
        ([NOT_APPLICABLE, NOT_APPLICABLE], "not applicable", None),
        ([NOT_APPLICABLE, met(4.0)], "met", 4.0),
        ([None], "not applicable", None),
    ],
)
def test_a_missed_target_counts_as_infinite_time(record, targets, status, seconds, only_group):
    (row,) = only_group([record(seed=n, target=t) for n, t in enumerate(targets)]).frame.to_dict("records")
    assert row["time_to_target"] == status
    assert (None if math.isnan(row["time_to_target_s"]) else row["time_to_target_s"]) == seconds
    assert row["met_trials"] == sum(target is not None and target.status == "met" for target in targets)


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (Load(cpu_s=9.9, wall_s=10.0, involuntary_switches=20), ""),
        (Load(cpu_s=9.9, wall_s=10.0, trials_beside=1), "1 concurrent trial"),
        (Load(cpu_s=9.9, wall_s=10.0, trials_beside=2), "2 concurrent trials"),
        (Load(cpu_s=5.0, wall_s=10.0), "used 50% of a CPU core"),
        (Load(cpu_s=9.9, wall_s=10.0, involuntary_switches=2390), "239 involuntary context switches per second"),
        (Load(cpu_s=0.01, wall_s=0.1, involuntary_switches=100), ""),
        (Load(cpu_s=6.0, wall_s=10.0, wait_s=0.2, involuntary_switches=2390), ""),
        (Load(cpu_s=6.0, wall_s=10.0, wait_s=3.1), "waited for a CPU core 31% of the time"),
        (Load(cpu_s=3.0, wall_s=10.0, wait_s=0.2), "used 30% of a CPU core"),
        (Load(cpu_s=0.01, wall_s=0.1, wait_s=0.09), ""),
    ],
)
def test_a_busy_machine_is_the_reason_for_unreliable_times(record, load, reason):
    assert describe_disturbance(record(measured_load=load)) == reason


def test_times_and_memory_are_medians_and_the_models_facts_are_kept(record, only_group):
    values = (1.0, 2.0, 9.0)
    group = only_group(
        [
            record(
                seed=seed,
                train_s=value,
                model_parameters=4353,
                model_flops_per_unit=8448,
                model_pretrained_on="ImageNet-1k",
                measured_throughput=value * 10,
                measured_peak_memory_mib=value * 100,
                measured_latency=Latency(median_ms=value / 10, p95_ms=1.0, n=5),
            )
            for seed, value in enumerate(values)
        ]
    )
    (row,) = group.frame.to_dict("records")
    assert (row["train_s"], row["throughput"], row["peak_memory_mib"], row["latency_ms"]) == (2.0, 20.0, 200.0, 0.2)
    assert (row["parameters"], row["flops_per_unit"], row["pretrained_on"]) == (4353, 8448, "ImageNet-1k")


def test_skipped_trials_do_not_count_as_failures(record, boards):
    (board,) = boards([record(), record(status="skipped", reason="no data", fingerprint="unavailable", seed=1)])
    assert (len(board.groups), board.counts) == (1, (1, 0, 1))
    assert [entry.reason for entry in board.skipped] == ["no data"]


def test_a_skipped_trial_that_was_run_since_is_forgotten(record, boards):
    (board,) = boards([record(status="skipped", fingerprint="unavailable"), record(minute=5)])
    assert board.skipped == []


def test_a_task_with_only_skipped_trials_is_a_board_without_groups(record, boards):
    (board,) = boards([record(status="skipped", fingerprint="unavailable")])
    assert (board.groups, board.models) == ([], ["zoo-a:net"])


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # `record` is a function without state
@given(scores=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8, unique=True), higher=st.booleans())
def test_the_first_model_always_has_the_best_score(record, scores, higher, only_group):
    records = [record(model=f"m{n}", score=score, higher_is_better=higher) for n, score in enumerate(scores)]
    best = (max if higher else min)(scores)
    assert only_group(records).frame["score"].iloc[0] == best


def test_a_group_has_the_key_of_its_trials(record, only_group):
    made = record()
    group = only_group([made])
    assert group.key == group_key(made)
    assert (group.key.task, group.key.dataset, group.key.device_class) == ("zoo-a:digits", "zoo-a:digits", "cpu")


def test_keys_are_read_from_their_text_and_groups_of_one_setting_differ_only_in_the_device(record):
    on_cpu, on_cuda = record(), record(device="cuda")
    key = row_key(on_cpu)
    assert RowKey.parse(key.text) == key
    assert json.loads(key.text)[0][-1] == "cpu"
    assert key.group.setting == group_key(on_cuda).setting
    assert key.group != group_key(on_cuda)
    assert key.model == row_key(on_cuda).model
