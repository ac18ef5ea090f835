"""Submissions of every kind, for the tests; `conftest.py` writes them into a class."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime
from pathlib import Path

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
