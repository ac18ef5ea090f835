"""Weights files are read without running code from them; misfits are named; frozen parts stay frozen."""

from __future__ import annotations

import argparse
import contextlib
import os
import pickle
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from zoo_core.errors import WeightsError
from zoo_core.runner.build import build_model
from zoo_core.specs import ModelSpec, Signature
from zoo_core.transfer import Transfer
from zoo_core.weights import load_into, read_weights

State = Mapping[str, Tensor]


def state() -> dict[str, Tensor]:
    return {
        "layer.weight": torch.arange(6.0).view(2, 3),
        "layer.bias": torch.tensor([0.5, -1.0]),
        "norm.num_batches_tracked": torch.tensor(3),
    }


def write_safetensors(tensors: State, path: Path) -> None:
    save_file(dict(tensors), path)


def write_npz(tensors: State, path: Path) -> None:
    np.savez_compressed(path, **{name: tensor.numpy() for name, tensor in tensors.items()})


def write_torch(tensors: State, path: Path) -> None:
    torch.save(dict(tensors), path)


def write_old_torch(tensors: State, path: Path) -> None:
    torch.save(dict(tensors), path, _use_new_zipfile_serialization=False)


FORMS: dict[str, tuple[str, Callable[[State, Path], None]]] = {
    "safetensors": ("w.safetensors", write_safetensors),
    "npz": ("w.npz", write_npz),
    "pt": ("w.pt", write_torch),
    "pth": ("w.pth", write_torch),
    "old pth": ("w.pth", write_old_torch),
    "ckpt": ("w.CKPT", write_torch),
}


def written(form: str, folder: Path) -> Path:
    name, write = FORMS[form]
    write(state(), folder / name)
    return folder / name


def assert_same(found: State, expected: State) -> None:
    assert {name: tensor.dtype for name, tensor in found.items()} == {
        name: tensor.dtype for name, tensor in expected.items()
    }
    assert all(torch.equal(found[name], expected[name]) for name in expected)


# Reading


@pytest.mark.parametrize("form", FORMS)
def test_what_was_written_is_read(form: str, tmp_path: Path) -> None:
    assert_same(read_weights(written(form, tmp_path)), state())


def test_a_trainers_file_has_its_weights_below_state_dict(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "lr": 0.1, "state_dict": state(), "optimizer": {"step": [1, 2]}}, tmp_path / "w.ckpt")
    assert_same(read_weights(tmp_path / "w.ckpt"), state())


@pytest.mark.parametrize(
    "key", ["state_dict", "model", "model_state_dict", "net", "ema", "model_ema", "state_dict_ema", "params"]
)
def test_weights_are_found_below_the_keys_of_trainers(key: str, tmp_path: Path) -> None:
    torch.save({"epoch": 3, key: state(), "optimizer": {"state": {}}}, tmp_path / "w.pt")
    assert_same(read_weights(tmp_path / "w.pt"), state())
    torch.save({"model": {"epoch": 3, key: state()}}, tmp_path / "nested.pt")
    assert_same(read_weights(tmp_path / "nested.pt"), state())


def test_a_file_that_holds_itself_is_refused(tmp_path: Path) -> None:
    content: dict[str, object] = {"epoch": 1}
    content["model"] = content
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=r"w\.pt holds no tensors by name"):
        read_weights(tmp_path / "w.pt")


def test_the_weights_of_the_model_come_before_their_average(tmp_path: Path) -> None:
    average = {name: tensor + 1 for name, tensor in state().items()}
    torch.save({"ema": average, "model": state()}, tmp_path / "w.pt")
    assert_same(read_weights(tmp_path / "w.pt"), state())


@pytest.mark.parametrize("name", ["model_best.pth.tar", "checkpoint.tar", "W.PTH.TAR"])
def test_torch_files_that_are_called_tar_are_read(name: str, tmp_path: Path) -> None:
    torch.save({"state_dict": state()}, tmp_path / name)
    assert_same(read_weights(tmp_path / name), state())


def test_the_options_of_a_trainer_beside_the_weights_are_skipped(tmp_path: Path) -> None:
    torch.save({"state_dict": state(), "args": argparse.Namespace(lr=1)}, tmp_path / "w.pth")
    assert_same(read_weights(tmp_path / "w.pth"), state())


PLACEHOLDERS = {
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 123\n",
    "empty": b"",
    "a web page": b"\n<!DOCTYPE html><html><body>Sign in</body></html>",
}


@pytest.mark.parametrize("form", ["safetensors", "npz", "pt", "pth.tar"])
@pytest.mark.parametrize("kind", PLACEHOLDERS)
def test_a_placeholder_instead_of_weights_is_named(kind: str, form: str, tmp_path: Path) -> None:
    path = tmp_path / f"w.{form}"
    path.write_bytes(PLACEHOLDERS[kind])
    with pytest.raises(WeightsError, match=rf"w\.{form} is {kind}.*: fetch"):
        read_weights(path)


@pytest.mark.parametrize(
    "content", [[torch.ones(2)], {"a": 1.0}, {"state_dict": {"a": [torch.ones(2)]}}, torch.ones(2)]
)
def test_what_holds_no_tensors_by_name_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=r"w\.pt holds no tensors by name: save a model's state_dict"):
        read_weights(tmp_path / "w.pt")


def test_a_whole_model_instead_of_its_state_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(1, 1), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"holds more than tensors \(torch\.nn\.modules\.linear\.Linear\)"):
        read_weights(tmp_path / "w.pth")


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def write_pickle(trap: Trap, path: Path) -> None:
    path.write_bytes(pickle.dumps({"layer.weight": trap}, protocol=2))  # torch warns of others


def write_torch_trap(trap: Trap, path: Path) -> None:
    torch.save({"layer.weight": torch.ones(2), "layer.bias": trap}, path)


def write_old_torch_trap(trap: Trap, path: Path) -> None:
    torch.save({"layer.weight": trap}, path, _use_new_zipfile_serialization=False)


def write_objects(trap: Trap, path: Path) -> None:
    np.savez(path, weight=np.ones(2), bias=np.array([trap], dtype=object))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        *((name, write) for name in ("w.pt", "w.pth", "w.bin", "w.ckpt") for write in (write_torch_trap, write_pickle)),
        *(("w.pth", write_old_torch_trap), ("w.npz", write_objects), ("w.npz", write_pickle)),
        ("w.safetensors", write_pickle),
    ],
)
def test_a_file_that_would_run_code_is_refused_and_runs_nothing(
    name: str, write: Callable[[Trap, Path], None], tmp_path: Path
) -> None:
    marker = tmp_path / "was here"
    write(Trap(marker), tmp_path / name)
    assert not marker.exists()
    with pytest.raises(WeightsError, match=f"{tmp_path / name} (was refused|cannot be read)"):
        read_weights(tmp_path / name)
    assert not marker.exists()


def test_the_trap_of_these_tests_would_have_run(tmp_path: Path) -> None:
    write_pickle(Trap(tmp_path / "was here"), tmp_path / "w.pt")
    pickle.loads((tmp_path / "w.pt").read_bytes())
    assert (tmp_path / "was here").exists()


@pytest.mark.parametrize("kept", [0.0, 0.02, 0.3, 0.6, 0.95, 0.999])
@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_is_cut_is_an_error_that_names_it(form: str, kept: float, tmp_path: Path) -> None:
    path = written(form, tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(WeightsError, match=path.name) as caught:
        read_weights(path)
    assert "\n" not in str(caught.value)


CONTENTS: dict[str, bytes] = {}


@settings(deadline=None, max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.filterwarnings("ignore")  # those of the readers, of what they find
def test_a_damaged_file_is_read_or_refused_but_raises_nothing_else(
    form: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = written(form, tmp_path_factory.getbasetemp())
    content = bytearray(CONTENTS.setdefault(form, path.read_bytes()))  # a file of another second differs
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(WeightsError):
        read_weights(path)


@pytest.mark.parametrize("name", ["w.h5", "w", "w.pt.zip"])
def test_a_file_of_another_form_is_refused_with_the_forms_that_are_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"0")
    with pytest.raises(WeightsError, match="safetensors, npz, or torch's pt"):
        read_weights(tmp_path / name)


@pytest.mark.parametrize("name", ["w.safetensors", "w.npz", "w.pt"])
def test_the_error_for_a_missing_file_names_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"there is no weights file {tmp_path / name}"):
        read_weights(tmp_path / name)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="here everything may be read")
@pytest.mark.parametrize("form", ["safetensors", "npz", "pt"])
def test_the_error_for_an_unreadable_file_says_so(form: str, tmp_path: Path) -> None:
    path = written(form, tmp_path)
    path.chmod(0)
    with pytest.raises(WeightsError, match="may not be read"):
        read_weights(path)


# Into a model


class Small(nn.Module):
    """Two layers: `body` with BatchNorm, and the `head`."""

    def __init__(self, outputs: int = 2) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        self.head = nn.Linear(4, outputs)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.head(self.body(x))
        return output


def copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_weights_replace_every_parameter_and_buffer() -> None:
    source, target = Small(), Small()
    source(torch.randn(5, 3))  # BatchNorm's statistics
    load_into(target, copied(source))
    assert_same(target.state_dict(), source.state_dict())
    assert all(parameter.requires_grad for parameter in target.parameters())
    assert target.body[1].num_batches_tracked == 1


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod.", "model.module.", "net.", "model._orig_mod."]
)
def test_a_prefix_of_all_names_is_removed(prefix: str) -> None:
    source, target = Small(), Small()
    load_into(target, {prefix + name: tensor for name, tensor in source.state_dict().items()})
    assert_same(target.state_dict(), source.state_dict())


def test_a_prefix_is_removed_also_if_the_last_layer_is_replaced() -> None:
    source, target = Small(outputs=7), Small(outputs=2)
    load_into(target, {f"module.{name}": tensor for name, tensor in source.state_dict().items()}, without="head.")
    assert torch.equal(target.body[0].weight, source.body[0].weight)


def test_the_average_of_a_model_is_loaded_without_its_counter() -> None:
    source, target = Small(), Small()
    load_into(target, torch.optim.swa_utils.AveragedModel(source).state_dict())
    assert_same(target.state_dict(), source.state_dict())


def test_a_prefix_that_belongs_to_the_model_stays() -> None:
    source, target = nn.ModuleDict({"model": Small()}), nn.ModuleDict({"model": Small()})
    load_into(target, source.state_dict())
    assert_same(target.state_dict(), source.state_dict())


def test_a_prefix_of_some_names_stays() -> None:
    weights = {f"module.{name}": tensor for name, tensor in Small().state_dict().items()}
    with pytest.raises(WeightsError, match=r"body\.0\.weight is missing"):
        load_into(Small(), {**weights, "other": torch.ones(1)})


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int64, torch.bool])
def test_integers_are_no_weights(dtype: torch.dtype) -> None:
    weights = copied(Small())
    weights["head.bias"] = weights["head.bias"].to(dtype)
    model = Small()
    before = copied(model)
    name = str(dtype).removeprefix("torch.")
    with pytest.raises(WeightsError, match=f"head.bias is {name}, the model has float32: save the weights before"):
        load_into(model, weights)
    assert_same(model.state_dict(), before)


def test_complex_numbers_are_no_weights_and_not_called_quantized() -> None:
    weights = copied(Small())
    weights["head.bias"] = weights["head.bias"].to(torch.complex64)
    with pytest.raises(WeightsError, match=r"head\.bias is complex64, the model has float32$"):
        load_into(Small(), weights)


def test_a_buffer_of_integers_is_loaded() -> None:
    weights, target = copied(Small()), Small()
    weights["body.1.running_mean"] = torch.tensor([1, 2, 3, 4])
    load_into(target, weights)
    assert target.body[1].running_mean.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_weights_of_half_precision_are_loaded() -> None:
    target = Small()
    load_into(target, {name: tensor.half() for name, tensor in Small().state_dict().items()})
    assert target.head.weight.dtype == torch.float32


def test_the_error_names_every_tensor_that_does_not_fit_and_the_model_is_unchanged() -> None:
    model = Small()
    before = copied(model)
    weights = {name: tensor + 1 for name, tensor in before.items()}
    weights["head.weight"] = torch.zeros(5, 4)
    weights["neck.weight"] = torch.zeros(1)
    del weights["body.0.bias"]
    with pytest.raises(WeightsError) as caught:
        load_into(model, weights)
    assert str(caught.value) == (
        "the weights do not fit the model: body.0.bias is missing; neck.weight is not in the model; "
        "head.weight is (5, 4), the model has (2, 4)"
    )
    assert_same(model.state_dict(), before)


def test_of_many_that_do_not_fit_three_are_named_and_the_rest_counted() -> None:
    with pytest.raises(WeightsError, match=r"body\.0\.bias is missing; .* and 6 more$"):
        load_into(Small(), {})


def test_the_last_layer_may_be_missing_or_of_another_shape() -> None:
    source, target = Small(outputs=7), Small(outputs=2)
    head = target.head.weight.detach().clone()
    load_into(target, source.state_dict(), without="head")
    assert torch.equal(target.body[0].weight, source.body[0].weight)
    assert torch.equal(target.head.weight, head)
    bodiless = {name: tensor for name, tensor in source.state_dict().items() if not name.startswith("head")}
    load_into(target, bodiless, without=("head", "aux"))
    with pytest.raises(WeightsError, match=r"head\.bias is \(7,\), the model has \(2,\)"):
        load_into(target, source.state_dict())


# Into a model that a spec names


SIGNATURE = Signature(input_shape=(3,), outputs=2)


def plain(signature: Signature, width: int) -> nn.Module:
    return nn.Linear(signature.features, width)


def choosy(signature: Signature, width: int, weights: State | None = None) -> nn.Module:
    """Takes the weights itself: half of each."""
    model = nn.Linear(signature.features, width)
    if weights is not None:
        load_into(model, {name: tensor / 2 for name, tensor in weights.items()})
    return model


def spec_of(function: Callable[..., nn.Module], monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    monkeypatch.setattr("zoo_core.runner.build.resolve_entry", lambda entry: function)
    return ModelSpec(name="net", entry="tests:net", options={"width": 2}, plugin="zoo-some")


WEIGHTS = {"weight": torch.ones(2, 3), "bias": torch.ones(2)}


def test_weights_are_loaded_into_the_built_model(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of(plain, monkeypatch)
    assert_same(build_model(spec, SIGNATURE, {"width": 2, "lr": 0.1}, WEIGHTS).state_dict(), WEIGHTS)
    torch.manual_seed(0)
    first = plain(SIGNATURE, 2)
    torch.manual_seed(0)
    assert_same(build_model(spec, SIGNATURE, {"width": 2}).state_dict(), first.state_dict())


def test_a_build_function_with_a_parameter_weights_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of(choosy, monkeypatch)
    found = build_model(spec, SIGNATURE, {"width": 2}, WEIGHTS).state_dict()
    assert_same(found, {name: tensor / 2 for name, tensor in WEIGHTS.items()})
    assert not torch.equal(build_model(spec, SIGNATURE, {"width": 2}).state_dict()["weight"], found["weight"])


@pytest.mark.parametrize("function", [plain, choosy])
def test_the_error_for_weights_that_do_not_fit_names_the_model(
    function: Callable[..., nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(function, monkeypatch)
    with pytest.raises(WeightsError, match=r"^model zoo-some:net: the weights do not fit .* the model has \(5,\)"):
        build_model(spec, SIGNATURE, {"width": 5}, WEIGHTS)


# Transfer


class Backbone(nn.Sequential):
    """Three parts with parameters and two without; and a scale of its own."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 5))
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.scale * super().forward(x)
        return output


def test_a_transfer_model_is_its_head_after_its_backbone() -> None:
    model = Transfer(Backbone(), nn.Linear(5, 2)).eval()
    x = torch.randn(6, 3)
    assert torch.equal(model(x), model.head(model.backbone(x)))


@pytest.mark.parametrize(("unfreeze", "trained"), [(0, ""), (1, "4"), (2, "24"), (3, "024"), (9, "024")])
def test_unfreeze_counts_the_last_parts_that_have_parameters(unfreeze: int, trained: str) -> None:
    model = Transfer(Backbone(), nn.Linear(5, 2), unfreeze=unfreeze)
    found = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    expected = {f"backbone.{part}.{name}" for part in trained for name in ("weight", "bias")}
    assert found == expected | {"head.weight", "head.bias"}


def test_parameters_of_the_backbones_own_stay_frozen() -> None:
    assert not Transfer(Backbone(), nn.Linear(5, 2), unfreeze=3).backbone.scale.requires_grad


def test_requested_parts_of_a_frozen_backbone_are_trained() -> None:
    backbone = Backbone().requires_grad_(False)
    model = Transfer(backbone, nn.Linear(5, 2), unfreeze=1)
    assert model.backbone[4].weight.requires_grad
    assert not model.backbone[2].weight.requires_grad


def test_weights_that_do_not_fit_are_named_by_their_file(tmp_path: Path):
    torch.save({"module.weight": torch.zeros(1, 3)}, tmp_path / "net.pt")
    with pytest.raises(WeightsError, match=r"weights of .*net\.pt do not fit the model: weight is missing; bias"):
        load_into(nn.Linear(2, 1), read_weights(tmp_path / "net.pt"))
