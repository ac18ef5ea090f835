"""The test accelerator, for the tests in this folder: built once for the sources and torch, below `build/`."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def _import_build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("zoo_build_accelerator", HERE / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def accelerator(request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment of a process that has the test accelerator.

    Building takes half a minute, so only `-m nightly` builds it; other runs use what is built already.
    """
    build = _import_build()
    if reason := build.missing():
        pytest.skip(reason)
    if not build.folder().is_dir() and "nightly" not in request.config.getoption("-m"):
        pytest.skip("the test accelerator is not built: python tests/device/build.py")
    paths = [str(build.built()), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


@pytest.fixture(scope="session")
def call_child(accelerator: dict[str, str]) -> Callable[..., Any]:
    """Call a function of child.py in a process with the accelerator: `call_child("refusals")`; return its result."""

    def call(function: str, *arguments: object) -> Any:
        words = [json.dumps(argument) for argument in arguments]
        command = [sys.executable, str(HERE / "child.py"), function, *words]
        done = subprocess.run(command, capture_output=True, text=True, env=accelerator)
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout.splitlines()[-1])

    return call
