"""Kind `zoo-metric-learning/embedding`, version 1: embeddings in which examples of one class are near each other.

Data: column x, uint8 (n, channels, side, side), images; column label, integer (n,), the class. The classes of train,
val and test differ: test asks about classes that nobody has seen. An optional column `group`, integer (n,), keeps
classes that are alike together when val is held out. The signature's `outputs` is the suggested size of an embedding;
`extra["turns"]` is 4 if an image turned by a quarter belongs to another class, as a letter does, else 1 (the default);
`extra["train_classes"]` is the number of training classes times `turns`, for models with a classifier.
Inputs: images augmented as the recipe asks, divided by 255, normalised by the mean and std of train's channels.
Model: forward takes float (batch, channels, side, side) and returns embeddings, float (batch, d), with any d. Only
their directions count: all similarities are cosines.
Loss: the recipe's `loss`; or the model's own `loss(output, target)`, which gets embeddings (batch, d) as forward
returned them, and target int64 (batch,) in [0, train_classes). A model without parameters is not trained.
Training: a batch has `per_class` images of each of `batch_size / per_class` classes. With `turns` in the recipe, and in
the data, a training class turned by 90, 180 or 270 degrees is another class.
Scores: the metric `recall_at_1`, the share of examples whose nearest other one in the split is of their class;
`mean_average_precision` of the search with each example among all others. An example that is the only one of its class
is found, but searches for nothing. Test also has `equal_error_rate`, of "is it the same class" for all pairs, or for
two million that are drawn; and `identification_error`, `verification_error` and `enrolment_error`, with thresholds from
val: see `zoo_metric_learning.questions`. Of data without a val split, `holdout=false` trains on val, which flatters the
thresholds. Results by example are those of `recall_at_1`, of the examples that search, grouped by class.
One unit is one image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from zoo_core import Context, DamagedDataError, Data, Evaluation, Recipe, Step, Table, TaskSpec
from zoo_core.data.batches import Batch, DeviceSplit
from zoo_core.data.columns import Array
from zoo_core.kinds.inputs import ImageInputs
from zoo_core.kinds.objective import give_own_loss
from zoo_core.outputs import FiniteOutputs, OutputForm
from zoo_core.train import epoch_steps, supervised_steps
from zoo_metric_learning.augment import Views
from zoo_metric_learning.batches import ClassBatches
from zoo_metric_learning.losses import EmbeddingLoss
from zoo_metric_learning.pictures import neighbour_pictures
from zoo_metric_learning.questions import Embedded, answers
from zoo_metric_learning.scoring import Retrieval, error_curve, pair_similarities, retrieve, unit_vectors

EVALUATION_BATCH = 256  # images
QUESTION_COLUMNS = ["question", "error rate", "wrongly accepted", "wrongly rejected", "threshold", "answers"]


class MetricLearning:
    """The task of this kind."""

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        self._form = EmbeddingForm(kind=spec.kind, shape=lambda x: (x.shape[0], 1), values="numbers")
        self._last: _Last | None = None

    def prepare(self, ctx: Context, data: Data, recipe: Recipe) -> None:
        self._data, self._recipe = data, recipe
        self._images = ImageInputs(data.signature, normalize=True, device=ctx.device)
        turns = int(data.signature.extra.get("turns", 1)) if recipe.turns else 1
        split = data.split("train", holdout=recipe.holdout)
        self._train = ClassBatches(split, ctx.device, per_class=recipe.per_class, turns=turns)
        self._views = Views(recipe, ctx)

    def epoch_steps(self, recipe: Recipe) -> int:
        return epoch_steps(self._train, recipe)

    def example_input(self, ctx: Context, batch_size: int) -> Tensor:
        return self._inputs(self._train.first(batch_size)["x"])

    def output_form(self) -> OutputForm:
        return self._form

    def train(self, ctx: Context, model: nn.Module, recipe: Recipe) -> Iterator[Step]:
        """Take `recipe.steps` steps. Raises RecipeError if both the recipe and the model have a loss."""
        loss = EmbeddingLoss(recipe)
        give_own_loss(cast(Any, loss), model, recipe, self.spec.kind)
        self._images.ready(model)

        def loss_and_score(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
            return loss(self._forward(model, self._views(batch)), batch["label"])

        yield from supervised_steps(ctx, model, self._train, loss_and_score, recipe)

    def evaluate(self, ctx: Context, model: nn.Module, split: str) -> Evaluation:
        """Score the model on a split; for test, val's embeddings give the thresholds.

        Raises DivergedError, WrongOutputError, and DamagedDataError if no class of the split has two examples.
        """
        self._images.ready(model)
        embedded = self._embed(ctx, model, split)
        found = retrieve(embedded.unit, embedded.labels)
        if not len(found.queries):
            raise DamagedDataError(f"no class of {split} has two examples, so there is nothing to find")
        self._last = _Last(model=model, split=split, embedded=embedded, found=found)
        if split != "test":
            return _evaluation(embedded, found)
        return _test_evaluation(self._embed(ctx, model, "val"), embedded, found)

    def pictures(self, ctx: Context, model: nn.Module) -> dict[str, np.ndarray[Any, Any]]:
        """Draw test images with their nearest neighbours, right and wrong ones marked."""
        if self._last is None or self._last.model is not model or self._last.split != "test":
            self.evaluate(ctx, model, "test")
        assert self._last is not None
        split = self._split(ctx, "test")

        def read(rows: Array) -> Array:
            return split.at(torch.from_numpy(rows))["x"].cpu().numpy()

        return neighbour_pictures(read, self._last.embedded, self._last.found)

    def _split(self, ctx: Context, name: str) -> DeviceSplit:
        return DeviceSplit(self._data.split(name, holdout=self._recipe.holdout), ctx.device)

    def _inputs(self, images: Tensor) -> Tensor:
        return self._images.normalized(self._images.as_float(images))

    def _forward(self, model: nn.Module, images: Tensor) -> Tensor:
        """Return the embeddings (batch, d) of images (batch, channels, side, side) on the scale 0 to 255."""
        x = self._inputs(images)
        embeddings: Tensor = model(x)
        self._form.require(embeddings, x)
        return embeddings

    def _embed(self, ctx: Context, model: nn.Module, name: str) -> Embedded:
        split, finite, parts, labels = self._split(ctx, name), FiniteOutputs(), list[Tensor](), list[Tensor]()
        for batch in split.in_order(EVALUATION_BATCH):
            # A copy, because a model may return the same buffer for every batch, as CUDA graphs do.
            parts.append(self._forward(model, batch["x"]).to(torch.float32, copy=True))
            finite.add(parts[-1])
            labels.append(batch["label"])
        finite.require(f"examples of {name}")
        unit = unit_vectors(torch.cat(parts))
        numbers = torch.cat(labels).to(unit.device, torch.int64)
        return Embedded(unit=unit, labels=numbers)


class EmbeddingForm(OutputForm):
    """The form of embeddings (batch, d): d is what the model chooses."""

    def require(self, output: Any, x: Any) -> None:
        """Raise WrongOutputError unless `output` is a floating-point tensor (batch, d) on the device of `x`."""
        size = output.shape[-1] if isinstance(output, Tensor) and output.dim() > 1 and output.shape[-1] else 1
        OutputForm(kind=self.kind, shape=lambda x: (x.shape[0], size), values=self.values).require(output, x)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Last:
    """The last evaluation, for `pictures`."""

    model: nn.Module
    split: str
    embedded: Embedded
    found: Retrieval


def _evaluation(embedded: Embedded, found: Retrieval) -> Evaluation:
    """Gather the scores of a search, and its results by example."""
    labels = embedded.labels.cpu().numpy()
    return Evaluation(
        {"recall_at_1": float(found.hits.mean()), "mean_average_precision": float(found.precision.mean())},
        per_example={"score": found.hits.astype(np.float32), "group": labels[found.queries]},
    )


def _test_evaluation(val: Embedded, test: Embedded, found: Retrieval) -> Evaluation:
    """Add what is counted on test alone: the equal error rate, the three questions, and how many examples there are."""
    evaluation, pairs = _evaluation(test, found), pair_similarities(test.unit, test.labels)
    replies = answers(val, test, pairs)
    both = len(pairs.same) and len(pairs.different)
    curve = error_curve(pairs.same, pairs.different) if both else None
    evaluation.scores["equal_error_rate"] = curve.equal_error_rate if curve else float("nan")
    evaluation.scores |= {reply.name: reply.error for reply in replies}
    evaluation.tables["questions"] = Table(QUESTION_COLUMNS, [reply.row() for reply in replies])
    evaluation.tables["examples"] = Table(
        ["what", "number"],
        [
            ["images", len(test.labels)],
            ["classes", len(torch.unique(test.labels))],
            ["images that search", len(found.queries)],
            ["images that are the only one of their class", len(test.labels) - len(found.queries)],
            ["pairs of one class", pairs.all_same],
            ["pairs of two classes", pairs.all_different],
            ["pairs that the error rates are of", len(pairs.same) + len(pairs.different)],
        ],
    )
    return evaluation
