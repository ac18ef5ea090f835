"""A trial whose events come in an order, or at times, of no honest trial is no result, whatever its last event says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import asdict, replace

from zoo_core.results.records import CurvePoint, Latency, Measured
from zoo_core.runner import events
from zoo_core.runner.events import (
    DataOpened,
    DeviceInUse,
    Evaluated,
    ExtrasBegan,
    Facts,
    JobResult,
    ModelSize,
    PhaseBegan,
    Predicted,
    Progress,
    Tampered,
    TorchBuild,
    TrialDone,
    TrialJob,
)
from zoo_core.runner.order import EventOrder

JOB = TrialJob(
    task="zoo-a:t",
    dataset="zoo-a:d",
    model="zoo-a:m",
    fingerprint="f",
    recipe={},
    seed=0,
    device="cpu",
    dtype="float32",
    compiled=False,
    threads=1,
    budget_s=None,
    data_root=None,
    offline=True,
    staging="/nowhere",
    scored_apart=True,
)
FACTS = Facts(
    chance=0.5,
    model=ModelSize(parameters=1, trainable_parameters=1, size_mib=0.1),
    device=DeviceInUse(threads=1),
    environment=TorchBuild(torch="2", cuda=""),
    examples={},
)


def began(*names: str) -> list[events.Event]:
    return [PhaseBegan(name=name) for name in names]


def point(step: int, seconds: float) -> Evaluated:
    return Evaluated(point=CurvePoint(step=step, seconds=seconds))


def opened(**changes: Any) -> DataOpened:
    fields = {"split": "test", "inputs": True, "file": "x.npy", "by": "the model's code", "refused": False}
    return DataOpened(**{**fields, **changes})


def done(**changes: Any) -> TrialDone:
    return TrialDone(status="ok", measured=Measured(**{"steps": 4, "train_s": 3.0, **changes}), phases={})


def honest() -> list[events.Event]:
    """The events of a trial of four steps, with two evaluations."""
    return [
        *began("prepare", "warm-up"),
        FACTS,
        *began("build", "initial score", "train", "features", "train"),
        Progress(step=1, share=0.25, rate=1.0),
        *began("evaluate"),
        point(2, 1.0),
        *began("train"),
        Progress(step=3, share=0.75, rate=1.0),
        *began("evaluate"),
        point(4, 2.0),
        *began("test"),
        opened(),
        Predicted(sha256="s"),
        opened(inputs=False, file="y.npy"),
        *began("measure", "artifacts"),
        done(),
    ]


def with_extras(*between: events.Event, **changes: Any) -> list[events.Event]:
    """The events of the same trial with extras. between: after its results. changes: of the measurements at the end."""
    return [*honest()[:-1], ExtrasBegan(done=done()), *between, *began("extras"), done(**changes)]


def judge(sent: list[events.Event], *, job: Any = JOB, seconds: float = 0.1) -> EventOrder:
    """Judge events that arrive one after another, `seconds` apart."""
    order = EventOrder(job)
    for number, event in enumerate(sent):
        order.see(event, number * seconds)
    return order


def test_an_honest_trial_passes_and_so_do_one_that_is_compiled_and_one_without_val() -> None:
    order = judge(honest())
    assert (order.problem, order.cheat, order.predicted) == ("", "", "s")
    compiled = [*began("prepare", "build", "compile"), FACTS, *honest()[4:]]
    assert judge(compiled).problem == ""
    decoding = [*began("prepare"), opened(), opened(inputs=False), *honest()[1:]]
    assert (judge(decoding).problem, judge(decoding).cheat) == ("", "")
    without_val = [event for event in honest() if event not in began("evaluate", "initial score")]
    assert judge(without_val).problem == ""


def test_a_trial_of_a_kind_that_is_not_scored_apart_hands_no_predictions_over() -> None:
    job = replace(JOB, scored_apart=False)
    assert judge([event for event in honest() if not isinstance(event, Predicted)], job=job).problem == ""
    assert judge(honest(), job=job).problem == "predictions came that nobody had asked for"


def test_other_jobs_are_not_judged() -> None:
    assert judge([done(), done()], job=None).problem == ""
    assert judge([done(), done()], job=events.TryJob(**asdict(JOB))).problem == ""


def without(kind: Any) -> Callable[[list[events.Event]], list[events.Event]]:
    return lambda sent: [event for event in sent if not isinstance(event, kind)]


def without_phase(name: str) -> Callable[[list[events.Event]], list[events.Event]]:
    return lambda sent: [event for event in sent if event != PhaseBegan(name=name)]


def before(kind: Any, *more: events.Event) -> Callable[[list[events.Event]], list[events.Event]]:
    """Insert events before the first one of a kind."""

    def change(sent: list[events.Event]) -> list[events.Event]:
        at = next(index for index, event in enumerate(sent) if isinstance(event, kind))
        return [*sent[:at], *more, *sent[at:]]

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda sent: [done()], "the trial ended as ok in phase start, without prepare"),
        (lambda sent: [*sent, done()], "an event of type TrialDone came after the trial had ended"),
        (lambda sent: [*sent, *began("train")], "an event of type PhaseBegan came after the trial had ended"),
        (lambda sent: [*sent[:-2], sent[-1]], "the trial ended as ok in phase measure, without artifacts"),
        (without_phase("build"), "the trial ended as ok in phase artifacts, without build"),
        (without_phase("measure"), "the trial ended as ok in phase artifacts, without measure"),
        (without(Facts), "the trial ended as ok without the facts about its model"),
        (without(Predicted), "the trial ended as ok without predictions"),
        (
            without(DataOpened),
            "the test split was scored without being opened: the watch of its files was switched off",
        ),
        (without(Evaluated), "the trial claims 4 steps, but its last evaluation was at step 0"),
        (before(Facts, FACTS), "the facts about the model came twice"),
        (before(Facts, *began("test")), "phase build came after phase test"),
        (before(Predicted, Predicted(sha256="a")), "predictions came twice"),
        (before(Facts, Predicted(sha256="a")), "the predictions came in phase warm-up"),
        (before(Facts, point(1, 0.1)), "a point of the curve came in phase warm-up"),
        (before(Facts, Progress(step=1, share=0.1, rate=1.0)), "the progress came in phase warm-up"),
        (before(Progress, Progress(step=3, share=0.1, rate=1.0)), "step 1 came twice"),
        (before(Evaluated, point(3, 0.5)), "a point of the curve at step 2, 1 s came after step 3, 0.5 s"),
        (before(Evaluated, point(1, 1.5)), "a point of the curve at step 2, 1 s came after step 1, 1.5 s"),
        (before(Evaluated, point(1, float("nan"))), "a point of the curve at step 1, nan s came after step 0, 0 s"),
        (before(Facts, JobResult(value=1)), "the result of another job came"),
    ],
)
def test_each_event_out_of_order_is_named(change: Callable[..., list[events.Event]], problem: str) -> None:
    assert judge(change(honest())).problem.startswith(problem)


def test_only_a_trial_that_claims_to_be_ok_must_be_complete() -> None:
    failed = TrialDone(status="error", measured=Measured(), phases={}, reason="ValueError")
    assert judge([*began("prepare"), failed]).problem == ""


def test_results_before_the_extras_are_judged_as_the_end_is_and_extras_add_only_what_they_make() -> None:
    job = replace(JOB, profile="time")
    assert judge(with_extras(), job=job).problem == ""
    added = {"pictures": {"grad-cam": "picture-0.png"}, "left_out": {"profile": "why"}}
    assert judge(with_extras(onnxruntime=Latency(median_ms=1.0, p95_ms=1.0, n=3), **added), job=job).problem == ""
    assert judge(with_extras()[:-2], job=job).problem == ""  # it died there


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        (honest(), "the trial ended as ok in phase artifacts"),
        ([*honest()[:-1], *began("extras"), done()], "the trial ended with other results than before its extras"),
        (with_extras(scores={"accuracy": 1.0}), "the trial ended with other results than before its extras"),
        (with_extras(train_s=2.9), "the trial ended with other results than before its extras"),
        (with_extras(ExtrasBegan(done=done())), "the results came twice"),
        (with_extras(*began("extras"), ExtrasBegan(done=done())), "the results came twice"),
        ([*honest()[:-1], *began("extras"), ExtrasBegan(done=done())], "the trial ended as ok in phase extras"),
        (
            before(DataOpened, ExtrasBegan(done=done()))(honest()),
            "the trial ended as ok in phase test, without measure",
        ),
        ([ExtrasBegan(done=done())], "the trial ended as ok in phase start, without prepare"),
        (
            [*honest()[:-1], ExtrasBegan(done=done(steps=5))],
            "the trial claims 5 steps, but its last evaluation was at step 4",
        ),
        (
            [*honest()[:-1], ExtrasBegan(done=TrialDone(status="error", measured=Measured(), phases={}))],
            "results with the status error came before the extras",
        ),
    ],
)
def test_results_that_come_too_early_twice_or_otherwise_than_at_the_end_are_named(
    sent: list[events.Event], problem: str
) -> None:
    assert judge(sent, job=replace(JOB, onnxruntime=True)).problem.startswith(problem)


def test_a_trial_without_extras_hands_no_results_over_before_its_end() -> None:
    assert judge(with_extras()).problem == "results came before extras that nobody wanted"
    assert judge([*honest()[:-1], *began("extras"), done()]).problem == "the trial ended as ok in phase extras"


@pytest.mark.parametrize(
    ("change", "cheat"),
    [
        (before(Facts, opened()), "the model's code opened the test split in phase warm-up: x.npy"),
        (
            before(Evaluated, opened(file="y.npy", inputs=False)),
            "the model's code opened the test split in phase evaluate",
        ),
        (
            before(Facts, opened(split="train", refused=True)),
            "the model's code opened the train split in phase warm-up",
        ),
        (
            before(Predicted, opened(inputs=False, file="y.npy")),
            "the model's code opened the labels of the test split before its predictions were handed over in",
        ),
        (
            before(Facts, opened(split="", file="t10k-labels", refused=True)),
            "the model's code opened a file from which the data were decoded in phase warm-up: t10k-labels",
        ),
        (
            lambda sent: [*began("prepare"), opened(refused=True)],
            "the model's code opened the test split in phase prepare",
        ),
        (before(Facts, Tampered(name="time.perf_counter")), "the trial's code replaced time.perf_counter"),
    ],
)
def test_what_a_watch_saw_is_a_cheat_of_the_trial(change: Callable[..., list[events.Event]], cheat: str) -> None:
    assert judge(change(honest())).cheat.startswith(cheat)


def test_labels_may_be_opened_with_the_inputs_where_the_kind_is_not_scored_apart() -> None:
    sent = before(Predicted, opened(inputs=False))(honest())
    assert judge(without(Predicted)(sent), job=replace(JOB, scored_apart=False)).cheat == ""


def test_a_training_time_far_below_that_of_the_parent_is_refused_unless_the_parent_did_not_listen() -> None:
    """At one event a second, the parent waits 6 s in `train` and `features`, and 0.8 * 6 - 1 = 3.8 s are enough."""
    enough, less = [*honest()[:-1], done(train_s=3.81)], [*honest()[:-1], done(train_s=3.7)]
    assert judge(enough, seconds=1.0).problem == ""
    assert judge(less, seconds=1.0).problem == "the training time is 3.7 s, but the runner waited 6 s for it"
    order = EventOrder(JOB)
    order.listen(0.5)
    order.listen(9.5)  # stopped with Ctrl-Z for 9 s, of which 1 s may be waiting
    for number, event in enumerate(less):
        order.see(event, number * 1.0)
    assert (order.paused_s, order.problem) == (8.0, "")
