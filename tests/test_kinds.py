"""The shared kinds keep their interfaces: what goes in, what comes out, what it scores."""

from __future__ import annotations

import ast
import functools
import importlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import precision_recall_fscore_support
from torch import nn

import zoo_core
from zoo_core import kinds
from zoo_core.checks.data import make_synthetic_task
from zoo_core.checks.harness import Harness, stand_in_for
from zoo_core.cli import scaffold
from zoo_core.columns import Split
from zoo_core.entries import resolve_entry
from zoo_core.errors import IncompatibleError, MisspeltMethodError, PluginError
from zoo_core.kinds import KINDS, Kind, chance
from zoo_core.kinds.image_classification import ImageObjective
from zoo_core.kinds.objective import OBJECTIVE_PROTOCOLS, predictor
from zoo_core.kinds.regression import RegressionObjective, regression_task
from zoo_core.kinds.supervised import Supervised
from zoo_core.optional import TASK_PROTOCOLS, refuse_misspelt_methods
from zoo_core.pictures import sprite_sheet
from zoo_core.protocols import Context
from zoo_core.recipe import RUNNER_PARAMS, Recipe, as_param, resolve_recipe
from zoo_core.specs import Signature, TaskSpec

SIGNATURE = Signature(
    input_shape=(3, 4, 4), outputs=3, classes=("a", "b", "c"), mean=(0.5, 0.2, 0.1), std=(0.5, 0.4, 0.2)
)


SPEC = TaskSpec(
    name="t", title="T", summary="", kind="regression", datasets=("d",), metric="mse", higher_is_better=False
)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_entry_of_a_kind_resolves_and_its_interface_names_the_kind(kind: Kind) -> None:
    for entry in (
        kind.task_entry,
        kind.draw_entry,
        kind.smallest_model_entry,
        kind.output_shape_entry,
        kind.perfect_and_wrong_entry,
    ):
        assert callable(resolve_entry(entry))
    assert kind.interface.startswith(f"Kind `{kind.name}`, version {kind.version}: ")


def test_no_code_outside_a_kinds_folder_names_the_kind() -> None:
    core = Path(zoo_core.__file__).parent
    for path in core.rglob("*.py"):
        inside = path.relative_to(core).parts
        if inside[0] == "kinds" and len(inside) == 3:
            continue
        texts = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        assert not texts & set(KINDS), path


def test_a_new_kind_is_drawn_trained_checked_and_offered_without_another_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(KINDS, "ordinal", replace(KINDS["regression"], name="ordinal", example_shape=(2, 3)))
    drawn = make_synthetic_task("ordinal")
    assert (drawn.task.kind, drawn.task.metric, drawn.data.signature.input_shape) == ("ordinal", "mse", (2, 3))
    started = Harness(task=drawn.task, model=stand_in_for(drawn.task), data=drawn.data, cache=tmp_path).start()
    assert len(started.train()) == 3
    assert "ordinal" in scaffold.kinds()


def test_the_task_entry_of_a_kind_also_imports_from_the_kinds_package() -> None:
    for kind in KINDS.values():
        module = importlib.import_module(kind.task_entry.rpartition(".")[0])
        assert getattr(module, kind.task_entry.rpartition(":")[2]) is resolve_entry(kind.task_entry)


MISSPELT = """
from zoo_core import ModelSpec, TaskSpec, hookimpl


@hookimpl
def zoo_models():
    return [ModelSpec(name="never-built", tasks=("curve",), entry="zoo_misspelt:net")]


@hookimpl
def zoo_tasks():
    return [
        TaskSpec(
            name="curve", title="T", summary="S", kind="zoo-misspelt/curve", datasets=("cosine",), metric="mse",
            higher_is_better=False, chance=0.5, target=0.1, entry="zoo_misspelt:Curve",
        )
    ]


class Curve:
    def __init__(self, spec):
        pass

    def prepare(self, ctx, data, recipe):
        pass

    def train(self, ctx, model, recipe):
        yield

    def evaluate(self, ctx, model, split):
        pass

    def epoch_step(self, recipe):
        return 1
"""


def test_a_misspelt_method_of_a_task_fails_its_check_and_stops_a_trial(
    make_plugin: Callable[..., Any], zoo: Callable[..., Any]
) -> None:
    make_plugin("zoo-misspelt", MISSPELT)
    sentence = "task zoo-misspelt:curve has a method `epoch_step`: did you mean `epoch_steps`?"
    done = zoo("check", "curve", "--only", "entry")
    assert done.code == 1
    assert sentence in " ".join(done.out.split())
    done = zoo("bench", "curve", "--model", "never-built", "--device", "cpu")
    assert done.code != 0
    assert sentence in " ".join((done.out + done.err).split())


class Plain:
    """An objective with nothing optional."""

    def __init__(self, signature: Signature, recipe: Recipe, ctx: Context) -> None:
        pass

    def inputs(self, batch: Any) -> Any: ...

    def loss(self, output: Any, batch: Any) -> Any: ...

    def evaluate(self, outputs: Any, columns: Any) -> Any: ...


class Misspelt(Plain):
    def picture(self, read_rows: Any, outputs: Any, targets: Any) -> Any: ...


class Outdated(Plain):
    def read(self, files: Any, shape: Any) -> Any: ...

    def answers(self, outputs: Any, top: int) -> str:
        return "by the old name"


class Current(Outdated):
    def predictions(self, outputs: Any, top: int) -> str:
        return "by the new name"


@pytest.mark.parametrize("make", [Misspelt, functools.partial(Misspelt)])
def test_a_misspelt_method_of_an_objective_is_refused_when_the_task_is_made(make: Any) -> None:
    with pytest.raises(MisspeltMethodError, match="objective Misspelt has a method `picture`: did you mean `pictures`"):
        Supervised(SPEC, make)


def test_the_objective_of_a_function_is_checked_when_the_task_is_prepared() -> None:
    task = Supervised(SPEC, lambda *arguments: Misspelt(*arguments))
    with pytest.raises(MisspeltMethodError, match="did you mean `pictures`"):
        task.prepare(Context(), SimpleNamespace(signature=SIGNATURE), Recipe({}))  # type: ignore[arg-type]


def test_a_misspelt_override_is_refused_though_the_right_method_is_inherited() -> None:
    class OwnTask(Supervised):
        def epoch_step(self, recipe: Recipe) -> int:
            return 1

    with pytest.raises(MisspeltMethodError, match="x has a method `epoch_step`: did you mean `epoch_steps`"):
        refuse_misspelt_methods("x", OwnTask, TASK_PROTOCOLS)


@pytest.mark.parametrize(
    "name", ["trainer", "trained", "prepared", "evaluated", "predictor", "reader", "reduced", "already"]
)
def test_an_ordinary_helper_is_not_taken_for_a_misspelt_method(name: str) -> None:
    task = type("OwnTask", (Supervised,), {name: lambda self: None})
    objective = type("OwnObjective", (), {name: lambda self: None})
    refuse_misspelt_methods("x", task, TASK_PROTOCOLS)
    refuse_misspelt_methods("x", objective, OBJECTIVE_PROTOCOLS)


@pytest.mark.parametrize("name", ["epoch_step", "picture", "predicts", "example_inputs", "evalute"])
def test_a_name_one_letter_off_is_taken_for_a_misspelt_method(name: str) -> None:
    with pytest.raises(MisspeltMethodError, match=f"x has a method `{name}`: did you mean"):
        refuse_misspelt_methods("x", type("OwnTask", (), {name: lambda self: None}), TASK_PROTOCOLS)


def test_a_class_with_the_right_method_may_have_others_of_similar_names() -> None:
    class OwnTask(Supervised):
        def pictures(self, ctx: Context, model: nn.Module) -> dict[str, Any]:
            return {"a": self.picture(0)}

        def picture(self, number: int) -> Any: ...

    refuse_misspelt_methods("x", OwnTask, TASK_PROTOCOLS)


def test_an_objective_names_its_predictions_by_the_new_method_or_the_old_one() -> None:
    found = [predictor(make(SIGNATURE, Recipe({}), Context())) for make in (Plain, Outdated, Current)]
    assert [find and find(np.zeros(1), 1) for find in found] == [None, "by the old name", "by the new name"]


def test_a_kind_that_reads_no_files_refuses_to_predict_them() -> None:
    task = Supervised(SPEC, Plain)
    with pytest.raises(IncompatibleError, match="models of kind regression cannot predict files"):
        task.predict(Context(), nn.Linear(1, 1), SIGNATURE, (3, 4, 4), Recipe({}), [], 1)


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("zoo_core.kinds", "seen_by", "zoo_core.kinds:adapted_signature"),
        ("zoo_core.kinds", "LOOKING", "zoo_core.kinds:IMAGE_KINDS"),
        ("zoo_core.kinds", "body_entry", "zoo_core.kinds:task_entry"),
        ("zoo_core.kinds", "make_body", "zoo_core.kinds:make_task"),
        ("zoo_core.kinds.regression", "Regression", "zoo_core.kinds.regression:regression_task"),
        ("zoo_core.kinds.segmentation", "Segmentation", "zoo_core.kinds.segmentation:segmentation_task"),
        (
            "zoo_core.kinds.image_classification",
            "ImageClassification",
            "zoo_core.kinds.image_classification:image_classification_task",
        ),
        ("zoo_core.kinds.supervised", "Treaty", "zoo_core.kinds.objective:Objective"),
        ("zoo_core.kinds.supervised", "Look", "zoo_core.kinds.objective:RowReader"),
        ("zoo_core.kinds.regression", "RegressionTreaty", "zoo_core.kinds.regression:RegressionObjective"),
        ("zoo_core.kinds.image_classification", "ImageTreaty", "zoo_core.kinds.image_classification:ImageObjective"),
        ("zoo_core.kinds.segmentation", "SegmentationTreaty", "zoo_core.kinds.segmentation:SegmentationObjective"),
    ],
)
def test_an_old_public_name_still_imports_with_a_warning_that_gives_the_new_one(
    module: str, old: str, new: str
) -> None:
    with pytest.warns(DeprecationWarning, match=f"{module}.{old} is now .*{new.partition(':')[2]}"):
        assert getattr(importlib.import_module(module), old) is resolve_entry(new)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'zoo_core\.kinds' has no attribute 'seen'"):
        _ = kinds.seen


def image_recipe(**values: object) -> Recipe:
    params = {key: as_param(value) for key, value in KINDS["image-classification"].recipe.items()}
    return resolve_recipe(params, None, values)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(0, 256, (5, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_images_are_scaled_shifted_and_divided_by_trains_statistics(images: torch.Tensor) -> None:
    objective = ImageObjective(SIGNATURE, image_recipe(), Context())
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (SIGNATURE.mean, SIGNATURE.std))
    torch.testing.assert_close(objective.inputs({"x": images}), (images / 255 - mean) / std)


def test_without_normalisation_images_are_in_zero_to_one(images: torch.Tensor) -> None:
    objective = ImageObjective(SIGNATURE, image_recipe(normalize=False), Context())
    torch.testing.assert_close(objective.inputs({"x": images}), images / 255)


def test_convolution_nets_get_channels_last_images_and_dense_nets_do_not(images: torch.Tensor) -> None:
    objective = ImageObjective(SIGNATURE, image_recipe(), Context())
    objective.ready(nn.Sequential(nn.Flatten(), nn.Linear(48, 3)))
    assert objective.inputs({"x": images}).is_contiguous()
    objective.ready(nn.Sequential(nn.Conv2d(3, 2, 1)))
    assert objective.inputs({"x": images}).is_contiguous(memory_format=torch.channels_last)


def test_the_image_loss_is_torchs_cross_entropy_and_the_score_the_accuracy() -> None:
    objective = ImageObjective(SIGNATURE, image_recipe(label_smoothing=0.1), Context())
    output, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 0], dtype=torch.uint8)
    output[:, 0] += 100
    loss, score = objective.loss(output, {"y": labels})
    torch.testing.assert_close(loss, nn.functional.cross_entropy(output, labels.long(), label_smoothing=0.1))
    assert float(score) == 0.5


def test_image_scores_and_the_table_per_class_agree_with_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    outputs, targets = generator.normal(size=(200, 3)), generator.integers(0, 3, 200)
    found = ImageObjective(SIGNATURE, image_recipe(), Context()).evaluate(outputs, {"y": targets})
    expected = precision_recall_fscore_support(targets, outputs.argmax(1), zero_division=0)
    for column, values in enumerate(expected, 1):
        assert [row[column] for row in found.tables["per class"].rows] == pytest.approx(list(values), abs=1e-12)
    assert found.scores["f1"] == pytest.approx(expected[2].mean())
    assert [row[0] for row in found.tables["confusion"].rows] == ["a", "b", "c"]


def test_there_is_a_picture_of_mistakes_only_if_there_are_mistakes(images: torch.Tensor) -> None:
    objective = ImageObjective(SIGNATURE, image_recipe(), Context())
    targets = np.array([0, 1, 2, 0, 1])
    perfect = np.eye(3)[targets]

    def read_rows(rows: Sequence[int]) -> np.ndarray:
        return images.numpy()[rows]

    assert set(objective.pictures(read_rows, perfect, targets)) == {"thumbnail", "answers"}
    sheet = objective.pictures(read_rows, -perfect, targets)["mistakes"]
    assert sheet.dtype == np.uint8
    assert sheet.ndim == 3
    assert sheet.shape[2] == 3


def test_the_sheet_of_examples_has_the_wrong_ones_in_order(images: torch.Tensor) -> None:
    objective = ImageObjective(SIGNATURE, image_recipe(), Context())
    targets = np.array([0, 1, 2, 0, 1])
    outputs = np.eye(3)[targets]
    outputs[[1, 3]] = np.eye(3)[2]

    def read_rows(rows: Sequence[int]) -> np.ndarray:
        return images.numpy()[list(rows)]

    sheet = objective.pictures(read_rows, outputs, targets)["examples"]
    assert np.array_equal(sheet, sprite_sheet(images.numpy()[[1, 3]], columns=8, side=48))
    assert sheet.shape == (48, 384, 3)


def test_regression_scores_equal_those_computed_by_hand() -> None:
    objective = RegressionObjective(Signature(input_shape=(1,), outputs=1), Recipe({}), Context())
    predictions, targets = np.array([[1.0], [3.0]]), np.array([[0.0], [4.0]])
    found = objective.evaluate(predictions, {"y": targets})
    assert found.scores == {"mse": 1.0, "mae": 1.0, "r2": 1 - 2 / 8}
    assert found.per_example["score"].tolist() == [1.0, 1.0]
    loss, score = objective.loss(torch.tensor(predictions), {"y": torch.tensor(targets)})
    assert (loss.item(), score.item()) == (1.0, 1.0)


def test_a_regression_is_plotted_over_its_input_or_over_the_targets_if_there_are_several_inputs() -> None:
    objective = RegressionObjective(Signature(input_shape=(1,), outputs=1), Recipe({}), Context())
    targets = np.linspace(0, 1, 5, dtype=np.float32)[:, None]
    for inputs in (np.linspace(-1, 1, 5)[:, None], np.zeros((5, 3))):
        pictures = objective.pictures(lambda rows, x=inputs: x[list(rows)], targets + 0.5, targets)
        assert set(pictures) == {"thumbnail", "answers"}
        red, blue = pictures["answers"][:, :, 0].astype(int), pictures["answers"][:, :, 2].astype(int)
        assert (red - blue > 100).sum() >= 5 * 4  # five orange points


class Lines:
    """Data with a column `x` alone."""

    signature = Signature(input_shape=(1,), outputs=1)
    identity = "lines"

    def split(self, name: str, *, holdout: bool = True) -> Split:
        return Split({"x": np.arange(4, dtype=np.float32)[:, None]})


def test_an_objective_with_pictures_refuses_data_without_targets() -> None:
    class Drawn(Plain):
        def inputs(self, batch: Any) -> Any:
            return batch["x"]

        def pictures(self, read_rows: Any, outputs: Any, targets: Any) -> Any: ...

    task = Supervised(SPEC, Drawn)
    task.prepare(Context(), Lines(), resolve_recipe({"holdout": as_param(True)}, None, {}))  # type: ignore[arg-type]
    message = "its objective Drawn has `pictures`, which needs a column `y`; the data have none"
    with torch.no_grad(), pytest.raises(PluginError, match=message):
        task.pictures(Context(), nn.Linear(1, 1))


def test_a_model_is_made_ready_once_however_often_it_is_evaluated() -> None:
    class Counting(Plain):
        models: list[nn.Module] = []

        def ready(self, model: nn.Module) -> None:
            self.models.append(model)

        def inputs(self, batch: Any) -> Any:
            return batch["x"]

    task, models = Supervised(SPEC, Counting), [nn.Linear(1, 1), nn.Linear(1, 1)]
    for order in (models, models[::-1]):  # a new objective has not prepared the last model yet
        task.prepare(Context(), Lines(), resolve_recipe({"holdout": as_param(True)}, None, {}))  # type: ignore[arg-type]
        with torch.no_grad():
            for model, split in itertools.product(order, ("val", "val", "test")):
                task.evaluate(Context(), model, split)
    assert Counting.models == [*models, *models[::-1]]


def test_a_models_initialize_gets_inputs_spread_over_all_of_train() -> None:
    class Curious(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(1, 1)

        def initialize(self, x: torch.Tensor) -> None:
            self.looked_at = x

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x)

    class Numbers:
        signature = Signature(input_shape=(1,), outputs=1)
        identity = "numbers"

        def split(self, name: str, *, holdout: bool = True) -> Split:
            x = np.arange(12_000, dtype=np.float32)[:, None]
            return Split({"x": x, "y": x})

    params = {key: as_param(value) for key, value in {**RUNNER_PARAMS, **KINDS["regression"].recipe}.items()}
    recipe, ctx, model = resolve_recipe(params, None, {"steps": 1, "lr": 0.0}), Context(), Curious()
    task = regression_task(SPEC)
    task.prepare(ctx, Numbers(), recipe)
    list(task.train(ctx, model, recipe))
    assert model.looked_at.shape == (5000, 1)
    assert (model.looked_at.min().item(), model.looked_at.max().item()) == (0, 11_999)
    assert model.looked_at.mean().item() == pytest.approx(6000, abs=2)


def test_the_chance_level_of_accuracy_is_one_over_the_number_of_classes() -> None:
    spec = TaskSpec(
        name="t",
        title="T",
        summary="",
        kind="image-classification",
        datasets=("d",),
        metric="accuracy",
        higher_is_better=True,
        chance=0.1,
    )
    assert chance(spec, Signature(input_shape=(3, 8, 8), outputs=4)) == 0.25
    assert chance(spec, Signature(input_shape=(3, 8, 8))) == 0.1


def test_a_chance_level_that_the_data_state_has_precedence_over_the_tasks() -> None:
    spec = TaskSpec(
        name="t",
        title="T",
        summary="",
        kind="regression",
        datasets=("d",),
        metric="mae",
        higher_is_better=False,
        chance=1.0,
    )
    assert chance(spec, Signature(input_shape=(1,), extra={"chance": {"mae": 0.25}})) == 0.25
    assert chance(spec, Signature(input_shape=(1,), extra={"chance": {"mse": 0.25}})) == 1.0


def test_the_group_accuracy_counts_each_group_once_by_the_mean_log_probability_of_its_examples() -> None:
    outputs, targets = np.log([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.6, 0.4]]), np.array([0, 0, 1, 1])
    # group 7: log .9 + log .4 > log .1 + log .6, so class 0; group 9: log .2 + log .6 < log .8 + log .4, so class 1
    found = ImageObjective(SIGNATURE, image_recipe(), Context()).evaluate(
        np.concatenate([outputs, np.full((4, 1), -50.0)], axis=1), {"y": targets, "group": np.array([7, 7, 9, 9])}
    )
    assert found.scores["accuracy"] == 0.5
    assert found.scores["group_accuracy"] == 1.0
    assert found.per_example["group"].tolist() == [7, 7, 9, 9]


@pytest.mark.parametrize("metric", ["accuracy", "precision", "recall", "f1", "group_accuracy"])
def test_the_mean_of_the_results_by_image_is_the_tasks_metric(metric: str) -> None:
    generator = np.random.default_rng(0)
    outputs, targets = generator.normal(size=(40, 3)), generator.integers(0, 3, 40)
    columns = {"y": targets, "group": np.arange(40) // 4}
    found = ImageObjective(SIGNATURE, image_recipe(), Context(), metric=metric).evaluate(outputs, columns)
    assert found.per_example["score"].mean() == pytest.approx(found.scores[metric], rel=1e-12)


@pytest.mark.parametrize("metric", ["mse", "mae", "r2"])
def test_the_mean_of_the_results_by_example_of_a_regression_is_the_tasks_metric(metric: str) -> None:
    generator = np.random.default_rng(0)
    outputs, targets = generator.normal(size=(40, 2)), generator.normal(size=(40, 2))
    signature = Signature(input_shape=(1,), outputs=2)
    found = RegressionObjective(signature, Recipe({}), Context(), metric=metric).evaluate(
        outputs, {"y": targets, "group": np.arange(40) // 4}
    )
    assert found.per_example["score"].mean() == pytest.approx(found.scores[metric], rel=1e-12)
    assert found.per_example["group"].tolist() == (np.arange(40) // 4).tolist()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("size", [9, 12])
def test_image_inputs_of_many_batches_at_once_have_the_bits_and_strides_of_each(
    channels: int, normalize: bool, size: int
) -> None:
    signature = Signature(input_shape=(3, size, size), outputs=2, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
    objective = ImageObjective(signature, image_recipe(normalize=normalize), Context())
    block = {"x": torch.randint(0, 256, (39, channels, 9, 9), dtype=torch.uint8)}
    for model in (nn.Flatten(), nn.Conv2d(3, 2, 3)):  # the second makes the inputs channels-last
        objective.ready(model)
        whole = objective.block_inputs(block)
        for part, raw in zip(whole.split(13), block["x"].split(13), strict=True):
            alone = objective.inputs({"x": raw})
            assert torch.equal(part, alone)
            assert part.stride() == alone.stride()
