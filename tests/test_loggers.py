"""Loggers get what the record says, and none of them can change a record, an exit code or the length of a run."""

from __future__ import annotations

import json
import os
import posixpath
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import zoo_core as zoo_api
from zoo_core.checks import CheckFailedError, Subject
from zoo_core.checks.plugin import PluginSubject
from zoo_core.checks.plugin import loggers as check_loggers
from zoo_core.errors import InvalidSpecError
from zoo_core.loggers import (
    CurvePoint,
    TrialBegan,
    numbers_of_point,
    numbers_of_record,
    params_of,
    plain_value,
    safe_name,
)
from zoo_core.registry import Registry
from zoo_core.registry.validate import validate_spec
from zoo_core.results.records import Record, decode, encode, encode_line
from zoo_core.runner import logger_process
from zoo_core.runner.events import Evaluated
from zoo_core.runner.log_calls import NICENESS, End, TrialEnded, calls_file, load_ended, read_calls
from zoo_core.runner.loggers import _Both
from zoo_core.runner.request import LogTarget, Request, without_log_targets
from zoo_core.runner.run import Outcome
from zoo_core.runner.start import Worker
from zoo_core.specs import LoggerSpec
from zoo_core.ui.faults import print_logged

Zoo = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[1]

PLANTED = """
    import ctypes, json, os, time
    from pathlib import Path
    import msgspec
    from zoo_core import LoggerSpec, hookimpl

    @hookimpl
    def zoo_loggers():
        target = "words"
        yield LoggerSpec(name="lines", summary="One line a call", target="a file", entry=f"{__name__}:Lines")
        for name in ("Raises", "Hangs", "HoldsTheLock", "Ends", "Prints"):
            yield LoggerSpec(name=name.lower(), summary="", target=target, entry=f"{__name__}:{name}")
        yield LoggerSpec(name="lacking", summary="", needs=("no-such-package",), entry=f"{__name__}:Lines")
        yield LoggerSpec(name="absent", summary="", entry="zoo_planted_elsewhere:Lines")

    class Lines:
        def __init__(self, target):
            self.path = Path(target)
            self.write("made", os.getpid())

        def began(self, trial):
            self.write("began", msgspec.to_builtins(trial))

        def evaluated(self, point):
            self.write("evaluated", msgspec.to_builtins(point))

        def finished(self, record, files):
            self.write("finished", msgspec.to_builtins(record))
            self.write("files", [str(files.record), {name: str(path) for name, path in files.pictures.items()}])

        def close(self):
            self.write("close", None)
            return f"the file {self.path.name}"

        def write(self, what, value):
            with self.path.open("a") as file:
                file.write(json.dumps([what, value]) + "\\n")

    class Bad:
        def __init__(self, target):
            self.method = target
            self.reach("made")
        def began(self, trial):
            self.reach("began")
        def evaluated(self, point):
            self.reach("evaluated")
        def finished(self, record, files):
            self.reach("finished")
        def close(self):
            self.reach("close")
            return self.method
        def reach(self, method):
            if method == self.method:
                self.misbehave()

    class Raises(Bad):
        def misbehave(self):
            raise RuntimeError(f"out of paper in {self.method}")

    class Ends(Bad):
        def misbehave(self):
            os._exit(3)

    class Hangs(Bad):
        def misbehave(self):
            time.sleep(1000)

    class HoldsTheLock(Bad):
        def misbehave(self):
            Path("held").write_text(str(os.getpid()))
            ctypes.PyDLL(None).sleep(1000)  # compiled code that keeps Python's lock: no other thread can run

    class Prints(Bad):
        def misbehave(self):
            os.system("echo from a child")
            for _ in range(30_000):
                print("x" * 99)
"""
METHODS = ("made", "began", "evaluated", "finished", "close")
BENCH = ("bench", "cosine", "--model", "mlp", "--device", "cpu", "--max-steps", "60")


@pytest.fixture
def planted(make_plugin: Callable[..., Path]) -> None:
    make_plugin("zoo-planted", PLANTED)


def records_in(folder: Path) -> list[Record]:
    return [decode(path.read_bytes()) for path in sorted(folder.glob("*/*.json"))]


def calls_in(file: Path) -> list[tuple[str, Any]]:
    return [(what, value) for what, value in map(json.loads, file.read_text().splitlines())]


def result_of(record: Record) -> tuple[Any, ...]:
    """What must be the same with and without loggers: all but times."""
    points = [(point.step, point.train_loss, point.train_score, point.val_score) for point in record.curve]
    return record.key, record.status, record.reason, record.measured.scores, record.measured.val_scores, points


# what a logger gets


def test_a_logger_gets_the_start_the_curve_and_the_record_of_each_trial(planted: None, zoo: Zoo, tmp_path: Path):
    done = zoo(*BENCH, "--seeds", "2", "--log", "lines=calls.txt")
    assert done.code == 0, done.err
    assert "logged to lines: the file calls.txt" in done.err
    calls = calls_in(tmp_path / "calls.txt")
    records = sorted(records_in(tmp_path / "results"), key=lambda record: record.seed)
    length = len(records[0].curve)
    one_trial = ["began", *["evaluated"] * length, "finished", "files"]
    assert length > 3
    assert [what for what, _ in calls] == ["made", *one_trial, *one_trial, "close"]
    for seed, record in enumerate(records):
        values = [value for _, value in calls[1 + seed * (length + 3) :]]
        began, points, ended, (path, pictures) = (
            values[0],
            values[1 : length + 1],
            values[length + 1],
            values[length + 2],
        )
        assert (began["seed"], began["number"], began["total"]) == (seed, seed + 1, 2)
        assert (began["key"], began["recipe"], began["overrides"]) == (record.key, record.recipe, ["steps"])
        assert began["model"]["name"] == record.model.name
        assert [CurvePoint(**point) for point in points] == record.curve
        assert json.loads(encode(record)) == ended == json.loads(Path(path).read_bytes())
        assert {name: Path(file).name for name, file in pictures.items()} == record.measured.pictures
        assert all(Path(file).is_file() for file in pictures.values())


def test_a_failed_trial_is_logged_with_its_status_and_the_exit_code_is_that_of_the_trial(
    planted: None, zoo: Zoo, tmp_path: Path
):
    done = zoo(*BENCH, "--set", "lr=1e30", "--log", "lines=calls.txt")
    (record,) = records_in(tmp_path / "results")
    assert (done.code, record.status) == (1, "diverged")
    (ended,) = [value for what, value in calls_in(tmp_path / "calls.txt") if what == "finished"]
    assert (ended["id"], ended["status"], ended["reason"]) == (record.id, "diverged", record.reason)


def test_a_script_names_loggers_too_and_recorded_trials_are_not_logged_again(
    planted: None, zoo: Zoo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    def bench() -> None:
        zoo_api.bench("cosine", model="mlp", max_steps=5, device="cpu", log="lines=calls.txt", progress=False)

    bench()
    calls = calls_in(tmp_path / "calls.txt")
    assert [what for what, _ in calls][:2] == ["made", "began"]
    assert "logged to lines" in capsys.readouterr().err
    (record,) = records_in(tmp_path / "results")
    assert "log=['lines']" in record.command
    bench()
    assert "nothing was logged, because no trial ran: --force" in capsys.readouterr().err
    assert calls_in(tmp_path / "calls.txt") == calls


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ({"new": ["ok"]}, "logged to lines: calls.txt"),
        ({"new": ["skipped"]}, "warning: nothing was logged, because no trial ran"),
        ({"new": ["skipped"], "refused": ["skipped"]}, "logged to lines: calls.txt"),
        ({"recorded": ["ok"]}, "warning: nothing was logged, because no trial ran: --force runs recorded trials again"),
        ({"new": ["skipped"], "interrupted": True}, ""),
    ],
)
def test_a_run_says_where_it_was_logged_only_if_a_trial_ran(
    outcome: dict[str, Any], said: str, logged_trial: Any, capsys: pytest.CaptureFixture[str]
):
    records = {
        name: [replace(logged_trial.record, status=status) for status in value]
        for name, value in outcome.items()
        if isinstance(value, list)
    }
    target: Any = object()
    ended = Outcome(**{**outcome, **records}, logged=[("lines", "calls.txt")])
    print_logged(Request(pairs=(), loggers=(target,)), ended)
    assert capsys.readouterr().err.strip() == said


def test_a_logger_that_is_still_starting_when_the_trials_begin_gets_low_priority(tmp_path: Path):
    process = logger_process.LoggerProcess(LogTarget(LoggerSpec(name="slow", summary="", entry="m:m")), tmp_path)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as slow:
        seen: Any = psutil.Process(slow.pid)
        process._worker = Worker(process=slow, inbox=None, mark="", seen=seen)  # type: ignore[arg-type]
        process.lower_priority()
        assert seen.nice() == NICENESS
        slow.kill()


def test_the_target_of_a_logger_is_in_no_record(planted: None, zoo: Zoo, tmp_path: Path):
    assert zoo(*BENCH, "--log", f"lines={tmp_path / 'password'}").code == 0
    (record,) = records_in(tmp_path / "results")
    assert record.command.endswith("--log lines")
    assert b"password" not in encode(record)
    assert without_log_targets(["zoo", "--log=lines=password"], ["lines=password"]) == ["zoo", "--log=lines"]


# loggers that misbehave


def warnings_about_loggers(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [message for message in caplog.messages if message.startswith("warning: logger")]
    assert all("trials and records are not affected" in message for message in found)
    return found


def test_loggers_that_raise_end_or_are_missing_cost_one_warning_each_and_change_nothing(
    planted: None, zoo: Zoo, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    plain = zoo(*BENCH, "--results", "plain")
    expected = {
        **{f"raises={method}": f"logger raises: RuntimeError: out of paper in {method}" for method in METHODS},
        "ends=evaluated": "logger ends: its process ended: exit code 3",
        "lacking": "logger lacking: it needs no-such-package: pip install no-such-package",
        "absent": "there is no module zoo_planted_elsewhere",
    }
    words = [word for name in (*expected, "lines=calls.txt", "prints=began") for word in ("--log", name)]
    logged = zoo(*BENCH, *words)
    assert (plain.code, logged.code) == (0, 0), logged.err
    assert list(map(result_of, records_in(Path("plain")))) == list(map(result_of, records_in(Path("results"))))
    assert [what for what, _ in calls_in(tmp_path / "calls.txt")][-1] == "close"
    warnings = warnings_about_loggers(caplog)
    assert len(warnings) == len(expected), warnings
    for words in expected.values():
        assert [words in warning for warning in warnings].count(True) == 1, words
    assert "xxx" not in logged.out + logged.err
    assert "from a child" not in logged.out + logged.err


def test_loggers_that_hang_cost_one_warning_each_and_are_ended(
    planted: None, zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("ZOO_LOG_LIMIT", "3")
    hanging = ("hangs=made", "holdsthelock=evaluated")
    done = zoo(*BENCH, *(word for name in (*hanging, "lines=calls.txt") for word in ("--log", name)))
    assert done.code == 0
    warnings = warnings_about_loggers(caplog)
    assert [warning.split(":")[1] for warning in warnings] == [" logger hangs", " logger holdsthelock"]
    assert all("it was not done 3 s after the last trial" in warning for warning in warnings)
    assert [what for what, _ in calls_in(tmp_path / "calls.txt")][-1] == "close"
    assert not psutil.pid_exists(int(Path("held").read_text()))
    (record,) = records_in(tmp_path / "results")
    assert record.status == "ok"


def test_a_logger_that_falls_far_behind_is_given_up(
    planted: None, zoo: Zoo, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("ZOO_LOG_LIMIT", "1")
    monkeypatch.setattr(logger_process, "MAX_WAITING_MIB", 0)
    assert zoo(*BENCH, "--seeds", "2", "--log", "hangs=began").code == 0
    (warning,) = warnings_about_loggers(caplog)
    assert "it is too slow: more than 0 MiB wait for it" in warning


def start_bench(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "zoo_core", *BENCH, *words]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE)


def wait_for(condition: Callable[[], object], limit_s: float = 30.0) -> None:
    ends = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.mark.nightly
def test_after_kill_9_no_logger_is_left_although_it_hangs_in_compiled_code(planted: None, tmp_path: Path):
    running, held = start_bench(tmp_path, "--log", "holdsthelock=made"), tmp_path / "held"
    try:
        wait_for(lambda: held.exists() and held.read_text())
    finally:
        running.kill()
        running.communicate()
    wait_for(lambda: not psutil.pid_exists(int(held.read_text())), 10)


@pytest.mark.nightly
@pytest.mark.slow
def test_after_ctrl_c_the_logger_gets_the_record_of_the_interrupted_trial(planted: None, tmp_path: Path):
    calls = tmp_path / "calls.txt"
    running = start_bench(tmp_path, "--max-steps", "100000000", "--set", "eval_every=1", "--log", "lines=calls.txt")
    try:
        wait_for(lambda: calls.exists() and "evaluated" in calls.read_text())
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=30)
    finally:
        running.kill()
    (record,) = records_in(tmp_path / "results")
    assert (running.returncode, record.status) == (130, "interrupted")
    found = calls_in(calls)
    assert [value["id"] for what, value in found if what == "finished"] == [record.id]
    assert found[-1][0] == "close"
    assert not (tmp_path / "results" / ".staging").exists()


# names


def test_an_unknown_logger_is_refused_with_near_names(planted: None, zoo: Zoo, tmp_path: Path):
    done = zoo(*BENCH, "--log", "line")
    assert done.code == 2
    assert "unknown logger 'line': did you mean lines?" in done.err
    assert "zoo list loggers" in done.err
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("lacking=somewhere", "logger lacking takes no target, so give --log lacking"),
        ("lines=", "the target is empty; give a file, or only --log lines"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(word: str, reason: str, planted: None, zoo: Zoo):
    done = zoo(*BENCH, "--log", word)
    assert (done.code, reason in done.err) == (2, True), done.err


def test_loggers_are_listed_with_what_they_lack(planted: None, zoo: Zoo):
    rows = {row["logger"]: row for row in json.loads(zoo("list", "loggers", "l*", "--json").out)}
    assert set(rows) == {"lines", "lacking"}
    assert rows["lines"] == {
        "logger": "lines",
        "summary": "One line a call",
        "target": "a file",
        "missing": [],
        "plugin": "zoo-planted",
    }
    assert rows["lacking"]["missing"] == ["no-such-package"]


def test_the_check_of_a_plugin_names_the_methods_that_a_logger_lacks(make_plugin: Callable[..., Path]):
    make_plugin("zoo-half", (ROOT / "tests" / "broken" / "plugin_loggers.py").read_text())
    subject = Subject(what="plugin", name="zoo-half", plugin="zoo-half", version="1.0")
    with pytest.raises(CheckFailedError, match="logger broken: zoo_half:Half has no method finished and no close"):
        check_loggers(PluginSubject(subject, Registry.load()))


# the calls in their files


def test_calls_are_read_as_they_are_written_even_in_pieces_and_their_files_are_removed(tmp_path: Path):
    point = encode_line(Evaluated(point=CurvePoint(step=1, seconds=0.5)))
    ended = encode_line(TrialEnded(record="r", artifacts="a"))
    content = {1: point + ended + encode_line(End()), 2: point + encode_line(End(last=True))}

    def write_slowly() -> None:
        for number, lines in content.items():
            with calls_file(tmp_path, number).open("wb", buffering=0) as file:
                for start in range(0, len(lines), 30):
                    file.write(lines[start : start + 30])
                    time.sleep(0.001)

    writer = threading.Thread(target=write_slowly)
    writer.start()
    read = list(read_calls(tmp_path))
    writer.join()
    assert [type(call).__name__ for call in read] == ["Evaluated", "TrialEnded", "Evaluated"]
    assert read[0].point == CurvePoint(step=1, seconds=0.5)
    assert list(tmp_path.iterdir()) == []


def test_a_trial_without_an_end_does_not_keep_the_logger_from_the_next_one(tmp_path: Path):
    spec = LoggerSpec(name="lines", summary="", entry="m:n")
    process = logger_process.LoggerProcess(LogTarget(spec), tmp_path)
    first, second = (encode_line(Evaluated(point=CurvePoint(step=step, seconds=1.0))) for step in (1, 2))
    process.begin_trial()
    process.write(first)
    process.begin_trial()  # the machine had failed
    process.write(second)
    process.end_run()
    assert [call.point.step for call in read_calls(tmp_path)] == [1, 2]  # type: ignore[union-attr]


class Heard:
    """Notes what a display or the loggers of a run were told."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *values: self.calls.append(name)


def test_a_trial_that_could_not_begin_and_one_that_was_skipped_are_not_logged(logged_trial: Any):
    record = logged_trial.record
    display, loggers = Heard(), Heard()
    both = _Both(display, loggers)  # type: ignore[arg-type]
    failed, trial = (type("Trial", (), {"identity": (key, "cpu")})() for key in ("0", record.key))
    both.finished(trial, record)  # skipped before any trial
    both.began(failed, 1, 2)  # the machine failed: no event, no record
    both.began(trial, 2, 2)
    both.on_event(trial, Evaluated(point=record.curve[0]))
    both.finished(trial, record)
    assert display.calls == ["finished", "began", "began", "on_event", "finished"]
    assert loggers.calls == ["wait_until_ready", "began", "evaluated", "finished"]


def test_a_logger_never_gets_a_link_or_a_file_outside_of_the_trials_folder(logged_trial: Any, tmp_path: Path):
    record, folder = logged_trial.record, tmp_path / "artifacts"
    folder.mkdir()
    (folder / "good.png").write_bytes(b"picture")
    (tmp_path / "secret").write_text("secret")
    (folder / "link.png").symlink_to(tmp_path / "secret")
    (folder / "folder.png").mkdir()
    names = ("good.png", "link.png", "folder.png", "../secret", str(tmp_path / "secret"), "missing.png", "", "\0", ".")
    pictures = {name: name for name in names}
    hostile = replace(record, measured=replace(record.measured, pictures=pictures, checkpoint="../secret"))
    path = tmp_path / "record.json"
    path.write_bytes(encode(hostile))
    loaded, files = load_ended(TrialEnded(record=str(path), artifacts=str(folder)))
    assert loaded == hostile
    assert files.pictures == {"good.png": folder / "good.png"}
    assert files.checkpoint is None


# names and values for trackers

MLFLOW_NAME = re.compile(r"^[/\w.\- ]*$")  # of MLflow's `mlflow/utils/validation.py`, as is `posixpath.normpath`


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
@example("a//b")
@example("../a")
@example("/")
@example("a/")
@example("\ud800")
@example("ж" * 300)
@example("a\n")
def test_every_name_becomes_one_that_mlflow_takes(name: str):
    safe = safe_name(name)
    assert MLFLOW_NAME.match(safe)
    assert safe
    assert posixpath.normpath(safe) == safe
    assert not safe.startswith(("/", ".."))
    assert len(safe.encode()) <= 200
    assert safe.isprintable()


def test_different_names_stay_different_and_plain_ones_stay_as_they_are():
    names = ["a*b", "a+b", "a_b", "a?b", "x" * 300, "x" * 301, "x" * 200, "a//b", "a/_/b", "", "_"]
    safe = [safe_name(name) for name in names]
    assert len(set(safe)) == len(names)
    assert [safe_name(name) for name in ("test/top-5 accuracy", "recipe/lr", "точность", "_")] == [
        "test/top-5 accuracy",
        "recipe/lr",
        "точность",
        "_",
    ]


def test_values_are_numbers_or_texts_of_limited_length():
    assert [plain_value(value) for value in (True, 3, 0.1, "sgd")] == [True, 3, 0.1, "sgd"]
    assert plain_value([0.5, None]) == "[0.5, null]"
    assert plain_value("x" * 501) == "x" * 499 + "…"
    assert plain_value({"a": object}).startswith('{"a": ')  # type: ignore[union-attr]


def test_numbers_and_params_have_one_name_each_and_are_those_of_the_record(planted: None, zoo: Zoo, tmp_path: Path):
    zoo(*BENCH, "--log", "lines=calls.txt")
    (record,) = records_in(tmp_path / "results")
    numbers = numbers_of_record(record)
    assert numbers["test/mse"] == record.score
    assert numbers["measured/train_s"] == record.measured.train_s
    assert numbers["measured/latency_median_ms"] == record.measured.latency.median_ms  # type: ignore[union-attr]
    assert numbers["phase_s/train"] == {phase.name: phase.seconds for phase in record.phases}["train"]
    last = record.curve[-1]
    assert numbers_of_point(last, "mse") == {
        "train/loss": last.train_loss,
        "train/epoch": last.epoch,
        "val/mse": last.val_score,
        "train/seconds": last.seconds,
        **({"train/mse": last.train_score} if last.train_score is not None else {}),
    }
    (began,) = [value for what, value in calls_in(tmp_path / "calls.txt") if what == "began"]
    params = params_of(msgspec.convert(began, TrialBegan))
    assert (params["model"], params["seed"], params["recipe/lr"]) == ("zoo-cosine:mlp", 0, record.recipe["lr"])


@pytest.mark.parametrize("need", ["", "mlflow>=3", "two words", "-e"])
def test_what_a_logger_needs_is_the_bare_name_of_a_package(need: str) -> None:
    with pytest.raises(InvalidSpecError, match="not the bare name of a package"):
        validate_spec(LoggerSpec(name="x", summary="", needs=(need,), entry="a:b"))
    validate_spec(LoggerSpec(name="x", summary="", needs=("zoo-mlflow", "wandb", "a.b_c"), entry="a:b"))


def test_a_name_of_dots_is_no_folder() -> None:
    assert safe_name("..", also="_-. ").startswith("_-")
    assert safe_name("..").startswith("_-")
