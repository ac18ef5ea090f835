"""Submissions of every kind, for the tests; `conftest.py` writes them into a class."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime
from pathlib import Path

import numpy as np

DEADLINE = datetime.fromisoformat("2026-03-01T12:00:00+00:00")
IN_TIME, TOO_LATE = DEADLINE.timestamp() - 3600, DEADLINE.timestamp() + 3600

NET = '''"""A network for small images."""

from torch import nn


class Net(nn.Module):
    """WIDTH units."""

    def __init__(self, signature, width=WIDTH):
        super().__init__()
        hidden = nn.Linear(signature.features, width)
        self.layers = nn.Sequential(nn.Flatten(), hidden, nn.ACT(), nn.Linear(width, signature.outputs))

    def forward(self, x):
        return self.layers(x)
'''
# The same, with other names and another order of the comments: what somebody does who copies.
RENAMED = '''# all my own work
from torch import nn


class Net(nn.Module):
    def __init__(self, shapes, units=48):
        super().__init__()
        first = nn.Linear(shapes.features, units)  # in
        self.layers = nn.Sequential(nn.Flatten(), first, nn.Tanh(), nn.Linear(units, shapes.outputs))

    def forward(self, images):
        """The scores."""
        return self.layers(images)
'''
CNN = """from torch import nn


class Net(nn.Module):
    def __init__(self, signature, channels=8):
        super().__init__()
        size = signature.input_shape[1] // 2
        self.layers = nn.Sequential(
            nn.Conv2d(signature.input_shape[0], channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(channels * size * size, signature.outputs),
        )

    def forward(self, x):
        return self.layers(x)
"""
TEMPLATE = """from torch import nn


class Net(nn.Module):
    def __init__(self, signature):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(signature.features, signature.outputs))

    def forward(self, x):
        return self.layers(x)
"""


def net(width: int = 32, act: str = "ReLU") -> str:
    """A right submission."""
    return NET.replace("WIDTH", str(width)).replace("ACT", act)


def with_line(line: str, width: int = 32) -> str:
    """A right submission that also does something in its first training step."""
    body = "\n        ".join(line.splitlines())
    return net(width).replace("        return self.layers(x)", f"        {body}\n        return self.layers(x)")


def notebook(*cells: str) -> str:
    """A notebook with these code cells."""
    listed = [{"cell_type": "code", "metadata": {}, "source": cell.splitlines(keepends=True)} for cell in cells]
    return json.dumps({"cells": listed, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def make_repository(folder: Path, when: str) -> None:
    """Make a git repository of a folder, with one commit of this time."""
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@x",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@x",
    }
    environment = {**os.environ, **identity, "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run(["git", "-C", str(folder), *words], check=True, env=environment, capture_output=True)


def write_idx(folder: Path, seed: int, sizes: tuple[int, int] = (200, 80)) -> None:
    """Write a data root in the form of MNIST: a bright bar whose height is the class."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    for prefix, count in zip(("train", "t10k"), sizes, strict=True):
        labels = generator.integers(10, size=count).astype(np.uint8)
        images = np.zeros((count, 28, 28), np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[label * 2 : label * 2 + 4] = generator.integers(100, 255)
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            sizes_of_axes = b"".join(size.to_bytes(4, "big") for size in array.shape)
            content = bytes([0, 0, 8, array.ndim]) + sizes_of_axes + array.tobytes()
            (folder / f"{prefix}-{name}-ubyte").write_bytes(content)


# A class of thirty. Each key is a path below `submissions`; what becomes of it is in `BECAME`.

SLOW = "import time\ntime.sleep(0.02)"
READS = "import glob, os, numpy\nnumpy.load(glob.glob(os.environ['ZOO_CACHE'] + '/columns/*/test/y.npy')[0])"
READS_IN_C = """import ctypes, glob, os
path = glob.glob(os.environ['ZOO_CACHE'] + '/columns/*/test/y.npy')[0]
if ctypes.CDLL(None).open(path.encode(), 0) < 0: raise OSError(path)"""
PATCHES = "from zoo_core.kinds.image_classification import objective\nobjective.classification_evaluation = None"
FORGES = """import os, sys
frame = sys._getframe()
while frame and 'send' not in frame.f_locals: frame = frame.f_back
from zoo_core.runner.events import TrialDone
from zoo_core.results.records import Measured
frame.f_locals['send'](TrialDone(status='ok', measured=Measured(scores={'accuracy': 1.0}), phases={}))
os._exit(0)"""
GREEDY = "self.kept = getattr(self, 'kept', [])\nwhile True: self.kept.append(bytearray(2**26))"
WRITES = """import os, pathlib
folder = pathlib.Path(os.readlink('/proc/self/fd/1')).parent
for number in range(10_000): (folder / f'{number}.bin').write_bytes(os.urandom(2**22))"""
FORKS = "import os, time\nfor _ in range(9): os.fork()\ntime.sleep(60)"


def made_class() -> dict[str, str | bytes]:
    """Return the submissions of 29 of the 30 people; the last one is only in the roster."""
    wrong = net(16).replace("nn.Flatten(), ", "")
    files: dict[str, str | bytes] = {f"Right {number}.py": net(16 * number) for number in range(1, 8)}
    files |= {
        "Анна Каренина.py": CNN,
        "=cmd|'calc'!A0.py": net(40),
        "Two Nets/net.py": net(24, "Tanh"),
        "Slow Sam.py": with_line(SLOW),
        "Wrong Shape.py": wrong,
        "Crashing Carl.py": with_line("import os\nos.abort()"),
        "Hanging Hal.py": with_line("import time\nwhile True: time.sleep(1)"),
        "Hungry Hu.py": with_line(GREEDY),
        "Writing Wil.py": with_line(WRITES),
        "Forking Flo.py": with_line(FORKS),
        "Raising Ray.py": "raise ValueError('not today')\n" + net(),
        "Cheat Reads.py": with_line(READS),
        "Cheat Patches.py": with_line(PATCHES),
        "Cheat Forges.py": with_line(FORGES),
        "Cheat In C.py": with_line(READS_IN_C),
        "Broken Bo.py": net().replace("def forward(self, x):", "def forward(self, x)"),
        "Old Encoding.py": net(20).replace("A network", "Сеть").encode("cp1251"),
        "Original Ola.py": net(48, "Tanh"),
        "Copied Coy/net.py": RENAMED,
        "Template Tim.py": TEMPLATE,
        "Late Lea.py": net(28),
        "Three Tea/1/net.py": net(8),
        "Three Tea/2/net.py": net(12),
        "Three Tea/3/net.ipynb": notebook("import torch", f"# zoo: submit\n{net(36)}"),
    }
    return files


MISSING = "Missing Person"
OK = (
    "Анна Каренина",
    "=cmd|'calc'!A0",
    "Two Nets",
    "Slow Sam",
    "Original Ola",
    "Copied Coy",
    "Three Tea",
    "Old Encoding",
)
BECAME = {
    **{f"Right {number}": "ok" for number in range(1, 8)},
    **dict.fromkeys(OK, "ok"),
    "Wrong Shape": "error",
    "Crashing Carl": "crashed",
    "Hanging Hal": "timeout",
    "Hungry Hu": "out_of_memory",
    "Writing Wil": "error",
    "Forking Flo": "error",
    "Raising Ray": "error",
    "Cheat Reads": "error",
    "Cheat Patches": "error",
    "Cheat Forges": "error",
    "Cheat In C": "ok",  # it got decoys, so its score is the honest one
    "Broken Bo": "unreadable",
    "Template Tim": "template",
    "Late Lea": "late",
    MISSING: "missing",
}
MADE_SETTINGS = """title = "A made class"
task = "mnist"
preset = "quick"
[limits]
time = "60s"
memory_mib = 1500
output_mib = 64
[submissions]
roster = "roster.csv"
deadline = 2026-03-01T12:00:00Z
[data]
offline = true
[points]
reached = "interval"
[[points.targets]]
name = "pass"
score = 0.6
points = 5
[[points.targets]]
name = "full marks"
score = 0.9
points = 10
[[points.bonus]]
name = "small"
measure = "parameters"
at_most = 14_000
points = 1
from_target = "pass"
"""


def write_made_class(folder: Path) -> None:
    """Write the class of thirty into a new folder."""
    for name, content in made_class().items():
        path = folder / "submissions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        when = TOO_LATE if name == "Late Lea.py" else IN_TIME
        os.utime(path, (when, when))
    for parent in (folder / "submissions").rglob("*"):
        if parent.is_dir():
            os.utime(parent, (IN_TIME, IN_TIME))
    (folder / "template").mkdir()
    (folder / "template" / "net.py").write_text(TEMPLATE)
    rows = "".join(f'"{name}",{number}@school.example,{number}\n' for number, name in enumerate(BECAME))
    (folder / "roster.csv").write_text(f"name,email,id\n{rows}", encoding="utf-8")
    (folder / "class.toml").write_text(MADE_SETTINGS, encoding="utf-8")
