"""`zoo check` says in words what a model does wrong with its input, its output and its loss."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core.checks import CheckFailedError
from zoo_core.checks.forward import run_forward
from zoo_core.checks.losses import LossWatch

IMAGES = torch.ones(4, 1, 28, 28)


def complaint(model: nn.Module, x: Tensor) -> str:
    with pytest.raises(CheckFailedError) as caught:
        run_forward(model, x)
    return str(caught.value)


class AllFlat(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(784, 10)

    def forward(self, x: Tensor) -> Any:
        return self.fc(x.flatten())


@pytest.mark.parametrize(
    ("model", "x", "layer", "advice"),
    [
        (nn.Sequential(nn.Linear(784, 10)), IMAGES, "`0` is Linear", "It works on flattened input"),
        (
            nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(1352, 10)),
            IMAGES,
            "gets (4, 2, 26, 26)",
            "Flatten before this layer",
        ),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(100, 10)),
            IMAGES,
            "gets (4, 784)",
            "`signature.features`, here 784, not",
        ),
        (
            nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(100, 10)),
            IMAGES,
            "`2` is Linear",
            "must be 1352, not 100",
        ),
        (AllFlat(), IMAGES, "`fc` is Linear", "The batch dimension is gone"),
        (nn.Sequential(nn.Conv2d(3, 2, 3)), IMAGES, "`0` is Conv2d", "must be 1, not 3: `signature.input_shape[0]`"),
        (nn.Sequential(nn.Flatten(), nn.Conv2d(1, 2, 3)), IMAGES, "gets (4, 784)", "do not flatten before it"),
        (nn.Sequential(nn.Conv2d(3, 2, 3)), torch.ones(4, 28, 28, 3), "`0` is Conv2d", "x.movedim(-1, 1)"),
        (nn.Sequential(nn.BatchNorm1d(3)), torch.ones(1, 3), "`0` is BatchNorm1d", "cannot train on one example"),
        (
            nn.Sequential(nn.BatchNorm1d(3, track_running_stats=False)).eval(),
            torch.ones(1, 3),
            "`0` is BatchNorm1d",
            "track_running_stats=True",
        ),
    ],
)
def test_a_failing_forward_names_the_layer_its_input_and_the_fix(
    model: nn.Module, x: Tensor, layer: str, advice: str
) -> None:
    said = complaint(model, x)
    assert said.startswith(f"forward fails for an input {tuple(x.shape)}: ")
    assert layer in said
    assert advice in said
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


class OfTwo(nn.Module):
    """Takes a dict, as a plugin's own kind may give it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 1)

    def forward(self, x: dict[str, Tensor]) -> Any:
        return self.fc(x["left"] + x["right"])


def test_a_failing_forward_of_several_inputs_names_them_all() -> None:
    said = complaint(OfTwo(), {"left": torch.ones(4, 5), "right": torch.ones(4, 5)})
    assert "for an input a dict with 'left': (4, 5), 'right': (4, 5): " in said
    assert "Layer `fc` is Linear" in said


class Recovers(nn.Module):
    """Catches the error of its first layer; then another layer fails."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(5, 1), nn.Linear(784, 3), nn.Linear(7, 1)

    def forward(self, x: Tensor) -> Any:
        try:
            return self.first(x.flatten(1))
        except RuntimeError:
            return self.third(self.second(x.flatten(1)))


def test_a_layer_whose_error_the_model_caught_is_not_blamed_for_a_later_one() -> None:
    assert "Layer `third` is Linear(in_features=7" in complaint(Recovers(), IMAGES)


def test_a_forward_that_works_returns_what_the_model_returns_and_leaves_no_hooks() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 3))
    assert torch.equal(run_forward(model, IMAGES), model(IMAGES))
    assert not any(module._forward_hooks for module in model.modules())


LOGITS = torch.randn(8, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
LABELS = torch.arange(8) % 5
BITS = torch.ones(8, 5)


@pytest.mark.parametrize(
    ("loss", "problem"),
    [
        (lambda: F.cross_entropy(LOGITS, LABELS), ""),
        (lambda: F.cross_entropy(LOGITS.log_softmax(1), LABELS), ""),
        (lambda: nn.CrossEntropyLoss()(LOGITS.softmax(1), LABELS), "softmax is applied twice"),
        (lambda: F.cross_entropy(LOGITS.softmax(1).reshape(8, 5).float(), LABELS), "softmax is applied twice"),
        (lambda: F.cross_entropy(input=LOGITS.exp() / LOGITS.exp().sum(1, True), target=LABELS), "applied twice"),
        (lambda: F.cross_entropy(LOGITS.sigmoid(), LABELS), "the outputs of a sigmoid"),
        (lambda: F.cross_entropy(LOGITS.softmax(1)[:, :, None, None], LABELS[:, None, None]), "applied twice"),
        (lambda: F.binary_cross_entropy_with_logits(LOGITS, BITS), ""),
        (lambda: F.binary_cross_entropy_with_logits(LOGITS.sigmoid(), BITS), "the outputs of a sigmoid"),
        (lambda: F.nll_loss(LOGITS.log_softmax(1), LABELS), ""),
        (lambda: F.nll_loss(LOGITS.softmax(1), LABELS), "nll_loss takes log-probabilities"),
    ],
)
def test_probabilities_in_a_loss_that_takes_logits_are_found(loss: Callable[[], Tensor], problem: str) -> None:
    with LossWatch() as watch:
        value = loss()
    assert watch.calls == 1
    assert torch.equal(value, loss())
    assert problem in watch.problem
    assert bool(problem) == bool(watch.problem)


def test_a_training_without_such_a_loss_counts_no_call() -> None:
    with LossWatch() as watch:
        F.mse_loss(LOGITS.softmax(1), torch.ones(8, 5))
    assert (watch.calls, watch.problem) == (0, "")


LAZY = "from torch import nn\n\n\ndef net():\n    return nn.Sequential(nn.Flatten(), nn.LazyLinear(10))\n"
PAIR = """
from torch import nn


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(784, 10)

    def forward(self, x):
        return self.fc(x.flatten(1)), x
"""


def test_the_command_explains_lazy_layers_and_a_tuple(zoo: Callable[..., Any]) -> None:
    Path("lazy.py").write_text(LAZY)
    Path("pair.py").write_text(PAIR)
    done = zoo("check", "./lazy.py:net", "./pair.py:Pair", "--task", "mnist", "--only", "output-shape")
    assert done.code == 1
    assert "`1` is a LazyLinear: write nn.Linear(in_features=784, out_features=10, bias=True)" in done.out
    assert "forward returned a tuple of 2: (4, 10), (4, 1, 28, 28)" in done.out
    assert "?. To fix" not in done.out
