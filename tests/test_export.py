"""`zoo export`: the file takes raw data, computes what torch does, and is refused if it does not."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from msgspec import structs
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from zoo_core import export
from zoo_core.errors import ExportError
from zoo_core.export.difference import difference_of
from zoo_core.protocols import Context
from zoo_core.registry import Registry
from zoo_core.results.records import Latency, Measured
from zoo_core.runner import checkpoints
from zoo_core.runner.events import ExportJob
from zoo_core.runner.exporting import export as run_job
from zoo_core.runner.exporting import exportable_of
from zoo_core.runner.onnx_latency import measure_onnxruntime
from zoo_core.runner.plan import is_enough
from zoo_core.runner.request import Request
from zoo_core.runner.saved_models import SavedModel

ROOT = Path(__file__).resolve().parents[1]
Zoo = Callable[..., Any]
Save = Callable[..., Path]

# One model for each reason that a file is refused for.
PLUGIN = """
    import torch
    from torch import nn
    from zoo_core import DatasetSpec, ModelSpec, Signature, TaskSpec, hookimpl

    def task(name, **more):
        return TaskSpec(name=name, title=name, summary="y = cos(x)", kind="regression", datasets=("line",),
                        metric="mse", higher_is_better=False, **more)

    @hookimpl
    def zoo_tasks():
        return [task("plain"), task("distorted", export="zoo_odd:distorted")]

    @hookimpl
    def zoo_datasets():
        return [DatasetSpec(name="line", title="line", origin="exact", licence="CC0-1.0", entry="zoo_odd:Points",
                            signature=Points.signature)]

    class Points:
        signature = Signature(input_shape=(1,), outputs=1)

        def __init__(self, ctx):
            pass

        def load(self, split):
            import numpy as np
            x = np.linspace(-1, 1, 50, dtype=np.float32)[:, None]
            return {"x": x, "y": 2 * x}

    @hookimpl
    def zoo_models():
        return [ModelSpec(name=name.lower(), title=name, kind="regression", entry=f"zoo_odd:{name}", tasks=())
                for name in ("Line", "Deciding", "Fixed")]

    class Line(nn.Module):
        def __init__(self, signature):
            super().__init__()
            self.line = nn.Linear(1, 1)

        def forward(self, x):
            return self.line(x)

    class Deciding(Line):
        def forward(self, x):
            return self.line(x) if x.sum() > 0 else self.line(-x)

    class Fixed(Line):
        def forward(self, x):
            return torch.stack([self.line(row) for row in x])

    class Distorted(nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, x):
            return 1.01 * self.model(x)

    def distorted(task, ctx, model):
        from dataclasses import replace
        whole = task.exportable(ctx, model)
        return replace(whole, module=Distorted(whole.module))
"""


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


@pytest.fixture
def odd(make_plugin: Callable[..., Path]) -> Path:
    return make_plugin("zoo-odd", PLUGIN)


@pytest.fixture(scope="module")
def cnn(tmp_path_factory: pytest.TempPathFactory, save_untrained: Save) -> Path:
    return save_untrained(tmp_path_factory.mktemp("saved") / "cnn.safetensors", "mnist", "cnn")


@pytest.fixture(scope="module")
def exported(cnn: Path) -> dict[str, Any]:
    """The result of the export of `cnn` to ONNX; the file lies beside it."""
    return run_job(job(cnn, cnn.with_name("cnn.onnx")))


def job(checkpoint: Path, out: Path, **changes: Any) -> ExportJob:
    fields: dict[str, Any] = {
        **{"checkpoint": str(checkpoint), "form": "onnx", "out": str(out), "folder": str(out.parent), "force": False},
        **{"opset": 0, "tolerance": 1e-3, "dataset": "", "data_root": None, "offline": True},
    }
    return ExportJob(**{**fields, **changes})


def runs(file: Path, **inputs: Any) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, inputs)[0]


def test_the_file_takes_raw_images_in_batches_of_any_size_and_computes_what_the_model_does(
    cnn: Path, exported: dict[str, Any]
) -> None:
    assert exported["written"]
    assert exported["inputs"] == ["x: uint8 (batch, 1, 28, 28)"]
    assert exported["output"] == "logits: float32 (batch, 10)"
    assert exported["speed"][0]["batch"] == 1
    assert all(speed["torch_ms"] > 0 and speed["runtime_ms"] > 0 for speed in exported["speed"])
    saved = SavedModel(cnn, Registry.load(), "cpu", 1)
    model, signature = saved.build_model().eval(), saved.adapted_signature()
    images = np.random.default_rng(0).integers(0, 256, (7, 1, 28, 28), np.uint8)
    normalised = (torch.from_numpy(images).double() / 255 - signature.mean[0]) / signature.std[0]
    with torch.no_grad():
        expected = model(normalised.float()).numpy()
    for count in (1, 7):
        np.testing.assert_allclose(runs(Path(exported["file"]), x=images[:count]), expected[:count], atol=1e-4)


def test_a_file_of_a_regression_takes_numbers(save_untrained: Save, tmp_path: Path) -> None:
    result = run_job(job(save_untrained(tmp_path / "saved.safetensors", "cosine", "mlp"), tmp_path / "file.onnx"))
    assert result["written"]
    assert result["relative_difference"] < 1e-4
    assert result["inputs"] == ["x: float32 (batch, 1)"]


def test_images_whose_size_is_no_multiple_of_32_come_back_in_their_own_size() -> None:
    from zoo_core.kinds.exporting import FromColumn

    class Padding:
        def inputs(self, batch: dict[str, Tensor]) -> Tensor:
            return nn.functional.pad(batch["x"].float(), (1, 2, 1, 2))

        def trimmed(self, output: Tensor, x: Tensor) -> Tensor:
            return output[..., 1 : 1 + x.shape[2], 1 : 1 + x.shape[3]]

    x = torch.arange(9.0).view(1, 1, 3, 3)
    whole = FromColumn(nn.Identity(), Padding())  # type: ignore[arg-type]
    assert whole(x).tolist() == x.tolist()


def test_no_file_has_a_path_of_this_machine_or_an_example_of_the_data(
    cnn: Path, exported: dict[str, Any], tmp_path: Path
) -> None:
    program = run_job(job(cnn, tmp_path / "file.pt2", form="torch-export"))
    assert program["written"]
    for result in (exported, program):
        content = Path(result["file"]).read_bytes()
        assert str(ROOT).encode() not in content
        assert b"site-packages" not in content
    assert torch.export.load(program["file"]).example_inputs is None


def test_the_weights_alone_come_back_bit_for_bit(cnn: Path, tmp_path: Path) -> None:
    alone = job(cnn, tmp_path / "weights.safetensors", form="safetensors")
    assert alone.refuses_network, "no data are needed"
    result = run_job(alone)
    assert (result["written"], result["largest_difference"]) == (True, 0.0)
    own, written = load_file(cnn), load_file(tmp_path / "weights.safetensors")
    assert own.keys() == written.keys()
    assert all(torch.equal(own[name], written[name]) for name in own)


def test_names_in_the_metadata_have_no_characters_that_a_terminal_obeys(cnn: Path, tmp_path: Path) -> None:
    saved = SavedModel(cnn, Registry.load(), "cpu", 1)
    names = ("\x1b]0;title\x07<b>", *"123456789")
    hostile = structs.replace(saved.header, signature=dataclasses.replace(saved.header.signature, classes=names))
    checkpoints.save(tmp_path / "hostile.safetensors", saved.build_model(), hostile)
    run_job(job(tmp_path / "hostile.safetensors", tmp_path / "net.safetensors", form="safetensors"))
    with safe_open(tmp_path / "net.safetensors", framework="pt") as opened:
        stated = opened.metadata()["zoo_classes"]
    assert stated.isprintable()
    assert json.loads(stated)[1:] == list("123456789")
    assert json.loads(stated)[0].isprintable()


# Refusals


def test_a_file_that_differs_by_more_than_the_tolerance_is_not_kept(
    zoo: Zoo, odd: Path, save_untrained: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = save_untrained(tmp_path / "saved.safetensors", "distorted", "line")
    monkeypatch.setattr("zoo_core.cli.export.ask_worker", lambda _, job: run_job(job))  # a process would import torch
    words = ("export", saved, "--to", "onnx", "--out", "net.onnx", "--offline")
    done = zoo(*words)
    assert done.code == 1, done.err
    assert "differs by 0.01 of the largest output, more than --tolerance 0.001" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["saved.safetensors"]
    done = zoo(*words, "--tolerance", "0.02", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["relative_difference"] == pytest.approx(0.01, rel=1e-3)
    assert (tmp_path / "net.onnx").is_file()


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("deciding", "its forward decides by the values of its inputs"),
        ("fixed", "works only for sizes as in the example"),
    ],
)
def test_a_model_that_cannot_be_exported_is_refused_with_the_reason_in_one_line(
    model: str, reason: str, odd: Path, save_untrained: Save, tmp_path: Path
) -> None:
    saved = save_untrained(tmp_path / "saved.safetensors", "plain", model)
    with pytest.raises(ExportError, match=reason) as raised:
        run_job(job(saved, tmp_path / "net.onnx"))
    assert "\n" not in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["saved.safetensors"]


def test_a_task_that_does_not_say_what_a_file_takes_is_refused() -> None:
    spec = Registry.load().task("generation")
    with pytest.raises(ExportError, match="its kind zoo-autoencoder/generation does not say what a file"):
        exportable_of(spec, object(), None, nn.Identity())  # type: ignore[arg-type]


def test_an_existing_file_is_replaced_only_with_force(cnn: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights.safetensors"
    out.write_bytes(b"mine")
    with pytest.raises(Exception, match="exists: give another file to --out, or --force to replace it"):
        run_job(job(cnn, out, form="safetensors"))
    assert out.read_bytes() == b"mine"
    assert run_job(job(cnn, out, form="safetensors", force=True))["replaced"]
    assert load_file(out)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_wrong_words_are_refused_before_anything_runs(
    zoo: Zoo, cnn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words, reason in (
        (("--to", "onx"), "unknown format 'onx': did you mean onnx?"),
        (("--to", "safetensors", "--opset", "18"), "--opset goes with --to onnx"),
        (("--to", "onnx", "--out", tmp_path), "is a folder: give a file"),
        (("--to", "safetensors", "--out", cnn, "--force"), "is the checkpoint itself"),
    ):
        done = zoo("export", cnn, *words)
        assert done.code == 2
        assert reason in done.err
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    done = zoo("export", cnn, "--to", "onnx")
    assert done.code == 2
    assert done.err == "error: onnx needs onnx, onnxscript, onnxruntime: pip install 'zoo-core[onnx]'\n"


@pytest.mark.parametrize(
    ("expected", "actual", "absolute"),
    [
        ([1.0, 2.0], [1.0, 2.5], 0.5),
        ([float("inf"), 1.0], [float("inf"), 1.0], 0.0),
        ([float("nan")], [0.0], float("inf")),
        ([0.0], [float("nan")], float("inf")),
        ([float("inf")], [3e38], float("inf")),
        ([], [], 0.0),
    ],
)
def test_the_difference_of_numbers_that_are_not_finite_is_infinite_unless_both_are_equal(
    expected: list[float], actual: list[float], absolute: float
) -> None:
    assert difference_of(torch.tensor(expected), torch.tensor(actual)).absolute == absolute


def test_outputs_of_another_shape_are_no_difference_but_an_error() -> None:
    with pytest.raises(ExportError, match=r"the file returns \(2, 1\) where the model returns \(2,\)"):
        difference_of(torch.zeros(2), torch.zeros(2, 1))


# The latency in onnxruntime, for records


class Examples:
    def example_input(self, ctx: Context, batch_size: int) -> Tensor:
        return torch.ones(batch_size, 3)


class Looping(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([super(Looping, self).forward(row) for row in x])


def test_the_latency_in_onnxruntime_is_that_of_the_model_and_a_model_that_cannot_be_exported_has_none() -> None:
    trial: Any = SimpleNamespace(task=Examples(), ctx=Context(threads=1))
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5)).train()
    latency = measure_onnxruntime(trial, model)
    assert 0 < latency.median_ms <= latency.p95_ms
    assert model.training
    with pytest.raises(ExportError, match="works only for sizes as in the example"):
        measure_onnxruntime(trial, Looping(3, 4))
    trial.task = object()
    with pytest.raises(ExportError, match="the task gives no example input"):
        measure_onnxruntime(trial, model)


@pytest.mark.parametrize(
    ("measured", "enough"),
    [
        (Measured(), False),
        (Measured(onnxruntime=Latency(median_ms=1.0, p95_ms=2.0, n=3)), True),
        (Measured(left_out={"onnxruntime": "it cannot be exported"}), True),
    ],
)
def test_a_record_without_the_latency_in_onnxruntime_runs_again_if_it_is_asked_for(
    measured: Measured, enough: bool
) -> None:
    record: Any = SimpleNamespace(status="ok", measured=measured)
    assert is_enough(record, Request(pairs=(), onnxruntime=True)) is enough
    assert is_enough(record, Request(pairs=()))
