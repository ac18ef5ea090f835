"""A record is kept under the code that ran: imports are parsed, and a file that changes during a run is noticed."""

from __future__ import annotations

import importlib
import os
import sys
import textwrap
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo_core.entries import source_file
from zoo_core.entries.codehash import code_files, code_of, code_sha256
from zoo_core.entries.loaded import add_neighbours, content_sha256, stdlib_first, watching_imports
from zoo_core.errors import ChangedFileError
from zoo_core.results.records import Record, decode

BENCH = ("bench", "cosine", "--model", "./net.py:Net", "--max-steps", "3", "--device", "cpu")

NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(1, 1)

    def forward(self, x):
        {forward}
        return self.inner(x)
"""


def net(forward: str = "pass", before: str = "") -> str:
    return before + NET.format(forward=forward)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder on the search path; what was imported from it is forgotten at the end."""
    known, path = set(sys.modules), sys.path[:]
    sys.path.insert(0, str(tmp_path))
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    importlib.invalidate_caches()


def files_of(entry: str, folder: Path) -> set[str]:
    path = source_file(entry)
    assert path is not None
    return {file.relative_to(folder).as_posix() for file in code_files(entry, path)}


# Which files count


@pytest.mark.parametrize(
    "source",
    [
        "x = 1; import layers",
        "if True:\n    import layers",
        "try:\n    import fast\nexcept ImportError:\n    import layers",
        "from layers import (  # why (and for whom)\n    a,\n)",
        "def build():\n    import layers",
        "class Net:\n    from layers import *",
        "with open(__file__):\n    import json, layers as other",
        "import importlib\nlayers = importlib.import_module('layers')",
        "from importlib import import_module\nlayers = import_module(name='layers')",
        "layers = __import__('layers')",
        "import \\\n    layers",
        "lambda: __import__('layers').a",
        "async def build():\n    async with x:\n        import layers",
        "match 1:\n    case 1:\n        import layers",
        "\ufeffimport layers",
    ],
)
def test_an_import_counts_wherever_it_is_written(source: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(source, encoding="utf-8")
    (tmp_path / "layers.py").write_text("a = 1")
    entry = f"{tmp_path / 'net.py'}:Net"
    assert files_of(entry, tmp_path) == {"net.py", "layers.py"}
    before = code_sha256(entry)
    (tmp_path / "layers.py").write_text("a = 2")
    assert code_sha256(entry) != before


@pytest.mark.parametrize("source", ["'import layers'", "# import layers", "x = '''\nimport layers\n'''", "print(1"])
def test_what_only_looks_like_an_import_does_not_count(source: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(source)
    (tmp_path / "layers.py").write_text("a = 1")
    assert files_of(f"{tmp_path / 'net.py'}:Net", tmp_path) == {"net.py"}


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_no_content_of_a_file_makes_the_hash_fail(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "net.py")
        path.write_bytes(content)
        assert code_of(f"{path}:Net").files[str(path)] == content_sha256(content)


def test_the_packages_around_a_module_run_first_and_so_count(folder: Path) -> None:
    (folder / "pack" / "deep").mkdir(parents=True)
    (folder / "pack" / "__init__.py").write_text("from . import settings")
    (folder / "pack" / "settings.py").write_text("")
    (folder / "pack" / "deep" / "__init__.py").write_text("__all__ = ['part']")
    (folder / "pack" / "deep" / "part.py").write_text("")
    (folder / "pack" / "deep" / "net.py").write_text("from . import *")
    names = {"deep/net.py", "__init__.py", "settings.py", "deep/__init__.py", "deep/part.py"}
    assert files_of("pack.deep.net:Net", folder) == {f"pack/{name}" for name in names}


def test_both_parts_of_a_namespace_package_count(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    sys.path.append(str(other))
    for place, name, text in ((folder, "net", "import spread.layers"), (other, "layers", "")):
        (place / "spread").mkdir()
        (place / "spread" / f"{name}.py").write_text(text)
    importlib.invalidate_caches()
    files = code_of("spread.net:Net").files
    assert {Path(path).name for path in files} == {"net.py", "layers.py"}


def test_a_package_hides_a_file_of_the_same_name_as_in_python(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("import layers")
    (tmp_path / "layers.py").write_text("")
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers" / "__init__.py").write_text("")
    assert files_of(f"{tmp_path / 'net.py'}:Net", tmp_path) == {"net.py", "layers/__init__.py"}


def test_a_neighbour_with_the_name_of_a_module_of_python_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("import random")
    (tmp_path / "random.py").write_text("")
    assert files_of(f"{tmp_path / 'net.py'}:Net", tmp_path) == {"net.py"}


def test_a_file_that_is_replaced_with_equal_size_and_time_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.py"
    path.write_text("a = 1")
    monkeypatch.setattr("zoo_core.entries.codehash.SETTLED_AFTER_NS", -1)  # use what is kept at once
    before, stat = code_sha256(f"{path}:a"), path.stat()
    assert code_sha256(f"{path}:a") == before
    other = tmp_path / "other.py"
    other.write_text("a = 2")
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    assert code_sha256(f"{path}:a") != before


def test_a_file_that_is_written_twice_at_once_is_not_taken_from_what_was_kept(tmp_path: Path) -> None:
    path, seen = tmp_path / "net.py", set()
    for number in range(20):
        path.write_text(f"a = {number:2}")
        seen.add(code_sha256(f"{path}:a"))
    assert len(seen) == 20


# What was loaded


def test_the_hash_that_is_reported_is_of_the_source_that_ran_not_of_pythons_cache(folder: Path) -> None:
    path, loaded = folder / "stale.py", {}
    path.write_text("a = 1")
    importlib.import_module("stale")  # writes the bytecode cache
    del sys.modules["stale"]
    stat = path.stat()
    path.write_text("a = 2")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    planned = {str(path): content_sha256(b"a = 2")}
    with watching_imports(planned, loaded.__setitem__):
        assert importlib.import_module("stale").a == 2
    assert loaded == planned


def test_a_file_with_another_content_than_planned_is_not_run_and_named(folder: Path) -> None:
    path = folder / "edited.py"
    path.write_text("raise SystemExit('it ran')")
    with (
        watching_imports({str(path): content_sha256(b"a = 1")}, lambda *_: None),
        pytest.raises(ChangedFileError, match=r"edited\.py changed after the run was planned.*again"),
    ):
        importlib.import_module("edited")


def test_the_watch_ends_with_its_block_and_skips_python_and_installed_packages(folder: Path) -> None:
    before, loaded = sys.meta_path[:], {}
    (folder / "mine.py").write_text("import colorsys")
    sys.modules.pop("colorsys", None)
    with watching_imports({}, loaded.__setitem__) as watch:
        watch.watch_others = True
        importlib.import_module("mine")
    assert sys.meta_path == before
    assert [Path(path).name for path in loaded] == ["mine.py"]


def test_a_module_in_an_archive_is_reported_with_the_hash_of_the_archive(folder: Path) -> None:
    loaded: dict[str, str] = {}
    archive = folder / "lib.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped_net.py", "a = 1")
    sys.path.insert(0, str(archive))
    with watching_imports({}, loaded.__setitem__) as watch:
        watch.watch_others = True
        importlib.import_module("zipped_net")
    assert loaded == {str(archive / "zipped_net.py"): content_sha256(archive.read_bytes())}


def test_neighbours_come_after_pythons_own_modules_and_before_installed_ones(folder: Path) -> None:
    add_neighbours(folder)
    stdlib, installed = Path(os.__file__).parent, Path(pytest.__file__).parents[1]
    assert sys.path.index(str(stdlib)) < sys.path.index(str(folder)) < sys.path.index(str(installed))
    assert stdlib_first(["/a", str(stdlib), "/b"]) == [str(stdlib), "/a", "/b"]


# Through `zoo bench`


def records() -> list[Record]:
    found = [decode(path.read_bytes()) for path in Path("results").glob("*/*.json")]
    return sorted(found, key=lambda record: record.started_at)


def write(**files: str) -> None:
    for name, text in files.items():
        Path(f"{name}.py").write_text(textwrap.dedent(text))


# A net whose file is replaced while it is imported or while it trains, by itself: the time is then certain.
EDIT = "import pathlib; pathlib.Path({path!r}).write_text({text!r})\n"


def test_a_file_that_is_edited_after_it_was_loaded_changes_nothing_and_the_next_call_runs_the_new_code(
    zoo: Callable[..., Any],
) -> None:
    own = str(Path("net.py").absolute())
    original = net(before=EDIT.format(path=own, text=net("x = x * 1")))
    write(net=original)
    assert zoo(*BENCH).code == 0
    (first,) = records()
    assert first.status == "ok"
    assert first.model.code_sha256 == content_sha256(original.encode())
    assert "1 new" in zoo(*BENCH).out
    assert records()[1].key != first.key
    write(net=original)
    assert "1 recorded already" in zoo(*BENCH).out


@pytest.mark.parametrize("lazily", [False, True])
def test_a_neighbour_that_is_edited_before_it_is_loaded_refuses_the_trial_and_the_next_call_runs_it(
    zoo: Callable[..., Any], lazily: bool
) -> None:
    edit = EDIT.format(path=str(Path("layers.py").absolute()), text="a = 2")
    if lazily:
        write(net=net("import layers", edit), layers="a = 1")
    else:
        write(net=net(before=f"{edit}import layers\n"), layers="a = 1")
    done = zoo(*BENCH)
    (first,) = records()
    assert done.code == 1
    assert first.status == "skipped"
    assert "layers.py changed after the run was planned" in first.reason
    assert "run the command again" in first.reason
    assert (first.measured.scores, first.curve) == ({}, [])
    assert str(Path.cwd()) not in first.reason
    assert "1 new" in zoo(*BENCH).out
    assert [record.status for record in records()] == ["skipped", "ok"]
    write(layers="a = 1")  # back to what was planned first: that never ran
    assert "1 new" in zoo(*BENCH).out


def test_a_trial_that_dies_of_a_changed_file_is_refused_too(zoo: Callable[..., Any]) -> None:
    edit = EDIT.format(path=str(Path("layers.py").absolute()), text="a = 2")
    dies = "try:\n    import layers\nexcept BaseException:\n    import os; os.abort()\n"
    write(net=net(before=edit + dies), layers="a = 1")
    assert zoo(*BENCH).code == 1
    assert [record.status for record in records()] == ["skipped"]


def test_a_file_that_is_removed_before_it_is_needed_refuses_the_trial_although_it_can_do_without(
    zoo: Callable[..., Any],
) -> None:
    remove = f"import pathlib; pathlib.Path({str(Path('layers.py').absolute())!r}).unlink(missing_ok=True)\n"
    write(net=net(before=f"{remove}try:\n    import layers\nexcept ImportError:\n    pass\n"), layers="a = 1")
    assert zoo(*BENCH).code == 1
    assert "layers.py changed" in records()[0].reason


def test_a_file_imported_under_a_computed_name_is_recorded_and_its_change_runs_the_trial_again(
    zoo: Callable[..., Any],
) -> None:
    Path("lib").mkdir()
    Path("lib/hidden.py").write_text("a = 1")
    search = "import os, sys; sys.path.append(os.path.join(os.path.dirname(__file__), 'lib'))\n"
    write(net=net(before=f"{search}__import__('hid' + 'den')\n"))
    assert zoo(*BENCH).code == 0
    assert records()[0].imports == {"lib/hidden.py": content_sha256(b"a = 1")}
    assert "1 recorded already" in zoo(*BENCH).out
    Path("lib/hidden.py").write_text("a = 2")
    assert "1 new" in zoo(*BENCH).out
    assert "1 recorded already" in zoo(*BENCH).out


def test_an_entry_that_moves_to_another_function_of_its_file_is_another_experiment(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    source = """
        from zoo_core import ModelSpec, hookimpl

        @hookimpl
        def zoo_models():
            return [ModelSpec(name="moves", tasks=("cosine",), entry="moving_nets:NAME")]
    """
    command = ("bench", "cosine", "--model", "moves", "--max-steps", "2", "--device", "cpu")
    for name in ("one", "two"):
        folder = make_plugin("zoo-moves", source.replace("NAME", name))
        nets = "from torch import nn\none = lambda signature: nn.Linear(1, 1)\ntwo = one\n"
        (folder / "moving_nets.py").write_text(nets)
        assert "1 new" in zoo(*command).out


def test_a_file_named_like_a_module_of_python_is_not_run_by_workers_while_neighbours_are(
    zoo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(random="raise SystemExit('random.py ran')", types="raise SystemExit('types.py ran')")
    write(net=net(before="import layers, random\nrandom.random()\n"), layers="")
    monkeypatch.syspath_prepend(str(Path.cwd()))  # as in a script or a notebook of this folder
    for start in ("fork", "spawn"):
        monkeypatch.setenv("ZOO_START", start)
        done = zoo(*BENCH, "--force")
        assert done.code == 0, done.out + done.err
