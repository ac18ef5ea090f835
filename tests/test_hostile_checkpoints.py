"""A checkpoint from anyone runs no code, takes bounded memory and time, and ends in one clear line."""

from __future__ import annotations

import functools
import json
import os
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from zoo_core.errors import IncompatibleError, UnknownNameError, ZooError
from zoo_core.registry import Registry
from zoo_core.runner import checkpoints, restraint
from zoo_core.runner.identity import imports_are_unchanged
from zoo_core.runner.saved_models import SavedModel
from zoo_core.specs import Signature

PLUGIN = """
    import numpy as np
    from zoo_core import DatasetSpec, ModelSpec, Param, Signature, TaskSpec, hookimpl

    KIND, SIGNATURE = "image-classification", Signature(input_shape=(1, 8, 8), outputs=2, classes=("dark", "bright"))

    @hookimpl
    def zoo_tasks():
        return [TaskSpec(name="light", title="Light", summary="Is it bright?", kind=KIND, datasets=("light",),
                         metric="accuracy", higher_is_better=True)]

    @hookimpl
    def zoo_datasets():
        return [DatasetSpec(name="light", title="Light", origin="synthetic", licence="CC0-1.0",
                            entry="zoo_light:Light", signature=SIGNATURE)]

    @hookimpl
    def zoo_models():
        return [ModelSpec(name="net", entry="zoo_light:net", kind=KIND, tasks=(),
                          options={"width": Param(default=4), "depth": Param(default=1)})]

    class Light:
        signature = SIGNATURE

        def __init__(self, ctx):
            pass

        def load(self, split):
            labels = np.arange(40) % 2
            return {"x": (labels * 200).astype(np.uint8).reshape(-1, 1, 1, 1) + np.zeros((1, 1, 8, 8), np.uint8),
                    "y": labels}

    def net(signature, width, depth):
        from torch import nn
        kept = [bytearray(2**24) for _ in range(depth - 1)]
        return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Linear(width, 2))
"""
# Leaves a trace if it runs.
FILE = """
import pathlib
pathlib.Path(__file__).with_name("executed").touch()
from torch import nn

def Net(signature):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.Linear(4, 2))
"""

Zoo = Callable[..., Any]


@pytest.fixture
def plugin(make_plugin: Callable[..., Path]) -> Path:
    return make_plugin("zoo-light", PLUGIN)


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def header(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        **{"schema": 1, "task": "zoo-light:light", "task_version": 1, "dataset": "zoo-light:light", "fingerprint": "f"},
        **{"model": "zoo-light:net", "model_version": 1, "code_sha256": "", "recipe": {"width": 4, "depth": 1}},
        "signature": {"input_shape": [1, 8, 8], "outputs": 2, "classes": ["dark", "bright"], "mean": [0.5], "std": [1]},
        **{"seed": 0, "device": "cpu", "dtype": "float32", "threads": 1, "metric": "accuracy", "scores": {}},
    }
    return {**fields, **changes}


def net() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.Linear(4, 2))


def write(path: Path, **changes: Any) -> Path:
    save_file(net().state_dict(), path, metadata={"zoo": json.dumps(header(**changes))})
    return path


def raw(path: Path, head: bytes, data: bytes = b"", length: int | None = None) -> None:
    path.write_bytes((len(head) if length is None else length).to_bytes(8, "little") + head + data)


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("executed",)


def write_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"1.weight": Trap()}, protocol=2))


def write_terabyte(path: Path) -> None:
    about = {"1.weight": {"dtype": "F32", "shape": [2**38], "data_offsets": [0, 2**40]}}
    raw(path, json.dumps({"__metadata__": {"zoo": json.dumps(header())}, **about}).encode(), b"\0" * 64)


def with_tensors(path: Path, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    with safe_open(path, framework="pt") as opened:
        about = opened.metadata()
    save_file({name: change(tensor) for name, tensor in load_file(path).items()}, path, metadata=about)


def with_nested(path: Path, depth: int = 100_000) -> None:
    text = json.dumps(header()).replace('"scores": {}', f'"scores": {"[" * depth}{"]" * depth}')
    save_file(net().state_dict(), path, metadata={"zoo": text})


def replaced_by(make: Callable[[Path], Any]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


def changed(**changes: Any) -> Callable[[Path], Any]:
    return lambda path: write(path, **changes)


def recipe(**options: Any) -> Callable[[Path], Any]:
    return changed(recipe={"width": 4, "depth": 1, **options})


# What is wrong -> how the file is made, and words of the error
HOSTILE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a file as its model": (changed(model="evil/net.py:Net"), "is never run"),
    "a file in a folder above": (changed(model="../evil/net.py:Net"), "is never run"),
    "a file without a name": (changed(model="evil/net.py"), "is never run"),
    "a pickle as its model": (changed(model="evil/net.pickle:Net"), "is never run"),
    "a model from a file, and its name": (changed(model="unpackaged:net.net", file="net.py:Net"), "net.py:Net"),
    "a module of Python": (changed(model="os:system"), "no plugin os is installed"),
    "a dotted module": (changed(model="evil.net:Net"), "no plugin evil.net is installed"),
    "a module beside": (changed(model="evil"), "unknown model 'evil'"),
    "a task of a file": (changed(task="evil/net.py:Net"), "no plugin evil/net.py is installed"),
    "data of a file": (changed(dataset="evil/net.py:Net"), "evil/net.py"),
    "a plugin that is not installed": (changed(model="zoo-gone:net"), "no plugin zoo-gone is installed"),
    "a model with odd characters": (changed(model="zoo-light:\x1b]0;\x07$(touch executed)\n\0"), "unknown model"),
    "a file with odd characters": (changed(model="a\n\x1b[2J/evil/net.py:Net"), "is never run"),
    "a plugin with odd characters": (changed(model="evil\r\n$(touch executed):net"), "is installed"),
    "a name of a megabyte": (changed(model="n" * 2**20), "its header is damaged"),
    "a schema of four thousand digits": (changed(schema=10**4000), ""),
    "a tensor with a long name": (
        replaced_by(lambda path: save_file({"n" * 10**6: torch.ones(1)}, path, {"zoo": json.dumps(header())})),
        "do not fit the model",
    ),
    "a pickle": (write_pickle, "cannot be read"),
    "a terabyte of tensors": (write_terabyte, "cannot be read"),
    "a header of a terabyte": (lambda path: raw(path, b"{}", length=2**40), "header claims"),
    "a header that is not JSON": (lambda path: raw(path, b"not JSON"), "cannot be read"),
    "a deep header": (lambda path: raw(path, b"[" * 100_000), "cannot be read"),
    "a deep header of the zoo": (with_nested, "its header is damaged"),
    "truncated": (lambda path: os.truncate(path, path.stat().st_size - 40), "cannot be read"),
    "empty": (lambda path: path.write_bytes(b""), ""),
    "other shapes": (lambda path: with_tensors(path, lambda tensor: tensor[:1].contiguous()), "do not fit the model"),
    "other types": (lambda path: with_tensors(path, lambda tensor: tensor.to(torch.int8)), "do not fit the model"),
    "not finite": (lambda path: with_tensors(path, lambda tensor: tensor * torch.nan), "NaN"),
    "an endless device": (replaced_by(lambda path: path.symlink_to("/dev/zero")), "not a regular file"),
    "a FIFO": (replaced_by(os.mkfifo), "not a regular file"),
    "a folder": (replaced_by(Path.mkdir), "not a regular file"),
    "a billion units": (recipe(width=10**9), "more memory"),
    "a billion layers": (recipe(depth=10**9), "more memory"),
    "a million pixels a side": (recipe(image_size=10**6), "more memory"),
    "less than no units": (recipe(width=-1), "cannot be built"),
    "an option of another type": (recipe(width="$(touch executed)"), "width="),
    "a billion threads": (changed(threads=10**9), "its header is damaged"),
    "a seed of a hundred digits": (changed(seed=10**100), "its header is damaged"),
    "an input without pixels": (
        changed(signature={"input_shape": [1, -8, 10**30], "outputs": 2}),
        "its header is damaged",
    ),
}


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_checkpoint_is_one_clear_line_and_runs_nothing(
    zoo: Zoo, plugin: Path, tmp_path: Path, picture: Path, kind: str
) -> None:
    (tmp_path / "evil").mkdir()
    for place in ("evil/net.py", "evil.py", "net.py"):
        (tmp_path / place).write_text(FILE)
    (tmp_path / "evil" / "net.pickle").write_bytes(pickle.dumps({"build": Trap()}))
    path = write(tmp_path / "some.safetensors")
    make, words = HOSTILE[kind]
    make(path)
    for command in (("eval", path), ("predict", path, picture)):
        began = time.monotonic()
        done = zoo(*command, "--device", "cpu")
        if command[0] == "predict" and kind == "data of a file":  # predicting opens no data
            continue
        assert done.code == 2, done.err
        assert not done.out
        assert done.err.startswith("error: ")
        assert done.err.count("\n") == 1, done.err
        assert words in done.err
        assert len(done.err) < 2000
        assert "\x1b" not in done.err
        assert time.monotonic() - began < 60
    assert not [*tmp_path.rglob("executed")]


def test_the_honest_checkpoint_of_these_tests_is_scored_and_predicts(
    zoo: Zoo, plugin: Path, tmp_path: Path, picture: Path
) -> None:
    path = write(tmp_path / "some.safetensors")
    assert zoo("eval", path, "--device", "cpu").code == 0
    done = zoo("predict", path, picture, "--device", "cpu")
    assert done.code == 0, done.err
    assert "dark" in done.out or "bright" in done.out


@pytest.mark.parametrize("model", ["evil/net.py:Net", "unpackaged:net.net", "zoo-gone:net"])
def test_the_weights_load_into_the_file_that_the_person_names(
    zoo: Zoo, plugin: Path, tmp_path: Path, picture: Path, model: str
) -> None:
    for folder in ("evil", "mine"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.py").write_text(FILE)
    path = write(tmp_path / "some.safetensors", model=model)
    done = zoo("eval", path, "--model", "mine/net.py:Net", "--device", "cpu", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["scores"]["accuracy"] >= 0
    assert zoo("predict", path, picture, "--model", "mine/net.py:Net", "--device", "cpu").code == 0
    assert [file.parent.name for file in tmp_path.rglob("executed")] == ["mine"]


def test_a_saved_model_of_a_file_tells_its_file_and_is_used_only_with_it(
    zoo: Zoo, plugin: Path, tmp_path: Path
) -> None:
    (tmp_path / "net.py").write_text(FILE)
    bench = ("bench", "light", "--model", "./net.py:Net", "--max-steps", "1", "--save", "--device", "cpu")
    assert zoo(*bench, "--threads", "1").code == 0
    (path,) = Path("results").glob("*/*/checkpoint.safetensors")
    assert checkpoints.read(path).file == "net.py:Net"
    (tmp_path / "executed").unlink()
    refused = zoo("eval", path, "--device", "cpu")
    assert refused.code == 2
    assert "claims that its model is net.py:Net (unpackaged:net.net)" in refused.err
    assert f"`zoo eval {path.absolute()} --model ./FILE.py:NAME`" in refused.err
    assert not (tmp_path / "executed").exists()
    done = zoo("eval", path, "--model", "./net.py:Net", "--device", "cpu", "--json")
    found = json.loads(done.out)
    assert found["scores"] == found["saved_scores"]


@functools.cache
def shipped() -> Registry:
    return Registry.load()


NAMES = st.one_of(
    st.text(max_size=40),
    st.from_regex(r"[./~a-z\\]{0,12}(evil|net|os)(\.py|\.pickle|\.so)?(:[A-Za-z.]{0,8})?", fullmatch=True),
)


@given(NAMES)
@settings(deadline=None)
def test_no_name_in_a_header_finds_anything_but_a_registered_model(name: str) -> None:
    registry = shipped()
    try:
        model = registry.model(name)
    except ZooError:
        return
    assert model.plugin in registry.versions
    assert name in (model.name, model.qualified)


def test_the_registry_finds_no_file_by_a_name_unless_it_is_told_that_a_person_gave_it(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(FILE)
    with pytest.raises(UnknownNameError):
        Registry.load().model(f"{tmp_path}/net.py:Net")
    assert Registry.load().model_or_file(f"{tmp_path}/net.py:Net").plugin == "unpackaged"


def test_a_model_that_takes_too_long_to_build_is_stopped(
    plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restraint, "BUILD_S", 0.2)
    saved = SavedModel(write(tmp_path / "some.safetensors"), Registry.load(), "cpu", 0)
    monkeypatch.setattr("zoo_core.runner.saved_models.build_model", lambda *_: time.sleep(60))
    with pytest.raises(IncompatibleError, match="building its model takes more than 0 s"):
        saved.build_model()


def test_a_model_that_takes_all_memory_when_it_runs_is_stopped(plugin: Path, tmp_path: Path) -> None:
    saved = SavedModel(write(tmp_path / "some.safetensors"), Registry.load(), "cpu", 0)
    model = saved.build_model()
    with pytest.raises(IncompatibleError, match="takes more memory than the"), saved.inference(model):
        torch.empty(2**40)
    assert saved.adapted_signature() == Signature(
        input_shape=(1, 8, 8), outputs=2, classes=("dark", "bright"), mean=(0.5,), std=(1.0,)
    )


def test_files_that_a_record_names_as_imports_are_read_only_if_they_are_regular(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "net.py").write_text(FILE)
    model = Registry.load().model_or_file(f"{tmp_path}/net.py:Net")
    for name in ("pipe.py", "/dev/zero", "/dev/stdin", "../" * 40 + "dev/zero", "\0", "n" * 5000, "~/" + "x" * 300):
        assert not imports_are_unchanged(model, {name: "0" * 64})
    assert not (tmp_path / "executed").exists()
