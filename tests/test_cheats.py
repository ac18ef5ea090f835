"""A model that reads or changes what it must not is recorded as an error that says what it did; honest ones are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo_core.errors import MachineError
from zoo_core.results.records import Measured, Record, decode
from zoo_core.runner.events import Job, ScoreJob
from zoo_core.runner.executor import LocalExecutor, WorkerResult

CHEATS = """
    import os, sys, threading, time
    from pathlib import Path
    from zoo_core import ModelSpec, hookimpl

    NAMES = (
        "fine", "reads_test", "reads_by_link", "reads_in_thread", "reads_in_child", "catches",
        "unseals", "steals", "patches_metric", "patches_for_a_while", "patches_rows",
        "forges_done", "forges_after_done", "trains_in_build", "opens_train_in_build",
        "patches_clock", "patches_code", "patches_code_in_hiding", "patches_shared_code", "empties_list",
        "swaps_predictions", "forges_phase", "hides_from_watch", "touches", "truncates",
    )

    @hookimpl
    def zoo_models():
        return [ModelSpec(name=name, tasks=("cosine",), entry=f"zoo_cheats:{name}") for name in NAMES]

    def net(act=lambda net, x: None, answer=None):
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = nn.Linear(1, 1)

            def forward(self, x):
                act(self, x)
                given = answer(x) if answer and not self.training else None
                return self.inner(x) if given is None else given

        return Net()

    def columns(split):
        folder = next(Path(os.environ["ZOO_CACHE"]).glob("columns/zoo-cosine*cosine*"))
        return folder / split / "y.npy"

    def read(path):
        import numpy as np
        return np.load(path)

    def found(name, kind=object):
        frame = sys._getframe()
        while frame:
            value = frame.f_locals.get(name)
            if value is not None and isinstance(value, kind):
                return value
            frame = frame.f_back

    def once(action):
        done = []

        def act(net, x):
            if net.training and not done:
                done.append(1)
                action()

        return act

    fine = lambda signature: net()

    def truncates(signature):
        return net(once(lambda: os.truncate(columns("test"), 10)))

    def touches(signature):
        return net(once(lambda: os.utime(columns("test"))))

    def reads_test(signature):
        return net(once(lambda: read(columns("test"))))

    def reads_by_link(signature):
        def action():
            link = Path(os.environ["ZOO_CACHE"]) / f"innocent-{os.getpid()}"
            link.symlink_to(columns("test"))
            read(link)

        return net(once(action))

    def reads_in_thread(signature):
        def action():
            thread = threading.Thread(target=read, args=(columns("test"),))
            thread.start()
            thread.join()

        return net(once(action))

    def reads_in_child(signature):
        def action():
            receiver, sender = os.pipe()
            if os.fork() == 0:
                try:
                    os.write(sender, str(float(read(columns("test")).sum())).encode())
                except Exception:
                    os.write(sender, b"refused")
                os._exit(0)
            assert os.read(receiver, 100) == b"refused", "the child has read the labels"

        return net(once(action))

    def catches(signature):
        def action():
            try:
                read(columns("test"))
            except Exception:
                pass

        return net(once(action))

    def unseals(signature):
        def action():
            data = found("self").data if hasattr(found("self"), "data") else None
            frame = sys._getframe()
            while frame and data is None:
                trial = frame.f_locals.get("trial")
                data = getattr(trial, "data", None)
                frame = frame.f_back
            try:
                data.unseal()
                data.split("test")
            except Exception:
                pass

        return net(once(action))

    def steals(signature):
        def answer(x):
            frame = sys._getframe()
            while frame:
                batch = frame.f_locals.get("batch")
                if isinstance(batch, dict) and "y" in batch and found("split") == "test":
                    return batch["y"]
                frame = frame.f_back

        return net(answer=answer)

    def patches_metric(signature):
        from zoo_core.kinds.regression import objective
        objective.mean_squared_error = lambda *_: 1e-9
        return net()

    def patches_code(signature):
        from zoo_core.kinds.regression import objective
        try:
            objective.mean_squared_error.__code__ = (lambda outputs, targets: 1e-9).__code__
        except Exception:
            pass
        return net()

    def patches_shared_code(signature):
        from zoo_core.runner.prepare import PreparedTrial
        helper = PreparedTrial.inference  # a context manager, whose code all context managers have
        try:
            helper.__code__ = helper.__code__.replace(co_name="mine")
        except Exception:
            pass
        return net()

    def empties_list(signature):
        from zoo_core.kinds.regression import objective
        from zoo_core.runner import serving
        serving.originals = ()
        objective.mean_squared_error = lambda outputs, targets: 1e-9
        return net()

    def patches_rows(signature):
        import numpy as np
        from zoo_core.kinds.regression.objective import RegressionObjective
        RegressionObjective._by_example = lambda self, outputs, targets: np.zeros(len(outputs))
        return net()

    def find_send():
        frame = sys._getframe()
        while frame:
            send = frame.f_locals.get("send")
            if callable(send):
                return send
            frame = frame.f_back

    def forged():
        from zoo_core.results.records import Latency, Load, Measured, TimeToTarget
        from zoo_core.runner.events import TrialDone
        measured = Measured(
            scores={"mse": 1e-9}, steps=3, units=192, train_s=0.01, throughput=19200.0, selected_step=3,
            time_to_target=TimeToTarget(status="met", seconds=0.01), latency=Latency(median_ms=0.01, p95_ms=0.02, n=9),
            inference_batch=8, inference_throughput=1e6, load=Load(cpu_s=0.01, wall_s=0.01),
        )
        return TrialDone(status="ok", measured=measured, phases={"prepare": 0.01, "train": 0.01})

    def forges_done(signature):
        def action():
            find_send()(forged())
            os._exit(0)

        return net(once(action))

    def forges_after_done(signature):
        return net(once(lambda: find_send()(forged())))

    def forges_phase(signature):
        def action():
            from zoo_core.runner.events import PhaseBegan
            find_send()(PhaseBegan(name="test"))

        return net(once(action))

    def trains_in_build(signature):
        import torch
        frame, task = sys._getframe(), None
        while frame:
            task = getattr(frame.f_locals.get("self"), "task", None) or task
            frame = frame.f_back
        train, model = task._splits["train"], net()
        hidden = torch.nn.Sequential(torch.nn.Linear(1, 64), torch.nn.Tanh(), torch.nn.Linear(64, 1))
        model.inner = hidden
        steps = torch.optim.Adam(hidden.parameters(), 0.01)
        batches = train.shuffled(256, torch.Generator().manual_seed(0))
        with torch.enable_grad():
            for _ in range(300):
                batch = next(batches)
                steps.zero_grad()
                (hidden(batch["x"]) - batch["y"]).square().mean().backward()
                steps.step()
        return model

    def opens_train_in_build(signature):
        try:
            read(columns("train"))
        except Exception:
            pass
        return net()

    def patches_clock(signature):
        began = time.perf_counter()
        time.perf_counter = lambda: began
        return net(lambda net, x: time.sleep(1.0) if net.training else None)

    def swaps_predictions(signature):
        def action(net, x):
            import glob
            import numpy as np
            for path in glob.glob(os.path.join(found_staging(), "predictions*")):
                outputs = np.load(path)
                np.save(path, np.zeros_like(outputs))

        return net(action)

    def found_staging():
        frame = sys._getframe()
        while frame:
            job = getattr(frame.f_locals.get("self"), "job", None) or frame.f_locals.get("job")
            if hasattr(job, "staging"):
                return job.staging
            frame = frame.f_back
        return "/nowhere"

    def hides_from_watch(signature):
        def action():
            frame = sys._getframe()
            while frame and "may_open" not in frame.f_locals:
                frame = frame.f_back
            for cell in frame.f_locals["may_open"].__wrapped__.__closure__:
                for inner in getattr(cell.cell_contents, "__closure__", None) or ():
                    if isinstance(inner.cell_contents, dict):
                        inner.cell_contents.clear()
            read(columns("test"))

        return net(once(action))

    def patches_code_in_hiding(signature):
        from zoo_core.kinds.regression import objective

        def action():
            frame = sys._getframe()
            while frame and "may_open" not in frame.f_locals:
                frame = frame.f_back
            for cell in frame.f_locals["may_open"].__wrapped__.__closure__:
                for inner in getattr(cell.cell_contents, "__closure__", None) or ():
                    for switch in getattr(inner.cell_contents, "__closure__", None) or ():
                        if switch.cell_contents == [True]:
                            switch.cell_contents[0] = False
                            objective.mean_squared_error.__code__ = (lambda outputs, targets: 1e-9).__code__
                            switch.cell_contents[0] = True

        return net(once(action))

    def patches_for_a_while(signature):
        from zoo_core.kinds.regression import objective
        true = objective.mean_squared_error

        def metric(outputs, targets):
            if len(targets) != 1000:
                return true(outputs, targets)
            objective.mean_squared_error = true
            return 1e-9

        def act(net, x):
            if not net.training and found("split") == "test":
                objective.mean_squared_error = metric

        return net(act)
"""

READ_LINE = CHEATS[: CHEATS.index("return np.load")].count("\n") + 1


@pytest.fixture
def run(zoo: Callable[..., Any], make_plugin: Callable[..., Path]) -> Callable[..., Record]:
    """Run one model of the plugin above on the cosine, and return its record."""
    make_plugin("zoo-cheats", CHEATS)

    def bench(model: str, *words: str) -> Record:
        zoo("bench", "cosine", "--model", model, "--max-steps", "3", "--device", "cpu", *words)
        return next(record for record in records() if record.model.name == f"zoo-cheats:{model}")

    return bench


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            "reads_test",
            f"the model's code (zoo_cheats.py, line {READ_LINE}) opened the test split in phase warm-up: y.npy",
        ),
        (
            "reads_by_link",
            f"the model's code (zoo_cheats.py, line {READ_LINE}) opened the test split in phase warm-up: y.npy",
        ),
        ("reads_in_thread", "opened the test split in phase warm-up: y.npy"),
        ("reads_in_child", "opened the test split"),
        ("catches", "opened the test split in phase warm-up: y.npy"),
        ("unseals", "opened the test split in phase warm-up: x.npy"),
        ("opens_train_in_build", "opened the train split in phase warm-up: y.npy"),
        ("hides_from_watch", "replaced the watch of the data's files"),
        ("patches_metric", "replaced zoo_core.kinds.regression.objective.mean_squared_error"),
        ("patches_for_a_while", "the worker's results are not those of its predictions: mse is 0.7"),
        ("patches_rows", "replaced zoo_core.kinds.regression.objective.RegressionObjective._by_example"),
        ("patches_clock", "replaced time.perf_counter"),
        ("patches_code", ".mean_squared_error, on which the measurement relies"),
        ("patches_shared_code", ".inference, on which the measurement relies"),
        ("patches_code_in_hiding", "replaced zoo_core.kinds.regression.objective.mean_squared_error"),
        ("empties_list", "replaced zoo_core.kinds.regression.objective.mean_squared_error"),
        ("swaps_predictions", "the file of predictions is not the one that was handed over"),
        ("forges_done", "the trial ended as ok in phase warm-up, without build"),
        ("forges_after_done", "the trial ended as ok in phase warm-up, without build"),
        ("forges_phase", "phase build came after phase test"),
    ],
)
def test_a_cheat_is_an_error_that_says_what_it_did_and_has_no_scores(
    run: Callable[..., Record], model: str, reason: str
) -> None:
    record = run(model)
    assert (record.status, record.measured) == ("error", Measured()), record.reason
    assert reason in record.reason


def test_a_model_finds_no_labels_of_test_on_the_stack_while_it_predicts(run: Callable[..., Record]) -> None:
    honest, thief = run("fine"), run("steals")
    assert (honest.status, thief.status) == ("ok", "ok")
    assert thief.measured.scores == honest.measured.scores


@pytest.mark.parametrize("model", ["touches", "truncates"])
def test_files_of_the_cache_that_change_in_a_trial_are_compared_or_decoded_again_and_are_no_cheat(
    run: Callable[..., Record], model: str
) -> None:
    record = run(model)
    assert (record.status, record.reason) == ("ok", "")
    assert record.measured.scores == run("fine").measured.scores


FAILURES = {
    "no space is left on the disk": (MachineError("no space is left on the disk"), 2),
    "Permission denied": (PermissionError(13, "Permission denied"), 1),
}


@pytest.mark.parametrize("reason", FAILURES)
def test_a_trial_whose_predictions_cannot_be_scored_is_recorded_and_runs_again(
    zoo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    error, code = FAILURES[reason]
    run_job = LocalExecutor.run

    def fail_to_score(self: LocalExecutor, job: Job, *rest: Any, **options: Any) -> WorkerResult:
        if isinstance(job, ScoreJob):
            raise error
        return run_job(self, job, *rest, **options)

    words = ("bench", "cosine", "--model", "linear", "--max-steps", "2", "--device", "cpu")
    with monkeypatch.context() as patch:
        patch.setattr(LocalExecutor, "run", fail_to_score)
        assert zoo(*words).code == code
    (record,) = records()
    assert record.status == "interrupted"
    assert "the predictions could not be scored, run the command again" in record.reason
    assert reason in record.reason
    assert not list(Path("results").glob("**/predictions*"))
    assert not Path("results/.staging").exists()
    assert zoo(*words).code == 0
    assert sorted(record.status for record in records()) == ["interrupted", "ok"]


def test_a_training_inside_of_build_shows_as_the_score_before_the_first_step(run: Callable[..., Record]) -> None:
    honest, trained = run("fine").measured.initial_score, run("trains_in_build").measured.initial_score
    assert honest is not None
    assert trained is not None
    assert trained < 0.02 < 0.4 < honest


CHANGES_OTHERS = """
    import dataclasses, zoo_cosine
    from zoo_core import ModelSpec, hookimpl

    def change(original):
        zoo_cosine.zoo_tasks = hookimpl(lambda: [dataclasses.replace(task, {change}) for task in original()])

    change(zoo_cosine.zoo_tasks)

    @hookimpl
    def zoo_models():
        return [ModelSpec(name="sly", tasks=("cosine",), entry="aa_changes:net")]

    def net(signature):
        from torch import nn
        return nn.Linear(1, 1)
"""


@pytest.mark.parametrize("change", ["target=100.0", "recipe={**task.recipe, 'batch_size': 1000}", "chance=1e9"])
def test_a_plugin_that_changes_the_specs_of_another_gets_no_trial(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path], change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zoo_cosine

    monkeypatch.setattr(zoo_cosine, "zoo_tasks", zoo_cosine.zoo_tasks)  # undone after the test
    make_plugin("aa-changes", CHANGES_OTHERS.replace("{change}", change))
    for model in ("sly", "mlp"):
        zoo("bench", "cosine", "--model", model, "--max-steps", "2", "--device", "cpu")
    found = records()
    assert [record.status for record in found] == ["skipped", "skipped"]
    assert all("another plugin changed it" in record.reason for record in found)


def test_a_plugin_that_changes_the_zoo_on_import_is_not_used_and_the_zoo_is_as_before(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    from zoo_core.results.store import Store

    save = Store.save
    make_plugin("zoo-mends", "import zoo_core.results.store as store\nstore.Store.save = lambda *_: None\n")
    assert "it replaced zoo_core.results.store.Store.save: a plugin may not change the zoo" in zoo("doctor").out
    assert Store.save is save


KNOWS = """
    from zoo_core import ModelSpec, hookimpl

    @hookimpl
    def zoo_models():
        declared = {"pretrained_on": "the cosine, by hand"}
        specs = [ModelSpec(name="exact", tasks=("cosine",), entry="zoo_knows:exact")]
        return [*specs, ModelSpec(name="declared", tasks=("cosine",), entry="zoo_knows:exact", **declared)]

    def exact(signature):
        import torch

        class Exact(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.scale = torch.nn.Parameter(torch.ones(1))

            def forward(self, x):
                return self.scale * torch.cos(x)

        return Exact()
"""


def test_a_model_that_meets_the_target_untrained_must_say_where_that_is_from(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin("zoo-knows", KNOWS)
    zoo("bench", "cosine", "--model", "exact", "--model", "declared", "--max-steps", "2", "--device", "cpu")
    found = {record.model.name: record for record in records()}
    exact, declared = found["zoo-knows:exact"], found["zoo-knows:declared"]
    assert exact.status == "error"
    assert "before the first step, mse on val is" in exact.reason
    assert "pretrained_on" in exact.reason
    assert declared.status == "ok", declared.reason
    assert declared.measured.initial_score == pytest.approx(0.0, abs=1e-9)


HONEST = [("cosine", "mlp"), ("mnist", "mlp-3"), ("gan-curve", "gan"), ("motion", "copy-last")]


def records() -> list[Record]:
    return [decode(path.read_bytes()) for path in Path("results").glob("*/*.json")]


def bench_honestly(zoo: Callable[..., Any], *words: str) -> list[Record]:
    zoo("bench", *words, "--offline", "--preset", "quick", "--max-steps", "2", "--device", "cpu")
    return records()


@pytest.mark.parametrize(("task", "model"), HONEST)
def test_an_honest_trial_of_each_sort_of_task_trips_nothing(zoo: Callable[..., Any], task: str, model: str) -> None:
    (record,) = bench_honestly(zoo, task, "--model", model)
    assert (record.status, record.reason) == ("ok", "")
    assert {"train", "test"} <= {phase.name for phase in record.phases}
    assert not list(Path("results").glob("**/predictions*")), "the predictions are no artifact"


@pytest.mark.nightly
def test_honest_trials_of_all_shipped_pairs_trip_nothing(zoo: Callable[..., Any]) -> None:
    for record in bench_honestly(zoo, "--all"):
        if "was never downloaded" in record.reason:  # published weights, which need the network
            bench_honestly(zoo, record.task.name, "--model", record.model.name, "--weights", "none")
    found = {(record.task.name, record.model.name): record for record in sorted(records(), key=by_status)}
    assert len(found) > 30
    assert {pair: record.reason for pair, record in found.items() if record.status != "ok"} == {}


def by_status(record: Record) -> bool:
    """Sort a pair's record with the status ok after that without its weights."""
    return record.status == "ok"
