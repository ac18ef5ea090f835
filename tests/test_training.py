"""One trial in this process: the runner's part of it, and that evaluating a model does not change its training."""

from __future__ import annotations

import itertools
import math
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from msgspec import structs
from torch import nn

from zoo_core.data.locate import fingerprint
from zoo_core.errors import DivergedError, PluginError, SealedSplitError, TrainingLengthError
from zoo_core.measure.clock import Phases, TrainingClock
from zoo_core.measure.flops import count_flops
from zoo_core.measure.latency import MAX_S, measure_latency
from zoo_core.measure.randomness import evaluation_mode, seed_everything
from zoo_core.measure.threads import thread_rule
from zoo_core.protocols import Deferred, Evaluation, Phase, Step, Stop
from zoo_core.recipe import RUNNER_PARAMS, resolve_recipe
from zoo_core.registry import Registry
from zoo_core.results.records import Latency
from zoo_core.runner import events, training
from zoo_core.runner.checkpoints import FILE
from zoo_core.runner.events import TrialJob
from zoo_core.runner.inference import SHORT_BATCHES_S, SHORT_LATENCY_S, measure_inference
from zoo_core.runner.length import ENDLESS, Length
from zoo_core.runner.pair_recipe import pair_parameters
from zoo_core.runner.training import LogMeans, Training
from zoo_core.runner.trial import TrialRunner, run_trial
from zoo_core.specs import TaskSpec
from zoo_core.train import make_optimizer, rate_factor
from zoo_core.weights import read_weights


@pytest.fixture(autouse=True)
def denormals_as_they_were() -> Iterator[None]:
    """A trial flushes denormal numbers to zero, for its whole process; other tests here need them."""
    yield
    torch.set_flush_denormal(False)


def make_job(tmp_path: Path, task_name: str = "mnist", model_name: str = "mlp-3", **overrides: Any) -> TrialJob:
    registry = Registry.load()
    task = registry.task(task_name)
    model = registry.model(model_name, task)
    dataset = registry.datasets_of(task)[-1]
    recipe = resolve_recipe(pair_parameters(task, model), None, overrides)
    return TrialJob(
        task=task.qualified,
        dataset=dataset.qualified,
        model=model.qualified,
        fingerprint=fingerprint(dataset, None),
        recipe=dict(recipe),
        seed=0,
        device="cpu",
        dtype="float32",
        compiled=False,
        threads=1,
        budget_s=None,
        data_root=None,
        offline=True,
        staging=str(tmp_path),
    )


def test_evaluating_twice_as_often_leaves_the_same_weights(tmp_path: Path) -> None:
    weights = []
    for eval_every in (1.0, 0.5):
        trial = TrialRunner(make_job(tmp_path, steps=20, eval_every=eval_every), lambda event: None)
        trial.run()
        assert trial.training is not None
        weights.append(trial.training.scored_model.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_trial_sends_its_events_in_order_and_ends_with_done(tmp_path: Path) -> None:
    heard: list[Any] = []
    run_trial(make_job(tmp_path, "cosine", "mlp", steps=10), heard.append)
    phases = [event.name for event in heard if isinstance(event, events.PhaseBegan)]
    assert phases[:5] == ["prepare", "warm-up", "build", "initial score", "train"]
    assert len([event for event in heard if isinstance(event, events.Evaluated)]) == 10
    assert isinstance(heard[-1], events.TrialDone)
    assert heard[-1].status == "ok"


def test_the_test_split_stays_sealed_until_the_final_score(tmp_path: Path) -> None:
    trial = TrialRunner(make_job(tmp_path, "cosine", "mlp", steps=1), lambda event: None).prepare()
    with pytest.raises(SealedSplitError, match="opened once"):
        trial.data.split("test")


def test_the_average_is_scored_and_saved(tmp_path: Path) -> None:
    job = structs.replace(make_job(tmp_path, "cosine", "mlp", steps=20, ema=0.9), save=True)
    heard: list[Any] = []
    runner = TrialRunner(job, heard.append)
    runner.run()
    assert runner.training is not None
    saved = read_weights(tmp_path / FILE)
    average = runner.training.scored_model.state_dict()
    assert all(torch.equal(saved[name], average[name]) for name in average)
    plain = TrialRunner(make_job(tmp_path, "cosine", "mlp", steps=20), heard.append)
    plain.run()
    assert plain.training is not None
    assert not torch.equal(average["0.weight"], plain.training.scored_model.state_dict()["0.weight"])
    assert runner.measured().scores["mse"] != plain.measured().scores["mse"]


# The loop around a generator


SPEC = TaskSpec(
    name="t",
    title="T",
    summary="S",
    kind="own/kind",
    datasets=("d",),
    metric="score",
    higher_is_better=True,
    target=0.5,
    entry="a:b",
)


def train(
    steps: Iterator[Step | Phase | Stop],
    scores: list[float],
    length: Length | None = None,
    *,
    budget_s: float | None = None,
    **recipe: Any,
) -> tuple[Training, list[Any]]:
    heard: list[Any] = []
    left = iter(scores)
    training = Training(
        spec=SPEC,
        recipe=resolve_recipe({**RUNNER_PARAMS}, None, recipe),
        length=length or Length(total=4, epoch_steps=None, interval=1.0),
        budget_s=budget_s,
        clock=TrainingClock("cpu", Phases(lambda name: None)),
        model=nn.Linear(1, 1),
        evaluate=lambda model: Evaluation({"score": next(left)}),
        send=heard.append,
    )
    training.run(steps)
    return training, heard


def plain_steps(losses: list[float]) -> Iterator[Step]:
    return (Step(2, {"loss": torch.tensor(loss)}) for loss in losses)


def test_the_first_val_score_at_the_target_is_the_time_to_target_and_does_not_end_the_trial() -> None:
    training, heard = train(plain_steps([1, 1, 1, 1]), [0.1, 0.6, 0.4, 0.7])
    points = [event.point for event in heard if isinstance(event, events.Evaluated)]
    assert training.time_to_target.status == "met"
    assert training.time_to_target.seconds == points[1].seconds
    assert (training.steps, training.units, len(points)) == (4, 8, 4)


def test_a_target_that_is_not_reached_is_missed_and_without_val_it_does_not_apply() -> None:
    two = Length(total=2, epoch_steps=None, interval=1.0)
    assert train(plain_steps([1, 1]), [0.1, 0.2], two)[0].time_to_target.status == "missed"
    assert train(plain_steps([1, 1]), [], two, holdout=False)[0].time_to_target.status == "not applicable"


def test_stop_ends_after_so_many_looks_without_a_better_score() -> None:
    training, _ = train(plain_steps([1] * 9), [0.1, 0.4, 0.3, 0.2, 0.9], stop=2)
    assert training.steps == 4


def test_running_train_values_are_means_over_the_units_since_the_last_look() -> None:
    steps = iter([Step(3, {"loss": torch.tensor(1.0)}), Step(1, {"loss": torch.tensor(5.0)})])
    _, heard = train(steps, [0.1], Length(total=2, epoch_steps=2, interval=2.0))
    (point,) = [event.point for event in heard if isinstance(event, events.Evaluated)]
    assert point.train_loss == pytest.approx((3 * 1 + 1 * 5) / 4)
    assert point.epoch == 1.0


def test_a_loss_that_is_not_finite_sends_a_point_and_diverges() -> None:
    with pytest.raises(DivergedError, match="loss is nan at step 2"):
        train(plain_steps([1.0, float("nan"), 1.0]), [0.1, 0.2, 0.3])


def test_a_phase_counts_in_training_time_but_not_in_throughput() -> None:
    def steps() -> Iterator[Step | Phase]:
        yield Phase("features", spent_s=100.0)
        yield Step(1, {"loss": torch.tensor(1.0)})
        yield Step(1, {"loss": torch.tensor(1.0)})

    training, heard = train(steps(), [0.1, 0.2], Length(total=2, epoch_steps=None, interval=1.0))
    assert training.clock.train_s >= 100.0
    assert set(training.clock.windows) == {"train", "features"}
    assert training.clock.seconds("train") < 50
    assert "features" in [event.name for event in heard if isinstance(event, events.PhaseBegan)]


def test_two_nets_and_an_averaged_model_to_evaluate_are_nothing_special() -> None:
    average = nn.Linear(2, 2)
    training, _ = train(iter([Step(1, {}, eval_model=average)]), [0.1], Length(total=1, epoch_steps=None, interval=1.0))
    assert training.scored_model is average


def test_progress_is_the_share_of_steps_and_under_a_budget_of_time() -> None:
    training, _ = train(stopping(2), [0.1, 0.2])
    assert training.progress() == 0.5
    training._budget_s = training.clock.train_s * 4
    assert training.progress() == pytest.approx(0.25)


def stopping(count: int, reason: str = "enough") -> Iterator[Step | Stop]:
    yield from plain_steps([1.0] * count)
    yield Stop(reason)


@pytest.mark.parametrize("done", [0, 1, 3])
def test_a_training_that_ends_early_without_saying_so_is_an_error_with_both_numbers(done: int) -> None:
    words = rf":t ended after {done} steps?, but the recipe says 4 steps.*or a Stop"
    with pytest.raises(TrainingLengthError, match=words):
        train(plain_steps([1.0] * done), [0.1] * done)


def test_a_training_that_never_ends_is_an_error_with_both_numbers() -> None:
    with pytest.raises(TrainingLengthError, match=r":t took 5 steps and went on, but the recipe says 4 steps"):
        train((Step(1) for _ in itertools.count()), [0.1] * 4)


def test_several_steps_in_one_count_each_so_that_too_many_are_noticed() -> None:
    assert train(iter([Step(1, steps=3), Step(1)]), [0.1, 0.2])[0].steps == 4
    with pytest.raises(TrainingLengthError, match="took 6 steps"):
        train(iter([Step(1, steps=3), Step(1, steps=3)]), [0.1, 0.2])


def test_a_training_may_end_early_if_it_says_why() -> None:
    training, _ = train(stopping(2), [0.1, 0.2])
    assert (training.steps, training.stopped_because) == (2, "enough")
    assert train(plain_steps([1.0] * 4), [0.1] * 4)[0].stopped_because == ""
    assert "stop=1" in train(plain_steps([1.0] * 4), [0.4, 0.3], stop=1)[0].stopped_because


def test_a_phase_after_the_last_step_is_no_step_too_many() -> None:
    assert train(iter([*plain_steps([1.0] * 4), Phase("average")]), [0.1] * 4)[0].steps == 4


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Step(-1), "n=-1"),
        (Step(2.5), "n=2.5"),  # type: ignore[arg-type]
        (Step(1, steps=0), "steps=0"),
        (Step(1, steps=-4), "steps=-4"),
        (Step(1, steps=True), "steps=True"),
        (Phase("features", spent_s=-1.0), "it took -1.0 s"),
        (Phase("features", spent_s=math.nan), "it took nan s"),
        (Phase("features", spent_s=math.inf), "it took inf s"),
        (Stop(" "), "say in words"),
        (3, "yielded a int, not a Step"),
    ],
)
def test_what_a_training_reports_is_checked(event: Any, words: str) -> None:
    with pytest.raises(PluginError, match=words):
        train(iter([event]), [0.1])


def test_under_a_time_budget_a_training_that_ends_early_is_an_error_too() -> None:
    with pytest.raises(TrainingLengthError, match=r"ended after .* s, but the time budget is 1000 s"):
        train(plain_steps([1.0] * 4), [0.1] * 4, Length(ENDLESS, None, float(ENDLESS)), budget_s=1000.0)


def test_without_steps_there_are_no_means() -> None:
    assert LogMeans().means() == {}


# Measuring


def test_looking_restores_every_random_state_and_every_modules_mode() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    net[0].eval()
    generator = seed_everything(3, "cpu")

    def draw() -> list[Any]:
        return [random.random(), np.random.rand(), torch.rand(()).item(), torch.rand((), generator=generator).item()]

    expected = draw()
    generator = seed_everything(3, "cpu")
    with evaluation_mode(net, generator, "cpu"):
        draw()
        assert not net[1].training
        assert not torch.is_grad_enabled()
    assert draw() == expected
    assert (net.training, net[0].training, net[1].training) == (True, False, True)


def test_flops_of_a_linear_layer_and_a_convolution_are_those_of_the_formula() -> None:
    assert count_flops(nn.Linear(784, 100), torch.zeros(1, 784)) == (2 * 784 * 100, "")
    convolution = nn.Conv2d(3, 8, 3, padding=1)
    assert count_flops(convolution, torch.zeros(1, 3, 16, 16))[0] == 2 * 3 * 3 * 3 * 8 * 16 * 16
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 2)
    )
    assert count_flops(net.eval(), torch.zeros(1, 1, 4, 4)) == (2 * 9 * 4 * 2 * 2 + 2 * 4 * 2, "")
    shuffled = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4, 4, 1, bias=False), nn.PixelShuffle(2))
    assert count_flops(shuffled, torch.zeros(1, 1, 4, 4)) == (2 * 4 * 4 * 2 * 2, "")


def test_flops_are_unknown_with_the_operators_name_rather_than_wrong() -> None:
    class Spectral(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.fft.fft(x).real

    flops, reason = count_flops(Spectral(), torch.zeros(1, 8))
    assert flops is None
    assert "fft" in reason
    assert count_flops(nn.ReLU(), torch.zeros(1)) == (None, "no operator with a formula was run")


def test_latency_has_a_median_below_its_95th_percentile() -> None:
    latency = measure_latency(nn.Linear(2, 2), torch.zeros(1, 2), "cpu", max_repeats=20)
    assert latency.n == 20
    assert 0 < latency.median_ms <= latency.p95_ms


class Sleeping(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(0.01)
        return x


def test_latency_is_measured_no_longer_than_asked() -> None:
    assert 1 <= measure_latency(Sleeping(), torch.zeros(1), "cpu", max_s=0.05).n <= 5


def test_inference_after_a_short_training_is_measured_for_a_shorter_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[float] = []

    def measured(*arguments: Any, max_s: float) -> Latency:
        limits.append(max_s)
        return Latency(median_ms=1.0, p95_ms=1.0, n=1)

    monkeypatch.setattr("zoo_core.runner.inference.measure_latency", measured)
    trial = TrialRunner(make_job(tmp_path, "cosine", "mlp", steps=1), lambda event: None).prepare()
    for train_s in (5.0, 60.0):
        measure_inference(trial, trial.build_model(), lambda **fields: None, train_s=train_s)
    assert limits == [SHORT_LATENCY_S, SHORT_BATCHES_S, MAX_S, MAX_S]


def test_the_load_of_the_latency_is_that_of_its_timed_calls() -> None:
    latency = measure_latency(Sleeping(), torch.zeros(1, 2), "cpu", max_repeats=10)
    assert latency.wall_s is not None
    assert latency.cpu_s is not None
    assert latency.wall_s >= 0.1
    assert 0 <= latency.cpu_s < latency.wall_s / 2
    assert (latency.involuntary_switches is None) == (sys.platform != "linux")


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the system does not count waiting times")
def test_threads_that_share_one_core_are_seen_to_wait_for_it() -> None:
    code = (
        "import os, threading, time, hashlib\n"
        "from zoo_core.measure.load import CpuMeter\n"
        "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "def work():\n"
        "    ends = time.monotonic() + 0.4\n"
        "    while time.monotonic() < ends:\n"
        "        hashlib.sha256(bytes(2_000_000))\n"  # releases the interpreter's lock
        "threads = [threading.Thread(target=work) for _ in range(2)]\n"
        "meter = CpuMeter()\n"
        "for thread in threads: thread.start()\n"
        "meter.start()\n"
        "time.sleep(0.3)\n"
        "meter.stop()\n"
        "print(meter.used.cpu_s, meter.used.wait_s)\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    cpu_s, wait_s = map(float, out.split())
    assert cpu_s > 0
    assert wait_s > 0.1  # each of two threads waits about half of 0.3 s


def test_small_nets_get_one_thread_and_large_ones_every_core() -> None:
    assert thread_rule(5e6, 80_000, 8) == 1
    assert thread_rule(5e9, 80_000, 8) == 8
    assert thread_rule(None, 80_000, 8) == 1
    assert thread_rule(None, 80_000_000, 8) == 8


# Optimizers and schedules


def test_the_learning_rate_rises_linearly_and_then_follows_its_schedule_to_zero() -> None:
    assert [rate_factor("constant", 0.0, p) for p in (0.0, 0.5, 1.0)] == [1.0, 1.0, 1.0]
    assert [rate_factor("linear", 0.2, p) for p in (0.0, 0.1, 0.2, 0.6, 1.0)] == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert [rate_factor("cosine", 0.0, p) for p in (0.0, 0.5, 1.0)] == pytest.approx([1, 0.5, 0])


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop", "adagrad"])
def test_optimizers_train_only_what_can_be_trained(name: str) -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[0].requires_grad_(False)
    task = Registry.load().task("cosine")
    model = Registry.load().model("mlp", task)
    optimizer = make_optimizer(net, resolve_recipe(pair_parameters(task, model), None, {"optimizer": name}), "cpu")
    assert [*optimizer.param_groups[0]["params"]] == [*net[1].parameters()]


def test_an_endless_length_is_a_number_that_range_takes() -> None:
    assert len(range(ENDLESS)) == ENDLESS


def test_deferred_logs_have_the_means_of_those_that_are_computed_in_each_step() -> None:
    """Bit for bit, also if the batches of a split differ in size."""
    random = torch.Generator().manual_seed(0)
    now, later = LogMeans(), LogMeans()
    for size in [7] * 40 + [3] + [7] * 20:
        labels = torch.randint(0, 4, (size,), generator=random)
        logits = torch.randn(size, 4, generator=random)
        loss = torch.rand((), generator=random)
        now.add(Step(size, {"loss": loss, "score": (logits.argmax(1) == labels).float().mean()}))
        score = Deferred(lambda outputs, targets: (outputs.argmax(2) == targets).float().mean(1), (logits, labels))
        later.add(Step(size, {"loss": loss, "score": score}))
    assert later.means() == now.means()


def test_deferred_logs_are_computed_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "MAX_DEFERRED", 20)
    counts: list[int] = []

    def compute(numbers: torch.Tensor) -> torch.Tensor:
        counts.append(len(numbers))
        return numbers.sum(1)

    means = LogMeans()
    for _ in range(10):
        means.add(Step(2, {"score": Deferred(compute, (torch.ones(5),))}))
    assert counts == [4, 4]
    assert means.means() == {"score": 5.0}
    assert counts == [4, 4, 2]
