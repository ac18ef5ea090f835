"""A saved model scores the same in another process and predicts pictures; other files are one-line errors."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from zoo_core.errors import WeightsError
from zoo_core.files import cache_dir, portable
from zoo_core.recipe import resolve_recipe
from zoo_core.registry import Registry
from zoo_core.results.records import Record, decode
from zoo_core.runner import checkpoints
from zoo_core.runner.checkpoints import Checkpoint
from zoo_core.runner.pair_recipe import pair_parameters
from zoo_core.runner.saved_models import SavedModel
from zoo_core.specs import Signature

CLASSES = ("north", "east", "south", "west")
PLUGIN = """
    import numpy as np
    from zoo_core import DatasetSpec, Download, ModelSpec, Param, Signature, TaskSpec, hookimpl

    CLASSES = ("north", "east", "south", "west")
    KIND = "image-classification"

    @hookimpl
    def zoo_tasks():
        return [TaskSpec(name="sides", title="Sides", summary="Which side is bright?", kind=KIND,
                         datasets=("sides", "dim", "renamed"), metric="accuracy", higher_is_better=True)]

    @hookimpl
    def zoo_datasets():
        return [DatasetSpec(name=name, title=name, origin="synthetic", licence="CC0-1.0", entry=f"zoo_sides:{name}",
                            signature=Signature(input_shape=(1, 8, 8), outputs=4, classes=classes))
                for name, classes in (("sides", CLASSES), ("dim", CLASSES), ("renamed", tuple("abcd")))]

    @hookimpl
    def zoo_models():
        def weights(name):
            return Download(name=f"{name}.safetensors", urls=(f"https://zoo.invalid/{name}",), sha256="SHA256")

        return [ModelSpec(name="net", entry="zoo_sides:net", kind=KIND, options={"width": Param(default=6)}),
                ModelSpec(name="line", entry="zoo_sides:line", kind=KIND, tasks=()),
                ModelSpec(name="head", entry="zoo_sides:head", kind=KIND, tasks=()),
                ModelSpec(name="begun", entry="zoo_sides:line", kind=KIND, tasks=TASKS,
                          weights=weights("begun"), pretrained_on="other sides"),
                ModelSpec(name="far", entry="zoo_sides:line", kind=KIND, tasks=TASKS,
                          weights=weights("far"), pretrained_on="distant sides")]

    class sides:
        bright = 150
        signature = Signature(input_shape=(1, 8, 8), outputs=4, classes=CLASSES)

        def __init__(self, ctx):
            pass

        def load(self, split):
            if split == "val":
                from zoo_core import UnknownSplitError
                raise UnknownSplitError(split)
            size = 80 if split == "train" else 21
            generator, labels = np.random.default_rng(size), np.arange(size) % 4
            images = generator.integers(0, 105, (size, 1, 8, 8))
            for image, label in zip(images, labels):
                np.rot90(image[0], -label)[:2] += self.bright
            return {"x": images.astype(np.uint8), "y": labels}

    class dim(sides):
        bright = 50

    class renamed(sides):
        signature = Signature(input_shape=(1, 8, 8), outputs=4, classes=tuple("abcd"))

    def net(signature, width):
        from torch import nn
        return nn.Sequential(nn.Flatten(), nn.Linear(signature.features, width), nn.BatchNorm1d(width), nn.ReLU(),
                             nn.Dropout(0.3), nn.Linear(width, signature.outputs))

    def head(signature):
        from torch import nn
        from zoo_core.transfer import Transfer
        return Transfer(net(signature, 6)[:-1], nn.Linear(6, signature.outputs))

    def line(signature):
        from torch import nn
        return nn.Sequential(nn.Flatten(), nn.Linear(signature.features, signature.outputs))
"""
BENCH = ("bench", "sides", "--device", "cpu", "--threads", "1")
LINE = {"1.weight": torch.arange(256.0).view(4, 64) / 256, "1.bias": torch.zeros(4)}

Zoo = Callable[..., Any]


@pytest.fixture
def plugin(make_plugin: Callable[..., Path]) -> Path:
    """A task of four classes, its data of 8x8 pixels and tiny models; `begun` and `far` have published weights."""
    return make_plugin("zoo-sides", PLUGIN.replace("TASKS", "()").replace("SHA256", "0" * 64))


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    """A saved model sets threads and denormals for its whole process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def records() -> list[Record]:
    return [decode(path.read_bytes()) for path in sorted(Path("results").glob("*/*.json"))]


def by_model() -> dict[str, Record]:
    return {record.model.name.partition(":")[2]: record for record in records()}


def is_one_line(done: Any) -> bool:
    return bool(done.err.count("\n") == 1 and done.err.startswith("error: ") and not done.out)


# Saved, scored again, asked


def test_a_saved_model_scores_exactly_the_same_in_another_process_and_predicts_pictures(
    zoo: Zoo, plugin: Path, tmp_path: Path
) -> None:
    assert zoo(*BENCH, "--model", "net", "--epochs", "3", "--save").code == 0
    (record,) = records()
    (path,) = Path("results").glob("*/*/checkpoint.safetensors")
    assert record.measured.checkpoint == path.name
    assert path.parent.name == record.id

    found = json.loads(zoo("eval", path, "--device", "cpu", "--json").out)
    assert found["scores"] == found["saved_scores"] == record.measured.scores
    assert found["scores"]["accuracy"] > 0.4
    assert (found["task"], found["model"], found["same_data"]) == ("zoo-sides:sides", "zoo-sides:net", True)
    shown = zoo("eval", path, "--device", "cpu").out
    assert "zoo-sides:net on test of zoo-sides:sides" in shown
    assert "other data" not in shown

    files = pictures(tmp_path)
    answers = json.loads(zoo("predict", path, *files, "--top", "4", "--device", "cpu", "--json").out)
    assert [answer["file"] for answer in answers] == [str(file) for file in files for _ in CLASSES]
    with np.load(path.parent / record.measured.per_example, allow_pickle=False) as kept:
        expected = [CLASSES[answer] for answer in kept["answer"]]
    for number, said in enumerate(expected):
        best, *others = answers[4 * number : 4 * number + 4]
        assert best["class"] == said
        assert {best["class"], *(other["class"] for other in others)} == set(CLASSES)
        assert sum(answer["probability"] for answer in (best, *others)) == pytest.approx(1, abs=1e-6)
        assert best["probability"] >= others[0]["probability"] >= others[1]["probability"]
    rows = [line.split() for line in zoo("predict", path, files[0], "--device", "cpu").out.splitlines()]
    assert rows[0] == ["file", "class", "probability"]
    assert rows[1:] == [[str(files[0]), expected[0], f"{answers[0]['probability']:.4f}"]]


def pictures(folder: Path) -> list[Path]:
    """The test split as files."""
    import zoo_sides  # type: ignore[import-not-found]

    files = []
    for number, image in enumerate(zoo_sides.sides(None).load("test")["x"]):
        files.append(folder / f"{number:02}.png")
        Image.fromarray(image[0]).save(files[-1])
    return files


def test_a_trial_without_its_model_is_run_again_under_save_and_only_there(zoo: Zoo, plugin: Path) -> None:
    command = (*BENCH, "--model", "net", "--max-steps", "1")
    assert "1 new" in zoo(*command).out
    assert "0 new, 1 recorded already" in zoo(*command).out
    assert "1 new" in zoo(*command, "--save").out
    assert "0 new, 1 recorded already" in zoo(*command, "--save").out
    assert "0 new, 1 recorded already" in zoo(*command).out
    assert sorted(record.measured.checkpoint for record in records()) == ["", "checkpoint.safetensors"]


# The file itself


def about(model: str = "net", **changes: Any) -> Checkpoint:
    """Of a model of the plugin's."""
    registry = Registry.load()
    task, spec = registry.task("sides"), registry.model(model)
    entries: dict[str, Any] = {
        **{"task": task.qualified, "task_version": 1, "dataset": "zoo-sides:sides", "fingerprint": "f"},
        **{"model": spec.qualified, "model_version": 1, "code_sha256": "c", "metric": "accuracy"},
        **{"recipe": dict(resolve_recipe(pair_parameters(task, spec))), "seed": 3, "device": "cpu", "dtype": "float32"},
        **{"threads": 1, "scores": {"accuracy": 0.25, "f1": None}},
        "signature": Signature(input_shape=(1, 8, 8), outputs=4, classes=CLASSES, mean=(0.3,), std=(0.2,)),
    }
    return Checkpoint(**{**entries, **changes})


def build(width: int = 6) -> nn.Module:
    import zoo_sides

    model: nn.Module = zoo_sides.net(Signature(input_shape=(1, 8, 8), outputs=4), width)
    return model


def checkpoint(folder: Path, model: nn.Module | None = None, **changes: Any) -> Path:
    path = folder / "some.safetensors"
    checkpoints.save(path, model or build(), about(**changes))
    return path


def test_the_header_of_a_checkpoint_is_read_back(plugin: Path, tmp_path: Path) -> None:
    assert checkpoints.read(checkpoint(tmp_path)) == about()


def test_weights_come_back_also_where_two_layers_share_them(tmp_path: Path, plugin: Path) -> None:
    model, other = (nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)) for _ in range(2))
    for tied in (model, other):
        tied[1].weight = tied[0].weight
    path = checkpoint(tmp_path, model)
    checkpoints.restore(path, other)
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert other[1].weight is other[0].weight
    with pytest.raises(WeightsError, match=r"^checkpoint .*some\.safetensors: the weights do not fit"):
        checkpoints.restore(path, nn.Linear(3, 3))


def test_a_saved_model_is_built_for_its_adapted_signature_and_its_own_normalisation(
    plugin: Path, tmp_path: Path
) -> None:
    recipe = {**about().recipe, "image_size": 12}
    saved = SavedModel(checkpoint(tmp_path, recipe=recipe), Registry.load(), "cpu", 0)
    adapted = saved.adapted_signature()
    assert (adapted.input_shape, adapted.mean, adapted.std) == ((1, 12, 12), (0.3,), (0.2,))
    assert saved.ctx.threads == 1
    assert saved.ctx.seed == 3


def test_on_other_data_a_saved_model_is_scored_anew_and_other_classes_are_refused(
    zoo: Zoo, plugin: Path, tmp_path: Path
) -> None:
    path = checkpoint(tmp_path)
    done = zoo("eval", path, "--dataset", "dim", "--device", "cpu")
    assert done.code == 0, done.err
    assert "other data than it was saved with" in done.out
    assert "0.2500" in done.out
    refused = zoo("eval", path, "--dataset", "renamed", "--device", "cpu")
    assert refused.code == 2
    assert is_one_line(refused)
    assert "has other classes" in refused.err


def test_a_frozen_model_saved_before_its_kind_had_a_key_is_scored_as_then(
    zoo: Zoo, plugin: Path, tmp_path: Path
) -> None:
    assert zoo(*BENCH, "--model", "head", "--max-steps", "3", "--save").code == 0
    (path,) = Path("results").glob("*/*/checkpoint.safetensors")
    recipe = checkpoints.read(path).recipe
    changed(path, recipe={key: value for key, value in recipe.items() if key not in ("flip", "image_size", "holdout")})
    done = zoo("eval", path, "--device", "cpu", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["scores"] == records()[0].measured.scores


# Files that cannot be used


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def cut_in_the_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def with_header(path: Path, header: Any) -> None:
    save_file(load_file(path), path, metadata=None if header is None else {"zoo": header})


def changed(path: Path, **changes: Any) -> None:
    with safe_open(path, framework="pt") as opened:
        header = json.loads(opened.metadata()["zoo"])
    with_header(path, json.dumps({**header, **changes}))


def without_width(path: Path) -> None:
    recipe = checkpoints.read(path).recipe
    changed(path, recipe={key: value for key, value in recipe.items() if key != "width"})


UNUSABLE: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut": (cut, "cannot be read as a checkpoint"),
    "cut in the header": (cut_in_the_header, "cannot be read as a checkpoint"),
    "weights alone": (lambda path: with_header(path, None), "holds only weights: a model can be rebuilt only from"),
    "damaged header": (lambda path: with_header(path, '{"schema": 1, "task"'), "its header is damaged"),
    "header of another form": (lambda path: with_header(path, '{"schema": 1, "task": 3}'), "its header is damaged"),
    "newer schema": (lambda path: changed(path, schema=2), "is of schema 2, this zoo reads up to 1"),
    "newer schema of another form": (
        lambda path: with_header(path, '{"schema": 2, "weights": []}'),
        "is of schema 2, this zoo reads up to 1",
    ),
    "unknown task": (lambda path: changed(path, task="zoo-sides:side"), "unknown task 'zoo-sides:side'"),
    "unknown model": (lambda path: changed(path, model="zoo-sides:gone"), "unknown model 'zoo-sides:gone'"),
    "unknown dataset": (lambda path: changed(path, dataset="zoo-sides:gone"), "unknown dataset 'zoo-sides:gone'"),
    "a new option": (without_width, "has no width: model zoo-sides:net has changed since then"),
    "another width": (
        lambda path: changed(path, recipe={**checkpoints.read(path).recipe, "width": 7}),
        "the weights do not fit the model",
    ),
    "another model": (lambda path: changed(path, model="zoo-sides:line"), "the weights do not fit the model"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_checkpoint_that_cannot_be_used_is_one_line(zoo: Zoo, plugin: Path, tmp_path: Path, kind: str) -> None:
    path = checkpoint(tmp_path)
    spoil, words = UNUSABLE[kind]
    spoil(path)
    done = zoo("eval", path, "--device", "cpu")
    assert done.code == 2
    assert is_one_line(done)
    assert words in done.err
    assert "Traceback" not in done.err


def test_files_that_are_not_there_or_no_pictures_are_one_line(zoo: Zoo, plugin: Path, tmp_path: Path) -> None:
    path = checkpoint(tmp_path)
    (tmp_path / "no.png").write_text("no picture")
    mistakes = {
        ("eval", "nowhere.safetensors"): "there is no file nowhere.safetensors",
        ("predict", path, "nowhere.png"): "there is no file nowhere.png",
        ("predict", path, tmp_path / "no.png"): "no.png cannot be read as a picture",
        ("predict", path, tmp_path / "no.png", "--pictures", "new"): "task zoo-sides:sides draws no predictions: leave",
        ("eval", path, "--dataset", "elsewhere"): "unknown dataset 'elsewhere'",
        ("eval", path, "--device", "cuda:9"): "device 'cuda:9' is not available",
    }
    for words, reason in mistakes.items():
        done = zoo(*words, *(() if "--device" in words else ("--device", "cpu")))
        assert done.code == 2, words
        assert is_one_line(done), done.err
        assert reason in done.err


# First weights


def test_training_begins_with_a_weights_file_and_the_record_names_it(zoo: Zoo, plugin: Path, tmp_path: Path) -> None:
    save_file(LINE, tmp_path / "own.safetensors")
    command = (*BENCH, "--model", "line", "--max-steps", "1", "--set", "lr=0", "--save")
    assert zoo(*command, "--weights", "own.safetensors").code == 0
    assert zoo(*command, "--weights", "none").code == 0
    begun, at_random = sorted(records(), key=lambda record: record.started_at)
    digest = hashlib.sha256((tmp_path / "own.safetensors").read_bytes()).hexdigest()
    assert (begun.model.weights, begun.model.weights_sha256) == ("own.safetensors", digest)
    assert "own.safetensors" in begun.model.pretrained_on
    assert (begun.model.weights_option, at_random.model.weights_option) == ("own.safetensors", "none")
    assert (at_random.model.weights, at_random.model.weights_sha256, at_random.model.pretrained_on) == ("", "", "")
    assert begun.key != at_random.key
    kept = [load_file(next(Path("results").glob(f"*/{record.id}/*.safetensors"))) for record in (begun, at_random)]
    assert all(torch.equal(kept[0][name], LINE[name]) for name in LINE)
    assert not torch.equal(kept[1]["1.weight"], LINE["1.weight"])


class Trap:
    """Makes a folder when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("executed",)


def write_trap(path: Path) -> None:
    path.write_bytes(pickle.dumps({"1.weight": Trap()}, protocol=2))


def write_cut(path: Path) -> None:
    save_file(LINE, path)
    cut(path)


REFUSED: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "another shape": (
        "w.safetensors",
        lambda path: save_file({**LINE, "1.bias": torch.zeros(5)}, path),
        "w.safetensors do not fit the model: 1.bias is (5,), the model has (4,)",
    ),
    "a pickle": ("w.pth", write_trap, "w.pth was refused"),
    "cut": ("w.safetensors", write_cut, "w.safetensors cannot be read as weights"),
    "of another form": ("w.h5", lambda path: path.write_bytes(b"h5"), "weights are read from safetensors, npz"),
    "missing": ("w.pt", lambda path: None, "there is no such file; `none` means random initial weights"),
    "a folder": ("w.pt", Path.mkdir, "there is no such file"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_weights_that_cannot_be_used_are_one_line_and_nothing_is_run_or_recorded(
    zoo: Zoo, plugin: Path, tmp_path: Path, kind: str
) -> None:
    name, write, words = REFUSED[kind]
    write(tmp_path / name)
    done = zoo(*BENCH, "--model", "line", "--max-steps", "1", "--weights", name)
    assert done.code == 2
    assert is_one_line(done), done.err
    assert words in done.err
    assert not Path("results").exists()
    assert not Path("executed").exists()


@pytest.mark.parametrize("models", [(), ("--model", "net", "--model", "line")])
def test_weights_go_with_one_model(zoo: Zoo, plugin: Path, tmp_path: Path, models: tuple[str, ...]) -> None:
    save_file(LINE, tmp_path / "w.safetensors")
    done = zoo(*BENCH, *models, "--weights", "w.safetensors")
    assert done.code == 2
    assert is_one_line(done)
    assert "--weights goes with one --model" in done.err
    assert not Path("results").exists()


# Published weights


@pytest.fixture
def published(make_plugin: Callable[..., Path], tmp_path: Path) -> str:
    """The plugin with `begun` and `far` registered; the weights of `begun` are in the cache. Their sha256."""
    folder = cache_dir() / "weights" / portable("zoo-sides:begun")
    folder.mkdir(parents=True, exist_ok=True)
    save_file(LINE, folder / "begun.safetensors")
    digest = hashlib.sha256((folder / "begun.safetensors").read_bytes()).hexdigest()
    make_plugin("zoo-sides", PLUGIN.replace("TASKS", "('sides',)").replace("SHA256", digest))
    return digest


def test_a_model_whose_weights_are_not_to_be_had_is_skipped_unless_it_was_named(
    zoo: Zoo, published: str, only_plugins: Callable[..., None]
) -> None:
    command = ("--offline", "--max-steps", "1", "--device", "cpu")
    named = zoo("bench", "sides", "--model", "far", *command)
    assert named.code == 2
    assert is_one_line(named), named.err
    assert "far.safetensors was never downloaded" in named.err
    assert "--weights none for random initial weights" in named.err
    assert not Path("results").exists()

    done = zoo("bench", "sides", *command)
    assert done.code == 0, done.err
    found = by_model()
    assert {name: record.status for name, record in found.items()} == {"net": "ok", "begun": "ok", "far": "skipped"}
    assert "was never downloaded" in found["far"].reason
    begun = found["begun"].model
    assert (begun.weights, begun.weights_sha256) == ("begun.safetensors", published)
    assert begun.pretrained_on == "other sides"
    assert found["net"].model.pretrained_on == ""

    only_plugins("zoo-sides")
    under_all = zoo("bench", "--all", *command)
    assert under_all.code == 0, under_all.err
    assert "3 trials of 3 pairs in " in under_all.out
    assert ": 0 new, 3 recorded already, 0 failed" in under_all.out
    assert len(records()) == 3, "the skip was recorded already"
    at_random = zoo("bench", "sides", "--model", "far", "--weights", "none", *command)
    assert at_random.code == 0, at_random.err
