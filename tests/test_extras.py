"""A fault of `--inspect`, `--onnxruntime` or `--profile` costs what was asked for, never the trial's score."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from zoo_core.results.records import Measured, Record, decode
from zoo_core.runner.events import TrialDone
from zoo_core.runner.executor import WorkerResult
from zoo_core.runner.recording import keep_score

Zoo = Callable[..., Any]

# Models that are sound until an extra builds, copies or runs them; the name says what they do then.
LATE = """
    import os, signal, sys, time
    import numpy as np
    from zoo_core import DatasetSpec, ModelSpec, Signature, TaskSpec, hookimpl

    SPECKS = Signature(input_shape=(1, 8, 8), outputs=2)
    EXTRAS = ("inspect_trial", "measure_onnxruntime", "profile_trial")

    @hookimpl
    def zoo_tasks():
        return [TaskSpec(name="specks", title="S", summary="S", kind="image-classification", datasets=("specks",),
                         metric="accuracy", higher_is_better=True, recipe={"batch_size": 16, "epochs": 1.0})]

    @hookimpl
    def zoo_datasets():
        return [DatasetSpec(name="specks", title="S", origin="exact", licence="CC0-1.0", signature=SPECKS,
                            entry="zoo_late:Specks")]

    @hookimpl
    def zoo_models():
        names = ("exits", "killed", "raises", "hangs", "forges", "fine")
        return [ModelSpec(name=name, tasks=("specks",), entry=f"zoo_late:{name}") for name in names]

    class Specks:
        signature = SPECKS

        def __init__(self, ctx):
            pass

        def load(self, split):
            y = np.arange(48) % 2
            x = np.random.default_rng(len(split)).integers(0, 99, (48, 1, 8, 8)) + 70 * y[:, None, None, None]
            return {"x": x.astype(np.uint8), "y": y}

    def is_extra():
        frame = sys._getframe()
        while frame and frame.f_code.co_name not in EXTRAS:
            frame = frame.f_back
        return frame is not None

    def net(act):
        from torch import nn

        class Net(nn.Sequential):
            def forward(self, x):
                if is_extra():
                    act()
                return super().forward(x)

            def __deepcopy__(self, memo):
                if is_extra():
                    act()
                return self

        if is_extra():
            act()
        return Net(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 2))

    def interrupt():
        raise KeyboardInterrupt("no exception of a program")

    def forge():
        from zoo_core.results.records import Measured
        from zoo_core.runner.events import ExtrasBegan, TrialDone
        frame = sys._getframe()
        while not callable(send := frame.f_locals.get("send")):
            frame = frame.f_back
        send(ExtrasBegan(done=TrialDone(status="ok", measured=Measured(scores={"accuracy": 1.0}), phases={})))
        os._exit(0)

    exits = lambda signature: net(lambda: os._exit(3))
    killed = lambda signature: net(lambda: os.kill(os.getpid(), signal.SIGKILL))
    raises = lambda signature: net(interrupt)
    hangs = lambda signature: net(lambda: time.sleep(600))
    forges = lambda signature: net(forge)
    fine = lambda signature: net(lambda: None)
"""
BENCH = ("bench", "specks", "--device", "cpu", "--threads", "1")
LEFT_OUT = {"--inspect": "inspection", "--onnxruntime": "onnxruntime", "--profile": "profile"}
NEEDS = {"--inspect": "captum", "--onnxruntime": "onnxruntime", "--profile": "torch"}


REASONS = {
    "exits": "the process died in phase extras: exit code 3",
    "killed": "the system killed the process because memory ran out, in phase extras",
    "raises": "KeyboardInterrupt: no exception of a program",
}


def by_model() -> dict[str, Record]:
    found = sorted((decode(path.read_bytes()) for path in Path("results").glob("*/*.json")), key=lambda r: r.started_at)
    return {record.model.name.partition(":")[2]: record for record in found}


def models(*names: str) -> list[str]:
    return [word for name in names for word in ("--model", name)]


def why_missing(record: Record, option: str) -> str:
    """Why a scored trial has no result of the extra."""
    assert (record.status, record.reason) == ("ok", "")
    assert record.score is not None
    assert record.measured.latency is not None
    assert (record.measured.profile, record.measured.onnxruntime) == (None, None)
    assert [*record.measured.left_out] == [LEFT_OUT[option]]
    assert record.phases[-1].name == "extras"
    assert sum(phase.seconds for phase in record.phases) == pytest.approx(record.wall_s, abs=0.5)
    return record.measured.left_out[LEFT_OUT[option]]


@pytest.mark.parametrize("option", LEFT_OUT)
def test_a_trial_that_dies_in_an_extra_keeps_its_score_and_says_what_is_missing(
    zoo: Zoo, make_plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    if find_spec(NEEDS[option]) is None:
        pytest.skip(f"{NEEDS[option]} is not installed")
    make_plugin("zoo-late", LATE)
    monkeypatch.setattr("zoo_core.runner.executor._oom_kills", itertools.count().__next__)  # the kernel killed one more
    names = [*REASONS] if option == "--profile" else ["exits"]
    done = zoo(*BENCH, *models(*names), option)
    assert done.code == 0, done.out
    for name, record in by_model().items():
        assert why_missing(record, option).startswith(REASONS[name])
        assert f"left out of 1 trial: {LEFT_OUT[option]}: {REASONS[name]}" in done.err
    assert f"0 new, {len(names)} recorded already" in zoo(*BENCH, *models(*names), option).out


@pytest.mark.parametrize(
    "option", [*(pytest.param(o, marks=pytest.mark.nightly) for o in [*LEFT_OUT][:2]), "--profile"]
)
def test_a_trial_that_hangs_in_an_extra_keeps_its_score(
    zoo: Zoo, make_plugin: Callable[..., Path], option: str
) -> None:
    make_plugin("zoo-late", LATE)
    assert zoo(*BENCH, *models("hangs"), option, "--timeout", "3s").code == 0
    assert why_missing(by_model()["hangs"], option) == "not done after 3 s, in phase extras"


def test_ctrl_c_in_an_extra_keeps_the_score_and_the_same_command_adds_the_extra_later(
    zoo: Zoo, make_plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_plugin("zoo-late", LATE)
    enter = WorkerResult.enter

    def interrupt(self: WorkerResult, phase: str, now_s: float) -> None:
        enter(self, phase, now_s)
        if phase == "extras" and self.trial_done is None:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(WorkerResult, "enter", interrupt)
        assert zoo(*BENCH, *models("fine", "exits"), "--profile").code == 130
    record = by_model()["fine"]
    assert (record.status, record.measured.left_out, [*by_model()]) == ("ok", {}, ["fine"])
    assert record.score is not None
    assert record.measured.profile is None
    assert "0 new, 1 recorded already" in zoo(*BENCH, *models("fine")).out
    assert "1 new" in zoo(*BENCH, *models("fine"), "--profile").out
    assert by_model()["fine"].measured.profile is not None


def test_results_that_a_trial_forges_in_an_extra_are_no_results(zoo: Zoo, make_plugin: Callable[..., Path]) -> None:
    make_plugin("zoo-late", LATE)
    assert zoo(*BENCH, *models("forges"), "--profile").code == 1
    record = by_model()["forges"]
    assert (record.status, record.score) == ("error", None)
    assert record.reason.startswith("the worker's events cannot be right: the results came twice")


def scored(**changes: Any) -> WorkerResult:
    """A worker that handed its results over, then worked on the extras for two seconds, and ended."""
    done = TrialDone(status="ok", measured=Measured(left_out={"texts": "none"}), phases={"artifacts": 1.0})
    return WorkerResult(before_extras=done, phases={"start": 0.1, "artifacts": 1.2, "extras": 2.0}, **changes)


def test_all_extras_are_left_out_with_the_reason_and_their_time_counts() -> None:
    result = scored()
    keep_score(result, ["inspection", "profile"], "why", "")
    assert result.trial_done is not None
    assert result.trial_done.measured.left_out == {"texts": "none", "inspection": "why", "profile": "why"}
    assert result.trial_done.phases == {"artifacts": 1.0, "extras": 2.0}
    assert result.trial_done.fault == ""


def test_a_fault_of_the_machine_in_an_extra_is_noted_and_after_ctrl_c_nothing_is_left_out() -> None:
    result = scored()
    keep_score(result, ["profile"], "the disk is full", "the disk is full")
    assert result.trial_done is not None
    assert (result.trial_done.status, result.trial_done.fault) == ("ok", "the disk is full")
    result = scored(interrupted=True)
    keep_score(result, ["profile"], "stopped in phase extras", "")
    assert result.trial_done is not None
    assert result.trial_done.measured.left_out == {"texts": "none"}
