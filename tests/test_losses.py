"""The losses of the shared kinds: those that a recipe names, and those that a model brings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core.columns import Split
from zoo_core.errors import IncompatibleError, RecipeError
from zoo_core.kinds import KINDS
from zoo_core.kinds.classification import ClassLoss
from zoo_core.kinds.image_classification.objective import ImageObjective, image_classification_task
from zoo_core.kinds.regression.objective import RegressionObjective, regression_task
from zoo_core.kinds.segmentation.objective import SegmentationObjective
from zoo_core.kinds.supervised import Supervised
from zoo_core.protocols import Context, Step
from zoo_core.recipe import RUNNER_PARAMS, Recipe, as_param, resolve_recipe
from zoo_core.specs import Signature, TaskSpec

IMAGES = Signature(input_shape=(1, 4, 4), outputs=3, mean=(0.5,), std=(0.25,))
PIXELS = Signature(input_shape=(1, 8, 8), outputs=3, mean=(0.5,), std=(0.25,), extra={"ignore_index": 9})
NUMBERS = Signature(input_shape=(2,), outputs=2)
MAKERS: dict[str, Callable[[TaskSpec], Supervised]] = {
    "image-classification": image_classification_task,
    "regression": regression_task,
}


def recipe(kind: str, **values: Any) -> Recipe:
    params = {key: as_param(value) for key, value in {**RUNNER_PARAMS, **KINDS[kind].recipe}.items()}
    return resolve_recipe(params, None, values)


def logits_and_labels() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(7, 3, generator=generator, requires_grad=True), torch.randint(0, 3, (7,), generator=generator)


# Named losses


def test_the_default_loss_is_torchs_cross_entropy() -> None:
    logits, labels = logits_and_labels()
    assert torch.equal(
        ClassLoss("cross-entropy", 0.1)(logits, labels), F.cross_entropy(logits, labels, label_smoothing=0.1)
    )


def test_focal_is_the_cross_entropy_of_each_example_times_the_square_of_its_error() -> None:
    logits, labels = logits_and_labels()
    p = logits.softmax(1)[range(7), labels]
    torch.testing.assert_close(ClassLoss("focal", 0.0)(logits, labels), (-((1 - p) ** 2) * p.log()).mean())


def test_bce_is_torchs_for_one_sigmoid_per_class() -> None:
    logits, labels = logits_and_labels()
    expected = nn.BCEWithLogitsLoss()(logits, torch.eye(3)[labels])
    torch.testing.assert_close(ClassLoss("bce", 0.0)(logits, labels), expected)


def test_mse_is_the_squared_error_of_the_probabilities() -> None:
    logits, labels = logits_and_labels()
    probabilities = np.exp(logits.detach().numpy())
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    expected = np.mean((probabilities - np.eye(3)[labels.numpy()]) ** 2)
    assert float(ClassLoss("mse", 0.0)(logits, labels).detach()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["focal", "bce", "mse"])
def test_label_smoothing_moves_a_share_of_the_targets_to_all_classes(name: str) -> None:
    logits, labels = logits_and_labels()
    by_class = [float(ClassLoss(name, 0.0)(logits, torch.full_like(labels, label)).detach()) for label in range(3)]
    smoothed = float(ClassLoss(name, 1.0)(logits, labels).detach())
    if name == "mse":  # not linear in the targets
        assert smoothed == pytest.approx(float(F.mse_loss(logits.softmax(1), torch.full((7, 3), 1 / 3)).detach()))
    else:
        assert smoothed == pytest.approx(sum(by_class) / 3, rel=1e-5)


@pytest.mark.parametrize("name", KINDS["image-classification"].recipe["loss"].choices)
def test_mixed_images_weigh_the_losses_of_both_labels(name: str) -> None:
    logits, labels = logits_and_labels()
    objective = ImageObjective(IMAGES, recipe("image-classification", loss=name), Context())
    other, share = (labels + 1) % 3, torch.tensor(0.7)
    mixed, _ = objective.loss(logits, {"y": labels, "y_mixed": other, "share": share})
    plain, swapped = (objective.loss(logits, {"y": y})[0] for y in (labels, other))
    torch.testing.assert_close(mixed, 0.7 * plain + 0.3 * swapped)


@pytest.mark.parametrize(("name", "reference"), [("mse", F.mse_loss), ("mae", F.l1_loss), ("huber", F.huber_loss)])
@pytest.mark.parametrize("metric", ["mse", "mae", "r2"])
def test_a_regression_minimises_the_named_loss_and_logs_the_metric(name: str, reference: Any, metric: str) -> None:
    output, targets = torch.randn(9, 2, requires_grad=True), torch.randn(9, 2)
    objective = RegressionObjective(NUMBERS, recipe("regression", loss=name), Context(), metric=metric)
    loss, score = objective.loss(output, {"y": targets})
    torch.testing.assert_close(loss, reference(output, targets))
    scores = objective.evaluate(output.detach().numpy(), {"y": targets.numpy()}).scores
    assert float(score.detach()) == pytest.approx(scores[metric], rel=1e-5)


def pixel_case() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (2, 8, 8), generator=generator)
    labels[:, 0] = 9
    return torch.randn(2, 3, 8, 8, generator=generator, requires_grad=True), labels


def test_the_focal_loss_of_pixels_leaves_out_ignored_ones() -> None:
    logits, labels = pixel_case()
    found, _ = SegmentationObjective(PIXELS, recipe("segmentation", loss="focal"), Context()).loss(
        logits, {"y": labels}
    )
    flat, counted = logits.permute(0, 2, 3, 1)[labels != 9], labels[labels != 9]
    torch.testing.assert_close(found, ClassLoss("focal", 0.0)(flat, counted))


def test_the_dice_loss_alone_is_what_dice_weight_adds() -> None:
    logits, labels = pixel_case()
    alone, plain, both = (
        SegmentationObjective(PIXELS, recipe("segmentation", **values), Context()).loss(logits, {"y": labels})[0]
        for values in ({"loss": "dice"}, {}, {"dice_weight": 1.0})
    )
    torch.testing.assert_close(alone, both - plain)


# A model's own loss


class Own(nn.Module):
    """A linear model with the loss that is given."""

    def __init__(self, signature: Signature, loss: Any) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(signature.features, signature.outputs or 1))
        self.loss = loss

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.layers(x)
        return output


class FewImages:
    signature, identity = IMAGES, "a test's"

    def split(self, name: str, *, holdout: bool = True) -> Split:
        x = np.random.default_rng(0).integers(0, 256, (12, 1, 4, 4)).astype(np.uint8)
        return Split({"x": x, "y": np.arange(12) % 3})


class FewNumbers:
    signature, identity = NUMBERS, "a test's"

    def split(self, name: str, *, holdout: bool = True) -> Split:
        x = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
        return Split({"x": x, "y": x})


def steps_with(loss: Any, /, kind: str = "image-classification", make: Any = None, **values: Any) -> list[Step]:
    spec = TaskSpec(
        name="t", title="", summary="", kind=kind, datasets=("d",), metric=KINDS[kind].metric, higher_is_better=True
    )
    data: Any = FewNumbers() if kind == "regression" else FewImages()
    ctx, settings = Context(generator=torch.Generator().manual_seed(0)), recipe(kind, steps=2, batch_size=12, **values)
    task = (make or MAKERS[kind])(spec)
    task.prepare(ctx, data, settings)
    torch.manual_seed(0)
    return list(task.train(ctx, Own(data.signature, loss), settings))


def test_a_models_own_loss_gets_output_and_target_and_is_minimised() -> None:
    seen: list[Any] = []

    def own(output: Tensor, target: Tensor) -> Tensor:
        seen.append((output.shape, output.dtype, target.shape, target.dtype))
        return 5 * F.cross_entropy(output, target)

    five, one = steps_with(own), steps_with(None)
    assert seen[0] == ((12, 3), torch.float32, (12,), torch.int64)
    assert float(five[0].logs["loss"]) == pytest.approx(5 * float(one[0].logs["loss"]))
    assert float(five[0].logs["score"]) == float(one[0].logs["score"])


@pytest.mark.parametrize("attribute", [0.5, [], torch.zeros(())], ids=str)
def test_an_attribute_called_loss_that_cannot_be_called_is_no_loss(attribute: Any) -> None:
    losses = [[float(step.logs["loss"]) for step in steps_with(loss)] for loss in (attribute, None)]
    assert losses[0] == losses[1]


def test_a_loss_may_be_a_module_of_the_model() -> None:
    losses = [[float(step.logs["loss"]) for step in steps_with(loss)] for loss in (nn.CrossEntropyLoss(), None)]
    assert losses[0] == losses[1]


def test_an_own_loss_of_pixels_gets_images_without_padding_and_torchs_ignored_class() -> None:
    logits, labels = pixel_case()
    objective = SegmentationObjective(PIXELS, recipe("segmentation", dice_weight=1.0), Context())
    objective.take_loss(nn.CrossEntropyLoss())
    padded = F.pad(logits, (12, 12, 12, 12))
    found, _ = objective.loss(padded, {"y": labels.to(torch.uint8)})
    torch.testing.assert_close(found, F.cross_entropy(logits, labels, ignore_index=9))


def test_an_own_loss_of_mixed_images_weighs_both_labels() -> None:
    plain = [float(step.logs["loss"]) for step in steps_with(None, mixup=1.0)]
    assert [float(step.logs["loss"]) for step in steps_with(nn.CrossEntropyLoss(), mixup=1.0)] == plain


def test_a_regression_takes_a_models_own_loss() -> None:
    (first, *_) = steps_with(lambda output, target: (output - target).abs().max(), "regression")
    assert float(first.logs["loss"]) > float(first.logs["score"]) ** 0.5


BAD: dict[str, tuple[Any, str]] = {
    "one number per example": (nn.CrossEntropyLoss(reduction="none"), r"a tensor of shape \(12,\): return one number"),
    "a float": (lambda output, target: F.cross_entropy(output, target).item(), "returned a float: return a scalar"),
    "other arguments": (
        lambda x, y, model: x.sum(),
        r"the model's `loss\(x, y, model\)` would be called as `loss\(output",
    ),
    "no gradient": (lambda output, target: F.cross_entropy(output.detach(), target), "has no gradient"),
}


@pytest.mark.parametrize(("loss", "message"), BAD.values(), ids=BAD)
def test_an_own_loss_that_cannot_be_minimised_is_refused_with_the_remedy(loss: Any, message: str) -> None:
    with pytest.raises(IncompatibleError, match=message):
        steps_with(loss)


def test_a_recipes_loss_and_a_models_own_are_refused_together() -> None:
    with pytest.raises(RecipeError, match="loss=focal, but the model has its own `loss`: remove one of the two"):
        steps_with(nn.CrossEntropyLoss(), loss="focal")


def test_a_kind_that_cannot_use_a_models_own_loss_says_so() -> None:
    class Plain:
        def __init__(self, *arguments: Any) -> None:
            self._objective = ImageObjective(*arguments)

        def inputs(self, batch: Any) -> Tensor:
            return self._objective.inputs(batch)

        def loss(self, output: Tensor, batch: Any) -> tuple[Tensor, Tensor]:
            return self._objective.loss(output, batch)

        def evaluate(self, outputs: Any, columns: Any) -> Any: ...

    def make(spec: TaskSpec) -> Supervised:
        return Supervised(spec, Plain)

    assert len(steps_with(None, make=make)) == 2
    with pytest.raises(IncompatibleError, match="kind image-classification cannot use: rename it, or give the kind's"):
        steps_with(nn.CrossEntropyLoss(), make=make)
