"""Makes classes: a folder with settings and submissions."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _load(name: str) -> ModuleType:
    """Load a file beside this one. Test files have no package, so that none can be imported by its name."""
    spec = importlib.util.spec_from_file_location(f"zoo_class_tests_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


making: Any = _load("making")


@pytest.fixture(scope="session")
def kit() -> Any:
    """The functions and sources of `making.py`."""
    return making


@pytest.fixture
def make_class(tmp_path: Path) -> Callable[..., Path]:
    """Write a class: `make_class({"Anna.py": source, "Boris/1/net.py": ...}, task="cosine", points=...)`."""

    def make(
        files: Mapping[str, str | bytes],
        *,
        task: str = "cosine",
        top: str = "",
        more: str = "",
        roster: str = "",
        template: str = "",
    ) -> Path:
        folder = tmp_path / "course"
        (folder / "submissions").mkdir(parents=True, exist_ok=True)
        settings = f'title = "A class"\ntask = "{task}"\npreset = "quick"\n{top}\n{more}'
        (folder / "class.toml").write_text(settings, encoding="utf-8")
        if roster:
            (folder / "roster.csv").write_text(roster, encoding="utf-8")
        if template:
            (folder / "template").mkdir()
            (folder / "template" / "net.py").write_text(template)
        for name, content in files.items():
            path = folder / "submissions" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            os.utime(path, (making.IN_TIME, making.IN_TIME))
        return folder

    return make
