"""`zoo bench --jobs N`: trials side by side, each on cores and a device of its own, with the same records."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from zoo_core.errors import UsageError
from zoo_core.measure import cores
from zoo_core.measure.environment import Device
from zoo_core.results.records import CurvePoint, Record, decode
from zoo_core.runner import beside, events, jobs, processes
from zoo_core.runner.beside import Beside, Used, used_by
from zoo_core.runner.core_leases import leased_cores
from zoo_core.runner.interrupts import deferred_interrupts
from zoo_core.runner.jobs import Place, Places, find_slots, require_slots, run_trials
from zoo_core.runner.listener import NoDisplay
from zoo_core.runner.loggers import _Both
from zoo_core.runner.request import Request
from zoo_core.ui.progress import LiveDisplay, PlainDisplay

GPUS = [Device(spelling=f"cuda:{n}", kind="cuda", name=name, index=n) for n, name in enumerate(("A", "A", "B"))]


def planned(device: str = "cpu", number: int = 0) -> Any:
    """Stands for a planned trial: only its device is looked at."""
    return Trial(device, number)


class Trial:
    def __init__(self, device: str, number: int) -> None:
        self.device, self.number = device, number


@pytest.fixture
def of_four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "usable_cpus", lambda: frozenset(range(8)))
    monkeypatch.setattr(jobs, "whole_cores", lambda cpus: [(0, 4), (1, 5), (2, 6), (3, 7)])
    monkeypatch.setattr(jobs, "can_pin", lambda: True)
    monkeypatch.setattr(jobs, "replace", lambda trial, device: Trial(device, trial.number))


def test_the_cpus_of_one_core_stay_together(tmp_path: Path) -> None:
    for cpu, siblings in {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}.items():
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{siblings}\n")
    assert cores.whole_cores({0, 1, 2, 3}, tmp_path) == [(0, 2), (1, 3)]
    assert cores.whole_cores({1, 2, 3}, tmp_path) == [(1, 3), (2,)], "of a core that is used in part"
    assert cores.whole_cores({0, 9}, tmp_path / "none") == [(0,), (9,)]


def test_each_trial_gets_an_equal_share_of_the_cores(of_four_cores: None) -> None:
    places = Places(Request(pairs=[], jobs=2))
    taken = [places.take(planned()) for _ in range(2)]
    assert [place for _, place in taken if place] == [Place((0, 4, 1, 5)), Place((2, 6, 3, 7))]  # type: ignore[misc]
    assert not places.has_room
    assert places.own_cores
    places.give_back(planned(), taken[0][1])  # type: ignore[index]
    assert places.has_room


@pytest.mark.parametrize("options", [{"jobs": 5}, {"jobs": 2, "threads": 5}])
def test_trials_that_need_more_cores_than_there_are_share_them(of_four_cores: None, options: Any) -> None:
    places = Places(Request(pairs=[], **options))
    assert not places.own_cores
    _, place = places.take(planned()) or pytest.fail("there is room")
    assert place.cpus == ()
    assert place.max_threads == 8 // options["jobs"], "the automatic choice leaves some for the others"


def test_a_trial_alone_has_the_machine(of_four_cores: None) -> None:
    assert Places(Request(pairs=[])).alone == Place()


def test_a_gpu_is_taken_by_one_trial_at_a_time(of_four_cores: None) -> None:
    slots = {"cuda:0": ("cuda:0", "cuda:1"), "cpu": ("cpu",)}
    places = Places(Request(pairs=[], jobs=3, devices=("cuda:0", "cpu"), slots=slots))
    first, second, third = (places.take(planned("cuda:0")) for _ in range(3))
    assert first is not None
    assert second is not None
    assert {first[0].device, second[0].device} == {"cuda:0", "cuda:1"}
    assert third is None, "there is a core for it, but no GPU"
    assert places.take(planned("cpu")) is not None
    places.give_back(*second)
    again = places.take(planned("cuda:0"))
    assert again is not None
    assert again[0].device == second[0].device


def test_only_like_gpus_stand_for_each_other() -> None:
    assert find_slots(["cuda"], {"cuda:0": "A"}, GPUS) == {"cuda:0": ("cuda:0", "cuda:1")}
    assert find_slots(["auto", "cpu"], {"cuda:0": "A", "cpu": "x"}, GPUS)["cpu"] == ("cpu",)
    assert find_slots(["cuda:1", "cuda:2"], {"cuda:1": "A", "cuda:2": "B"}, GPUS) == {
        "cuda:1": ("cuda:1",),
        "cuda:2": ("cuda:2",),
    }


def test_more_jobs_than_gpus_are_refused_unless_they_may_share(of_four_cores: None) -> None:
    request = Request(pairs=[], jobs=2, devices=["cuda:0"], slots={"cuda:0": ("cuda:0",)})
    with pytest.raises(UsageError, match=r"--jobs 2 .*cuda:0 is there.*--jobs 1, or --share-device"):
        require_slots(request)
    shared = Request(pairs=[], jobs=2, devices=["cuda:0"], slots={"cuda:0": ("cuda:0",)}, share_device=True)
    require_slots(shared)
    places = Places(shared)
    assert [places.take(planned("cuda:0")) is not None for _ in range(2)] == [True, True]


def test_a_device_is_known_by_its_number_in_cuda_visible_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5ab")
    assert [used_by((), name).device for name in ("cuda:0", "cuda:1", "cpu")] == ["cuda:3", "cuda:GPU-5ab", ""]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    one = used_by((0,), "cuda:0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    assert not one.shares_with(used_by((1,), "cuda:0"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert one.shares_with(used_by((1,), "cuda:3"))


def test_trials_on_other_cores_are_counted_apart() -> None:
    one, other, both = Used(frozenset({0})), Used(frozenset({1})), Used(frozenset({0, 1}))
    with beside.announced(one) as seen_by_one, beside.announced(other) as seen_by_other:
        assert seen_by_one() == seen_by_other() == Beside(apart=1)
        with beside.announced(both) as seen_by_both:
            assert seen_by_both() == Beside(sharing=2)
        assert seen_by_one() == Beside(apart=1)


def test_a_core_is_lent_to_one_process_at_a_time() -> None:
    free = cores.whole_cores(cores.usable_cpus())
    with leased_cores(1) as first:
        assert first == free[0]
        with leased_cores(len(cores.usable_cpus())) as all_of_them:
            assert all_of_them == ()
            with leased_cores(1) as other:  # too few cores are not kept
                assert other == (free[1] if len(free) > 1 else ())
    with leased_cores(1) as again:
        assert again == first


def run(trials: list[Any], run_one: Callable[..., None], **options: Any) -> tuple[bool, int]:
    return run_trials(trials, Places(Request(pairs=[], **options)), run_one)


def test_trials_run_side_by_side_and_each_once() -> None:
    together, seen = threading.Barrier(2, timeout=10), []

    def run_one(item: Any, place: Place) -> None:
        together.wait()  # passes only with a second trial beside it
        seen.append(item.number)

    assert run([planned() for _ in range(6)], run_one, jobs=2) == (False, 0)
    assert sorted(seen) == [1, 2, 3, 4, 5, 6]


def test_after_a_signal_no_trial_begins_and_the_running_ones_end_first() -> None:
    begun, ended = [], []

    def run_one(item: Any, place: Place) -> None:
        begun.append(item.number)
        with deferred_interrupts() as interrupts:
            while not interrupts.requested:
                time.sleep(0.01)
                if len(begun) == 2 and item.number == 1:
                    os.kill(os.getpid(), 2)
        ended.append(item.number)

    assert run([planned() for _ in range(5)], run_one, jobs=2) == (True, 3)
    assert sorted(begun) == sorted(ended) == [1, 2]


def test_a_mistake_in_one_thread_ends_the_run_and_is_raised() -> None:
    def run_one(item: Any, place: Place) -> None:
        if item.number == 1:
            raise ZeroDivisionError("a mistake of the zoo")
        with deferred_interrupts() as interrupts:
            while not interrupts.requested:
                time.sleep(0.01)

    with pytest.raises(ZeroDivisionError):
        run([planned() for _ in range(4)], run_one, jobs=2)


class Shown:
    """A planned trial, as displays see it."""

    def __init__(self, name: str) -> None:
        self.name, self.identity = name, (name, "cpu")
        self.task = type("Task", (), {"metric": "mse", "unit": "examples"})()


def test_lines_about_trials_side_by_side_say_which_one_they_are_about(logged_trial: Any) -> None:
    written = io.StringIO()
    display = PlainDisplay(Console(file=written, width=200))
    first, second = Shown("first"), Shown("second")
    display.began(first, 1, 3)  # type: ignore[arg-type]
    display.began(second, 2, 3)  # type: ignore[arg-type]
    display.finished(first, logged_trial.record)  # type: ignore[arg-type]
    display.finished(second, logged_trial.record)  # type: ignore[arg-type]
    lines = written.getvalue().splitlines()
    assert lines[:2] == ["[1/3] first", "[2/3] second"]
    assert lines[2].startswith("[1/3] ok: ")
    assert lines[3].startswith("    ok: ")


def test_a_live_display_has_a_bar_for_each_running_trial(logged_trial: Any) -> None:
    bars = Progress(console=Console(file=io.StringIO()))
    display = LiveDisplay(bars.console, bars)
    first, second = Shown("first"), Shown("second")
    display.began(first, 1, 2)  # type: ignore[arg-type]
    display.began(second, 2, 2)  # type: ignore[arg-type]
    display.on_event(second, events.Progress(step=5, share=0.5, rate=2.0))  # type: ignore[arg-type]
    assert [(bar.description, bar.completed) for bar in bars.tasks[1:]] == [("first", 0), ("second", 0.5)]
    display.finished(first, logged_trial.record)  # type: ignore[arg-type]
    assert [bar.description for bar in bars.tasks] == ["zoo bench", "second"]
    assert bars.tasks[0].completed == 1


def test_loggers_hear_one_trial_after_the_other() -> None:
    heard: list[str] = []

    class Loggers:
        def wait_until_ready(self) -> None: ...

        def began(self, trial: Any, number: int, total: int) -> None:
            heard.append(f"{trial.name} began")

        def evaluated(self, event: Any) -> None:
            heard.append(f"at {event.point.step}")

        def finished(self, record: Any) -> None:
            heard.append(f"{record} finished")

    both = _Both(NoDisplay(), Loggers())  # type: ignore[arg-type]
    trials: list[Any] = [Shown("a"), Shown("b"), Shown("c")]
    for number, trial in enumerate(trials, 1):
        both.began(trial, number, 3)
    for step, trial in enumerate([*trials, *trials], 1):
        both.on_event(trial, events.Evaluated(point=CurvePoint(step=step, seconds=1.0)))
    both.finished(trials[1], "b")  # type: ignore[arg-type]
    assert heard == ["a began", "at 1", "at 4"], "of the others, nothing yet"
    both.finished(trials[0], "a")  # type: ignore[arg-type]
    both.finished(trials[2], "c")  # type: ignore[arg-type]
    assert heard[3:7] == ["a finished", "b began", "at 2", "at 5"]
    assert heard[7:] == ["b finished", "c began", "at 3", "at 6", "c finished"]


def records(folder: Path) -> list[Record]:
    return [decode(path.read_bytes()) for path in sorted(folder.glob("*/*.json"))]


def test_two_jobs_give_the_scores_and_curves_of_one_thread_alone(zoo: Callable[..., Any]) -> None:
    command = ["bench", "cosine", "--model", "mlp", "--seeds", "2", "--max-steps", "30", "--device", "cpu"]
    alone, together = Path("alone"), Path("together")
    assert zoo(*command, "--threads", "1", "--results", alone).code == 0
    done = zoo(*command, "--jobs", "2", "--results", together)
    assert done.code == 0, done.err
    expected = {record.seed: (record.score, [p.val_score for p in record.curve]) for record in records(alone)}
    found = records(together)
    assert {record.seed: (record.score, [p.val_score for p in record.curve]) for record in found} == expected
    loads = [record.measured.load for record in found]
    if len(cores.whole_cores(cores.usable_cpus())) > 1 and cores.can_pin():
        assert all(load and load.trials_beside == 0 for load in loads), "each had cores of its own"
        assert any(load and load.trials_apart for load in loads)
    else:
        assert any(load and load.trials_beside for load in loads)
    assert "2 recorded already" in zoo(*command, "--jobs", "2", "--results", together, "--dry-run").out
    assert not [*together.glob(".staging/*")]


SLEEPY = """
    from zoo_core import ModelSpec, hookimpl

    @hookimpl
    def zoo_models():
        return [ModelSpec(name="sleepy", tasks=("cosine",), entry="zoo_sleepy:sleepy")]

    def sleepy(signature):
        import time
        from torch import nn

        class Net(nn.Linear):
            def forward(self, x):
                if self.training:
                    print("asleep", flush=True)
                    time.sleep(600)
                return super().forward(x)

        return Net(1, 1)
"""


def start_sleepy(folder: Path, plugin: Path, *words: str) -> subprocess.Popen[str]:
    """Start four trials that never end, two at a time."""
    command = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    command += "from zoo_core.cli import main; main()"
    bench = ["bench", "cosine", "--model", "sleepy", "--seeds", "4", "--max-steps", "3", "--device", "cpu"]
    path = os.pathsep.join([str(plugin), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", command, *bench, "--jobs", "2", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_two_asleep(folder: Path) -> None:
    ends = time.monotonic() + 180
    while sum("asleep" in log.read_text() for log in folder.glob("results/.staging/*/log.txt")) < 2:
        assert time.monotonic() < ends
        time.sleep(0.05)


def left_by(pid: int) -> list[int]:
    return [found for found, mark in processes.marks() if mark.startswith(f"{pid}-")]


@pytest.mark.nightly
def test_ctrl_c_records_both_running_trials_and_leaves_no_process(
    tmp_path: Path, make_plugin: Callable[..., Path]
) -> None:
    run = start_sleepy(tmp_path, make_plugin("zoo-sleepy", SLEEPY))
    wait_for_two_asleep(tmp_path)
    run.send_signal(signal.SIGINT)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 130, output
    assert [record.status for record in records(tmp_path / "results")] == ["interrupted"] * 2
    assert left_by(run.pid) == []
    assert not [*tmp_path.glob("results/.staging/*")]


@pytest.mark.nightly
def test_time_limits_and_kill_9_hold_with_two_jobs(tmp_path: Path, make_plugin: Callable[..., Path]) -> None:
    plugin = make_plugin("zoo-sleepy", SLEEPY)
    killed = start_sleepy(tmp_path, plugin)
    wait_for_two_asleep(tmp_path)
    killed.kill()
    killed.communicate()
    ends = time.monotonic() + 5
    while left_by(killed.pid):
        assert time.monotonic() < ends, "all processes end with their parent"
        time.sleep(0.05)
    output, _ = start_sleepy(tmp_path, plugin, "--timeout", "3s").communicate(timeout=300)
    assert [record.status for record in records(tmp_path / "results")] == ["timeout"] * 4, output
    assert not [*tmp_path.glob("results/.staging/*")]
