"""The hash of an entry covers its file and all files of its package that it imports, without importing any."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo_core.entries import source_file
from zoo_core.entries.codehash import code_files, code_sha256, imported

Write = Callable[[dict[str, str]], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Put a package `zoo_never` on the path; its modules raise when they are imported."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\nraise RuntimeError\n")
        return tmp_path

    return make


def found(entry: str, folder: Path) -> list[str]:
    path = source_file(entry)
    assert path is not None
    files = [file.relative_to(folder).as_posix() for file in code_files(entry, path)]
    assert "zoo_never" not in sys.modules
    return files


PACKAGE = {
    "zoo_never/__init__.py": "",
    "zoo_never/data.py": "import os\nfrom zoo_never import formats\nfrom zoo_never.parts.one import thing\n",
    "zoo_never/formats.py": "def read():\n    from .parts import (\n        one,  # why, and\n        two,\n    )\n",
    "zoo_never/parts/one.py": "from .. import data, missing\n",
    "zoo_never/parts/two.py": "import torch, zoo_never.deep as deep; import sys\n",
    "zoo_never/deep.py": "from zoo_never.parts \\\n    import three as four\n",
    "zoo_never/parts/three.py": "",
    "zoo_never/unused.py": "",
    "zoo_never/plugin.py": "import zoo_never.unused\n",
    "torch.py": "",
}


def test_what_a_module_of_a_package_imports_from_it_is_followed(write: Write) -> None:
    folder = write(PACKAGE)
    names = ["__init__", "deep", "formats", "parts/one", "parts/three", "parts/two"]
    assert found("zoo_never.data:Loader", folder) == ["zoo_never/data.py", *(f"zoo_never/{name}.py" for name in names)]
    assert found("zoo_never.parts.three:f", folder) == ["zoo_never/parts/three.py", "zoo_never/__init__.py"]


def test_a_package_itself_is_an_entry_too(write: Write) -> None:
    folder = write({"zoo_never/__init__.py": "from .one import a", "zoo_never/one.py": ""})
    assert found("zoo_never:a", folder) == ["zoo_never/__init__.py", "zoo_never/one.py"]


def test_the_neighbours_of_a_lone_file_count_where_it_imports_them(write: Write) -> None:
    folder = write({"net.py": "import layers\nimport json", "layers.py": "", "json/x.py": "", "other.py": ""})
    assert found(f"{folder / 'net.py'}:Net", folder) == ["net.py", "layers.py"]


def test_a_change_in_any_of_them_changes_the_hash_and_a_change_elsewhere_does_not(write: Write) -> None:
    folder = write(PACKAGE)
    before = code_sha256("zoo_never.data:Loader")
    for name in PACKAGE:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content + b"# changed")
        counts = "unused" not in name and "plugin" not in name and "torch" not in name
        assert (code_sha256("zoo_never.data:Loader") != before) == counts, name
        (folder / name).write_bytes(content)
    assert code_sha256("zoo_never.data:Loader") == before


def test_one_file_alone_has_its_own_hash_whatever_its_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_bytes(b"a = 1\r\n")
    assert code_sha256(f"{path}:a") == hashlib.sha256(b"a = 1\n").hexdigest()
    assert code_sha256(f"{tmp_path / 'none.py'}:a") == ""
    assert code_sha256("sys:path") == ""
    assert code_sha256("") == ""


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import a.b as c, d  # e", ["a.b", "d"]),
        ("if x:\n    from a import b as c, d", ["a", "a.b", "a.d"]),
        ("from . import b", ["p.q", "p.q.b"]),
        ("from ..x import *", ["p.x"]),
        ("from .s.t import u", ["p.q.s.t", "p.q.s.t.u"]),
        ("print('import a')\nimportant = 1\nfrom_here = 2", []),
    ],
)
def test_imports_are_read_from_the_text(text: str, names: list[str], tmp_path: Path) -> None:
    path = tmp_path / "r.py"
    path.write_text(text)
    assert list(imported(path, "p.q.r")) == names
