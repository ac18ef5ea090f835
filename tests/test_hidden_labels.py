"""Labels of test that are hidden from a trial in the sandbox: what five tries to read them get, and who scores."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo_core import columns
from zoo_core.columns import Ragged
from zoo_core.errors import UsageError
from zoo_core.files import cache_dir
from zoo_core.results.records import Record, decode
from zoo_core.runner import sandbox
from zoo_core.runner.hidden_labels import decoy_labels


def why_not() -> str:
    try:
        sandbox.require()
    except UsageError as error:
        return str(error)
    return ""


needs_bubblewrap = pytest.mark.skipif(bool(why_not()), reason=why_not() or "it works here")
Zoo = Callable[..., Any]
SIZE = (60, 20)  # train and test

# Five tries, in C or in another program, which the watch of Python's own `open` does not see. Each returns what it got.
THIEF = """
import ctypes, glob, json, os, subprocess, sys, threading, time
import numpy as np
from torch import nn

CACHE, ROOT = os.environ["ZOO_CACHE"], PLACE
found = {}

def attempt(name):
    def decorate(function):
        try:
            found[name] = function()
        except BaseException as error:
            found[name] = f"nothing: {type(error).__name__}"
    return decorate

def read_in_c(path):
    libc = ctypes.CDLL(None)
    descriptor = libc.open(path.encode(), 0)
    if descriptor < 0:
        raise FileNotFoundError(path)
    content = ctypes.create_string_buffer(1 << 16)
    size = libc.read(descriptor, content, len(content))
    return content.raw[:size]

@attempt("the decoded labels, in C")
def _():
    (path,) = glob.glob(f"{CACHE}/columns/zoo-mnist*/test/y.npy")
    return np.frombuffer(read_in_c(path)[128:], np.int64).tolist()

@attempt("the decoded labels, with another program")
def _():
    (path,) = glob.glob(f"{CACHE}/columns/zoo-mnist*/test/y.npy")
    content = subprocess.run(["cat", path], capture_output=True, check=True).stdout
    return np.frombuffer(content[128:], np.int64).tolist()

@attempt("the files of the data root")
def _():
    return list(read_in_c(f"{ROOT}/t10k-labels-idx1-ubyte")[8:])

@attempt("any file of the machine with that name")
def _():
    paths = subprocess.run(["find", "/", "-name", "*labels*ubyte*"], capture_output=True).stdout.split()
    return [list(read_in_c(path.decode())[8:]) for path in paths][0]

class Net(nn.Module):
    def __init__(self, signature):
        super().__init__()
        self.inner = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))

    def forward(self, x):
        return self.inner(x)

def report():
    main = threading.main_thread().ident
    while True:
        frame = sys._current_frames()[main]
        while frame is not None:
            task = getattr(frame.f_locals.get("trial"), "task", None)
            last = getattr(task, "_last_outputs", None)
            if last is not None and last.split == "test" and "y" in last.columns:
                found["the memory after the scoring"] = np.asarray(last.columns["y"]).tolist()
            frame = frame.f_back
        path = os.readlink("/proc/self/fd/1") + ".found"
        with open(path + ".part", "w") as file:
            json.dump(found, file)
        os.replace(path + ".part", path)  # whole, whenever the trial ends
        time.sleep(0.02)

threading.Thread(target=report, daemon=True).start()
"""
HONEST = """
from torch import nn

class Net(nn.Module):
    def __init__(self, signature):
        super().__init__()
        self.inner = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))

    def forward(self, x):
        return self.inner(x)
"""


def write_idx(folder: Path, seed: int) -> np.ndarray[Any, Any]:
    """Write a small data root of MNIST's form, and return the labels of test."""
    folder.mkdir()
    generator = np.random.default_rng(seed)
    for prefix, count in zip(("train", "t10k"), SIZE, strict=True):
        labels = generator.integers(10, size=count).astype(np.uint8)
        images = np.zeros((count, 28, 28), np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[label * 2 : label * 2 + 4] = generator.integers(100, 255)
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(header(3, images.shape) + images.tobytes())
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(header(1, labels.shape) + labels.tobytes())
    return labels


def header(axes: int, shape: tuple[int, ...]) -> bytes:
    return bytes([0, 0, 8, axes]) + b"".join(size.to_bytes(4, "big") for size in shape)


def records() -> dict[str, Record]:
    found = [decode(path.read_bytes()) for path in Path("results").glob("*/*.json")]
    return {record.model.name.partition(":")[2]: record for record in found}


def bench(zoo: Zoo, name: str, *words: str) -> Record:
    options = ("--data-root", "data", "--max-steps", "20", "--device", "cpu", "--threads", "1", "--name", name)
    done = zoo("bench", "mnist", "--model", f"{name}.py:Net", *options, *words)
    assert done.code == 0, done.out + done.err
    return records()[name]


@needs_bubblewrap
@pytest.mark.slow
def test_five_tries_to_read_the_labels_get_none_and_the_score_is_the_honest_one(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = write_idx(tmp_path / "data", seed=1)
    Path("honest.py").write_text(HONEST)
    Path("thief.py").write_text(THIEF.replace("PLACE", repr(str(tmp_path / "data"))))
    honest = bench(zoo, "honest")
    monkeypatch.setenv("ZOO_SANDBOX_LABELS", "hidden")
    thief = bench(zoo, "thief", "--sandbox")
    (path,) = Path("results").glob(f"*/{thief.id}/log.txt.found")
    found = json.loads(path.read_text())
    assert len(found) == 5, found
    assert found["the files of the data root"] == "nothing: FileNotFoundError"
    assert found["any file of the machine with that name"] == "nothing: IndexError"
    decoys = found["the decoded labels, in C"]
    assert found["the decoded labels, with another program"] == found["the memory after the scoring"] == decoys
    assert len(decoys) == SIZE[1]
    assert decoys != labels.tolist()
    drawn = np.random.default_rng(0).integers(SIZE[0], size=SIZE[1])
    trains = [np.load(path) for path in cache_dir().glob("columns/zoo-mnist*/train/y.npy")]  # of other tests, too
    assert decoys in [train[drawn].tolist() for train in trains if len(train) >= SIZE[0]]
    assert thief.measured.scores == honest.measured.scores
    assert thief.measured.tables == honest.measured.tables
    assert thief.measured.pictures == {}
    with np.load(path.with_name("per_example.npz")) as kept:
        assert kept["truth"].tolist() == labels.tolist()


def test_decoys_are_labels_of_train_in_the_form_of_those_of_test() -> None:
    ragged = Ragged(values=np.arange(6.0).reshape(6, 1), offsets=np.array([0, 1, 3, 6]))
    train = {"x": np.zeros((3, 2)), "y": np.array([7, 8, 9]), "boxes": ragged}
    other = Ragged(values=np.full((9, 1), -1.0), offsets=np.array([0, 4, 9]))
    test = {"x": np.ones((2, 2)), "y": np.array([1, 2]), "boxes": other, "only here": np.array([[5.0], [6.0]])}
    decoys = decoy_labels(train, test)
    assert decoys.keys() == {"y", "boxes", "only here"}
    rows = np.random.default_rng(0).integers(3, size=2)
    assert decoys["y"].tolist() == [7 + row for row in rows]  # type: ignore[union-attr]
    assert [decoys["boxes"][0].tolist(), decoys["boxes"][1].tolist()] == [ragged[row].tolist() for row in rows]
    assert decoys["only here"].tolist() == [[0.0], [0.0]]  # type: ignore[union-attr]
    assert columns.length({**decoys, "x": test["x"]}) == 2


@needs_bubblewrap
@pytest.mark.slow
def test_a_task_that_scores_itself_does_not_run_with_hidden_labels(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_SANDBOX_LABELS", "hidden")
    done = zoo("bench", "matmul", "--offline", "--max-steps", "1", "--device", "cpu", "--sandbox")
    assert done.code == 1, done.err
    assert {record.reason for record in records().values()} == {sandbox.CANNOT_HIDE}
