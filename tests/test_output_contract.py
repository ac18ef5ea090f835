"""A model whose output has another form than its kind says gets no score: not in training, evaluation or a check."""

from __future__ import annotations

import textwrap
import timeit
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from zoo_core import metrics
from zoo_core.checks import CheckFailedError
from zoo_core.checks.data import load_few_examples, make_synthetic_task
from zoo_core.checks.harness import Harness, Started, stand_in_for
from zoo_core.checks.model import require_output_shape
from zoo_core.checks.task import evaluate
from zoo_core.entries import resolve_entry
from zoo_core.errors import DivergedError, PluginError, WrongOutputError
from zoo_core.kinds import KINDS
from zoo_core.kinds.regression import RegressionObjective
from zoo_core.outputs import FiniteOutputs, OutputForm, form_of, shape_advice
from zoo_core.protocols import Context
from zoo_core.recipe import Recipe
from zoo_core.registry import Registry
from zoo_core.results.records import Record, decode
from zoo_core.specs import Signature

NAN, INF = float("nan"), float("inf")


class Bent(nn.Module):
    """A model whose output is bent, in training, in evaluation, or in both."""

    def __init__(self, model: nn.Module, bend: Callable[[Tensor], Any], when: str) -> None:
        super().__init__()
        self.model, self.bend, self.when = model, bend, when

    def forward(self, x: Tensor) -> Any:
        output = self.model(x)
        bent = self.when in ("always", "training" if self.training else "evaluation")
        return self.bend(output) if bent else output


SWAPPED = "batch and time or classes swapped"
WRONG: dict[str, Callable[[Tensor], Any]] = {
    "squeezed": lambda output: output.flatten(1)[:, 0],
    "twice the outputs": lambda output: torch.cat([output, output], 1),
    "one of three outputs": lambda output: output[:, :1],
    "one more dimension": lambda output: output[..., None],
    "half of the batch": lambda output: output[: len(output) // 2],
    "a batch of one, which would be broadcast": lambda output: output[:1],
    "without a batch": lambda output: output.mean(0),
    "a number": lambda output: output.sum(),
    "integers": lambda output: output.round().long(),
    "truth values": lambda output: output > 0,
    "complex": lambda output: output.to(torch.complex64),
    "a tuple": lambda output: (output, output),
    "a list": lambda output: [output],
    "a dict": lambda output: {"logits": output},
    "nothing": lambda output: None,
    "numpy": lambda output: output.detach().numpy(),
    "another device": lambda output: output.to("meta"),
    SWAPPED: lambda output: output.transpose(0, 1),
}


def started(kind: str, folder: Path) -> Started:
    made = make_synthetic_task(kind, KINDS[kind].example_shape, 3)
    return Harness(task=made.task, model=stand_in_for(made.task), data=made.data, cache=folder).start()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", WRONG)
def test_an_output_of_another_form_is_refused_in_training_in_evaluation_and_by_the_check(
    kind: str, wrong: str, tmp_path: Path
) -> None:
    trial = started(kind, tmp_path)
    model = trial.model
    trial.model = Bent(model, WRONG[wrong], "training").train()
    with pytest.raises(WrongOutputError, match=f"forward returned .*{kind} wants "):
        trial.train()
    for split in ("val", "test"):
        with pytest.raises(WrongOutputError, match=f"forward returned .*{kind} wants "):
            evaluate(trial, split, Bent(model, WRONG[wrong], "evaluation"))
    trial.model = Bent(model, WRONG[wrong], "evaluation")
    with pytest.raises(CheckFailedError, match=rf"for an input \(.*\), forward returned .*{kind} wants "):
        require_output_shape(kind, trial, trial.example())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [NAN, INF, -INF])
def test_one_number_that_is_not_finite_in_an_evaluation_diverges_and_names_the_example(
    kind: str, number: float, tmp_path: Path
) -> None:
    trial, seen = started(kind, tmp_path), 0

    def spoil_the_third_example(output: Tensor) -> Tensor:
        nonlocal seen
        output = output.clone()
        if seen <= 2 < seen + len(output):
            output[(2 - seen, *[-1] * (output.dim() - 1))] = number
        seen += len(output)
        return output

    size = len(trial.data.split("val"))
    with pytest.raises(DivergedError, match=rf"not finite .* for 1 of {size} examples of val, first for number 2, "):
        evaluate(trial, "val", Bent(trial.model, spoil_the_third_example, "evaluation"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_another_floating_point_type_is_accepted_and_scored(kind: str, dtype: torch.dtype, tmp_path: Path) -> None:
    trial = started(kind, tmp_path)
    trial.model = Bent(trial.model, lambda output: output.to(dtype), "always")
    assert len(trial.train()) == 3
    assert np.isfinite(list(evaluate(trial, "val").values())).all()


def test_an_output_that_is_right_for_whole_batches_only_is_refused_at_the_last_one(tmp_path: Path) -> None:
    class FixedBatch(nn.Module):
        def __init__(self, size: int) -> None:
            super().__init__()
            self.rows = nn.Parameter(torch.zeros(size, 3))

        def forward(self, x: Tensor) -> Tensor:
            return self.rows + 0 * x.flatten(1)[:1, :1]

    trial = started("image-classification", tmp_path)
    size = len(trial.data.split("val"))
    with pytest.raises(WrongOutputError, match=rf"returned \({size + 1}, 3\), float32; .* wants \({size}, 3\) logits"):
        evaluate(trial, "val", FixedBatch(size + 1))


def test_a_model_that_returns_the_same_buffer_for_every_batch_keeps_its_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = started("regression", tmp_path)
    buffers: dict[int, Tensor] = {}
    monkeypatch.setattr("zoo_core.kinds.evaluation.MAX_EVALUATION_BATCH", 8)
    assert len(trial.data.split("val")) > 8

    def into_buffer(output: Tensor) -> Tensor:
        return buffers.setdefault(len(output), torch.empty_like(output)).copy_(output)

    expected = evaluate(trial, "val")
    assert evaluate(trial, "val", Bent(trial.model, into_buffer, "always")) == expected


@pytest.mark.parametrize("size", [(16, 16), (64, 64), (32, 40), (30, 30)])
def test_a_segmentation_of_another_height_or_width_is_refused(size: tuple[int, int], tmp_path: Path) -> None:
    trial = started("segmentation", tmp_path)
    resized = Bent(trial.model, lambda output: nn.functional.interpolate(output, size), "always")
    with pytest.raises(WrongOutputError, match=rf"{size[0]}, {size[1]}\), float32; segm.* wants \(\d+, 3, 32, 32"):
        evaluate(trial, "val", resized)


def test_a_segmentation_of_padded_images_has_the_size_of_the_padded_image(tmp_path: Path) -> None:
    made = make_synthetic_task("segmentation", (3, 40, 24), 2)
    trial = Harness(task=made.task, model=stand_in_for(made.task), data=made.data, cache=tmp_path).start()
    assert trial.example(2).shape == (2, 3, 64, 32)
    assert np.isfinite(evaluate(trial, "val")["mean_iou"])
    cut_back = Bent(trial.model, lambda output: output[:, :, 12:52, 4:28], "always")
    with pytest.raises(WrongOutputError, match=r"2, 40, 24\), float32; segmentation wants \(\d+, 2, 64, 32\)"):
        evaluate(trial, "val", cut_back)


def test_the_head_on_a_frozen_backbone_is_held_to_the_same_form(tmp_path: Path) -> None:
    class Transferred(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4)).requires_grad_(False)
            self.head = nn.Linear(4, 20)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.backbone(x))

    trial = started("image-classification", tmp_path)
    trial.model = Transferred()
    with pytest.raises(WrongOutputError, match=r"returned \(8, 20\), float32; image-classification wants \(8, 3\)"):
        trial.train()
    with pytest.raises(WrongOutputError, match=r"returned \(\d+, 20\), .* wants \(\d+, 3\) logits"):
        evaluate(trial, "val")


def test_a_model_with_a_loss_of_its_own_is_held_to_the_same_form(tmp_path: Path) -> None:
    class Own(nn.Linear):
        def loss(self, output: Tensor, target: Tensor) -> Tensor:
            return (output - target).square().mean()

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).squeeze(1)

    made = make_synthetic_task("regression", (4,), 1)
    trial = Harness(task=made.task, model=stand_in_for(made.task), data=made.data, cache=tmp_path).start()
    trial.model = Own(4, 1)
    with pytest.raises(WrongOutputError, match=r"\(8,\), float32; regression wants \(8, 1\) values: .* `squeeze\(\)`"):
        trial.train()


def test_targets_of_regression_that_would_be_broadcast_are_refused_before_training() -> None:
    objective = RegressionObjective(Signature(input_shape=(1,), outputs=1), Recipe({}), Context())
    with pytest.raises(PluginError, match=r"column y is \(n\); kind regression wants \(n, 1\)"):
        objective.study(SimpleNamespace(first=lambda count: {"y": torch.zeros(count)}))  # type: ignore[arg-type]
    objective.study(SimpleNamespace(first=lambda count: {"y": torch.zeros(count, 1)}))  # type: ignore[arg-type]


# The plugins' own kinds

REGISTRY = Registry.load()


def own_kind(task: str, model: str, folder: Path, **changes: Any) -> tuple[Started, nn.Module]:
    spec = REGISTRY.task(task)
    data = load_few_examples(REGISTRY, spec, None)
    trial = Harness(task=spec, model=REGISTRY.model(model, spec), data=data, cache=folder).start(**changes)
    return trial, trial.model


@pytest.fixture(params=[("pose", "gru"), ("motion", "lstm"), ("motion", "copy-last")], ids="-".join)
def pose(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Started, nn.Module]:
    return own_kind(*request.param, tmp_path)


def test_poses_and_motions_of_another_form_are_refused(pose: tuple[Started, nn.Module]) -> None:
    trial, model = pose
    kind = trial.task.spec.kind  # type: ignore[attr-defined]
    for name, bend in WRONG.items():
        if name in ("one of three outputs", SWAPPED):
            continue
        trial.model = Bent(model, bend, "training").train()
        with pytest.raises(WrongOutputError, match=f"forward returned .*{kind} wants "):
            next(trial.steps())
        with pytest.raises(WrongOutputError, match=f"forward returned .*{kind} wants "):
            evaluate(trial, "val", Bent(model, bend, "evaluation"))
    with pytest.raises(DivergedError, match="examples of test"):
        evaluate(trial, "test", Bent(model, lambda output: output * NAN, "evaluation"))
    trial.model = Bent(model, lambda output: output[:, :1], "evaluation")
    with pytest.raises(CheckFailedError, match=f"forward returned .*{kind} wants "):
        require_output_shape(kind, trial, trial.example())


@pytest.mark.parametrize("names", [("pose", "gru"), ("motion", "lstm")], ids="-".join)
def test_a_sequence_with_batch_and_time_swapped_is_refused(names: tuple[str, str], tmp_path: Path) -> None:
    trial, model = own_kind(*names, tmp_path, batch_size=7)  # of eight frames ahead, and of twelve classes
    trial.model = Bent(model, WRONG[SWAPPED], "training").train()
    with pytest.raises(WrongOutputError, match=r"forward returned \((8|12), 7[,)].*wants \(7, (8|12)"):
        next(trial.steps())


@pytest.fixture(params=[("gan-curve", "mlp-gan"), ("gan-digits", "wgan-gp")], ids="-".join)
def gan(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Started, nn.Module]:
    return own_kind(*request.param, tmp_path)


def test_generators_and_discriminators_of_another_form_are_refused(gan: tuple[Started, nn.Module]) -> None:
    trial, model = gan
    generator, discriminator = model.generator, model.discriminator
    keepdim = Bent(discriminator, lambda logits: logits[:, None], "always")
    model.discriminator = keepdim
    with pytest.raises(WrongOutputError, match=r"the discriminator returned \((\d+), 1\), .*wants \(\1,\) logits"):
        next(trial.steps())
    model.discriminator = discriminator
    for bend in (lambda x: x[:1], lambda x: x[..., None], lambda x: x.long(), lambda x: (x, x)):
        model.generator = Bent(generator, bend, "training").train()
        with pytest.raises(WrongOutputError, match=r"the generator returned .*zoo-gan wants "):
            next(trial.steps())
        with pytest.raises(WrongOutputError, match=r"the generator returned .*zoo-gan/.* wants "):
            evaluate(trial, "val", Bent(model, bend, "evaluation"))
    with pytest.raises(DivergedError, match="generated examples"):  # as a grey level, nan would be black
        evaluate(trial, "test", Bent(model, lambda x: x * NAN, "evaluation"))


# The contract itself


def test_a_kind_states_once_what_forward_returns_and_its_smallest_model_does(tmp_path: Path) -> None:
    for name, kind in KINDS.items():
        trial = started(name, tmp_path)
        form = trial.task.output_form()  # type: ignore[attr-defined]
        x = trial.example(4)
        assert form.shape(x) == resolve_entry(kind.output_shape_entry)(x, 3)
        form.require(trial.model(x), x)
        assert f"wants {form.shape(x)} {kind.output_values}" in refusal(form, torch.zeros(2), x)


def refusal(form: OutputForm, output: Any, x: Any) -> str:
    with pytest.raises(WrongOutputError) as caught:
        form.require(output, x)
    return str(caught.value)


TEN = OutputForm(kind="digits", shape=lambda x: (x.shape[0], 10), values="logits")


def test_the_error_names_both_shapes_the_type_and_the_device() -> None:
    x = torch.zeros(32, 4)
    assert refusal(TEN, torch.zeros(32, 20), x).startswith(
        "forward returned (32, 20), float32; digits wants (32, 10) logits: it has 20 outputs"
    )
    assert refusal(TEN, torch.zeros(32, 10, dtype=torch.int64), x) == (
        "forward returned (32, 10), int64; digits wants (32, 10) logits of a floating-point type, such as float32"
    )
    assert refusal(TEN, torch.zeros(32, 10, device="meta"), x) == (
        "forward returned (32, 10), float32, on meta; digits wants (32, 10) logits on cpu, the device of the inputs"
    )


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ((torch.ones(4, 2), torch.ones(4, 10)), "a tuple of 2: (4, 2), (4, 10); digits wants one tensor (4, 10) of lo"),
        ((torch.ones(4, 2), torch.ones(4, 10)), "return only its item 1"),
        ([torch.ones(4, 3)], "a list of 1: (4, 3); digits wants one tensor (4, 10) of logits: return only the tensor"),
        ({"aux": None, "logits": torch.ones(4, 10)}, "return only its item 'logits'"),
        (None, "forward returned None; digits wants one tensor (4, 10) of logits: is its `return` missing?"),
        (3.0, "forward returned a float"),
    ],
)
def test_an_output_that_is_no_tensor_is_described_with_the_part_to_return(output: Any, words: str) -> None:
    assert words in refusal(TEN, output, torch.ones(4, 5))


def test_inputs_without_a_device_do_not_hide_a_right_output() -> None:
    form = OutputForm(kind="own", shape=lambda x: (len(x["a"]), 2))
    form.require(torch.zeros(3, 2), {"a": [1, 2, 3]})
    assert "own wants (3, 2) numbers" in refusal(form, torch.zeros(2, 3), {"a": [1, 2, 3]})


def test_forms_are_shapes_and_types() -> None:
    assert form_of({"a": [torch.ones(2), "x"], "b": None}) == "a dict with 'a': a list of 2: (2,), a str, 'b': None"


@pytest.mark.parametrize(
    ("actual", "expected", "words"),
    [
        ((10,), (4, 10), "the batch dimension is missing"),
        ((1, 10), (4, 10), "one output for the whole batch"),
        ((4,), (4, 1), "remove `squeeze()`"),
        ((4, 10, 1, 1), (4, 10), "end with `flatten(1)`"),
        ((4, 10, 7, 7), (4, 10), "pool over the remaining dimensions"),
        ((4, 192), (4, 3, 8, 8), "end with `reshape(len(x), 3, 8, 8)`"),
        ((10, 4), (4, 10), "swapped"),
        ((4, 3), (4, 10), "3 outputs where the data have 10"),
        ((2, 10), (4, 10), "2 examples for a batch of 4"),
        ((5, 7), (4, 10), ""),
        ((), (4, 10), ""),
    ],
)
def test_an_output_of_another_shape_gets_its_probable_cause(
    actual: tuple[int, ...], expected: tuple[int, ...], words: str
) -> None:
    advice = shape_advice(actual, expected)
    assert words in advice
    assert bool(advice) == bool(words)


def test_large_finite_numbers_are_finite_and_the_first_bad_example_is_counted_over_batches() -> None:
    finite = FiniteOutputs()
    finite.add(torch.full((2, 1000), 3e38))  # their sum is not finite in float32
    finite.require("examples")
    finite.add(torch.tensor([0.0, NAN, -INF]))
    with pytest.raises(DivergedError, match="for 2 of 5 examples, first for number 3, counted from 0"):
        finite.require("examples")


def test_the_check_of_a_right_output_takes_less_than_a_microsecond() -> None:
    x, output = torch.ones(32, 3, 32, 32), {1: torch.ones(32, 3), 3: torch.ones(32, 3, 32, 32)}
    seconds, unit = {}, _seconds(lambda: x.shape[0])
    for name, kind in KINDS.items():
        require = kind.output_form(Signature(input_shape=(3, 32, 32), outputs=3)).require
        right = output[3 if name == "segmentation" else 1]
        seconds[name] = _seconds(lambda require=require, right=right: require(right, x))  # type: ignore[misc]
    # 0.7 us where reading a size takes 0.14 us; machines differ and are busy, so the ratio is what is tested
    assert max(seconds.values()) < 10 * unit, seconds


def _seconds(call: Callable[[], Any]) -> float:
    return min(timeit.repeat(call, number=500, repeat=60)) / 500


def test_metrics_refuse_what_numpy_would_broadcast_or_count_in_another_class() -> None:
    column, row = np.zeros((4, 1)), np.zeros(4)
    for metric in (metrics.mean_squared_error, metrics.mean_absolute_error, metrics.r_squared, metrics.accuracy):
        with pytest.raises(ValueError, match=r"predictions \(4,\) and targets \(4, 1\) differ in shape"):
            metric(row, column)
    with pytest.raises(ValueError, match="a prediction is 15, which is no class: there are 10"):
        metrics.confusion_matrix(np.array([15]), np.array([0]), 10)
    with pytest.raises(ValueError, match="a target is -1"):
        metrics.confusion_matrix(np.array([1]), np.array([-1]), 10)


# What is recorded

MODELS = """
    import torch
    from torch import nn

    def _net(change):
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.n = nn.Linear(784, 10)
            def forward(self, x):
                return change(self, self.n(x.flatten(1)))
        return Net()

    def right(signature): return _net(lambda net, o: o)
    def twenty(signature): return _net(lambda net, o: torch.cat([o, o], 1))
    def nan_in_eval(signature): return _net(lambda net, o: o if net.training else o * float("nan"))
    def squeezed_in_eval(signature): return _net(lambda net, o: o if net.training else o[:, 0])
"""


def bench(zoo: Callable[..., Any], *models: str) -> dict[str, Record]:
    Path("nets.py").write_text(textwrap.dedent(MODELS))
    options = [word for name in models for word in ("-m", f"./nets.py:{name}")]
    zoo("bench", "mnist", "--offline", *options, "--max-steps", "2", "--threads", "1")
    records = [decode(path.read_bytes()) for path in Path("results").glob("*/*.json")]
    return {record.model.name.partition(".")[2].partition("-")[0]: record for record in records}


def test_a_wrong_output_is_an_error_and_a_nan_in_evaluation_diverged_and_both_say_where(
    zoo: Callable[..., Any],
) -> None:
    records = bench(zoo, "right", "twenty", "nan_in_eval", "squeezed_in_eval")
    assert (records["right"].status, records["right"].score is not None) == ("ok", True)
    wrong = records["twenty"]
    assert (wrong.status, wrong.score) == ("error", None)
    assert "returned (32, 20), float32; image-classification wants (32, 10) logits" in wrong.reason
    spoilt = records["nan_in_eval"]
    assert (spoilt.status, spoilt.score) == ("diverged", None)
    assert "not finite (nan or inf) for 144 of 144 examples of val" in spoilt.reason
    assert spoilt.reason.endswith("at step 1")
    (point,) = spoilt.curve  # the training up to there is kept
    assert point.val_score is None
    assert point.train_loss is not None
    squeezed = records["squeezed_in_eval"]
    assert (squeezed.status, squeezed.score) == ("error", None)
    assert "image-classification wants (144, 10) logits" in squeezed.reason


def test_a_wrong_output_of_a_model_with_initial_weights_ends_the_run_before_anything_is_recorded(
    zoo: Callable[..., Any],
) -> None:
    Path("nets.py").write_text(textwrap.dedent(MODELS))
    save_file({"n.weight": torch.zeros(10, 784), "n.bias": torch.zeros(10)}, "w.safetensors")
    done = zoo(
        "bench", "mnist", "--offline", "-m", "./nets.py:twenty", "--weights", "w.safetensors", "--max-steps", "1"
    )
    assert done.code == 2
    assert "forward returned (2, 20), float32; image-classification wants (2, 10) logits" in done.err
    assert not list(Path().glob("results/*/*.json"))
