"""Addresses of files that ship in a package: found without a network, verified, and never outside the package."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo_core.data import downloads
from zoo_core.data.downloads import fetch
from zoo_core.data.packaged import find_fault, open_packaged
from zoo_core.errors import DamagedDataError, DataUnavailableError, InvalidSpecError
from zoo_core.files import cache_dir
from zoo_core.registry.validate import validate_spec
from zoo_core.specs import DatasetSpec, Download, ModelSpec, Signature

CONTENT = b"tensors" * 100
NET = Download(
    name="net.bin",
    urls=("package:shipping/weights/net.bin",),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `shipping` with weights, and beside it a module and a file that are not its own."""
    folder = tmp_path / "installed"
    (folder / "shipping" / "weights").mkdir(parents=True)
    (folder / "shipping" / "__init__.py").touch()
    (folder / "shipping" / "weights" / "net.bin").write_bytes(CONTENT)
    (folder / "alone.py").touch()
    (folder / "net.bin").write_bytes(CONTENT)
    monkeypatch.syspath_prepend(str(folder))
    for name in ("shipping", "alone"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return folder


def get(download: Download, folder: Path, *, offline: bool = True) -> Path:
    return fetch(download, folder, offline=offline, owner="the weights of model m", remedy="give --weights")


@pytest.mark.parametrize("offline", [True, False])
def test_a_file_in_a_package_is_found_without_a_network(package: Path, tmp_path: Path, offline: bool) -> None:
    assert get(NET, tmp_path / "cache", offline=offline).read_bytes() == CONTENT


def test_a_package_imported_from_a_zip_archive_works_too(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "shipping.whl", "w") as wheel:
        for path in (package / "shipping").rglob("*.*"):
            wheel.write(path, path.relative_to(package))
    monkeypatch.syspath_prepend(str(tmp_path / "shipping.whl"))
    assert get(NET, tmp_path / "cache").read_bytes() == CONTENT
    assert "shipping.whl" in str(sys.modules["shipping"].__file__)


def test_a_file_that_was_changed_is_refused_and_nothing_is_kept(package: Path, tmp_path: Path) -> None:
    (package / "shipping" / "weights" / "net.bin").write_bytes(CONTENT[:-1])
    with pytest.raises(DamagedDataError, match=r"net\.bin is not the published file.*install the package again"):
        get(NET, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_new_version_of_the_package_replaces_the_file_of_the_old_one(package: Path, tmp_path: Path) -> None:
    get(NET, tmp_path / "cache")
    (package / "shipping" / "weights" / "net.bin").write_bytes(b"newer")
    newer = replace(NET, sha256=hashlib.sha256(b"newer").hexdigest())
    assert get(newer, tmp_path / "cache").read_bytes() == b"newer"


def test_without_the_package_the_next_address_is_tried(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def receive(url: str, file: Any, max_bytes: int) -> None:
        asked.append(url)
        file.write(CONTENT)
        file.flush()

    monkeypatch.setattr(downloads, "_receive_from_server", receive)
    both = replace(NET, urls=("package:not_installed/net.bin", "https://example.org/net.bin"))
    assert get(both, tmp_path / "cache", offline=False).read_bytes() == CONTENT
    assert asked == ["https://example.org/net.bin"]
    with pytest.raises(DataUnavailableError, match="there is no package not_installed"):
        get(both, tmp_path / "empty")
    assert asked == ["https://example.org/net.bin"]  # offline only the package was asked


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("package:not_installed/net.bin", "there is no package not_installed"),
        ("package:not.installed/net.bin", r"there is no package not\.installed"),
        ("package:alone/net.bin", "alone is one module"),
        ("package:shipping/weights/other.bin", "package shipping has no such file"),
        ("package:shipping/weights", "package shipping has no such file"),  # a folder
        ("package:shipping/../net.bin", r"'\.\.' is no name"),
        ("package:shipping/./__init__.py", r"'\.' is no name"),
        ("package:shipping//etc/passwd", "'' is no name"),
        ("package:shipping/..\\net.bin", "is no name"),
        ("package:shipping/C:/net.bin", "'C:' is no name"),
        ("package:shipping/net.bin\0", "is no name"),
        ("package:shipping", "not of the form package:NAME_OF_PACKAGE/"),
        ("package:../net.bin", "not of the form"),
        ("package:/net.bin", "not of the form"),
        ("package:.shipping/net.bin", "not of the form"),
    ],
)
def test_what_is_missing_or_not_inside_the_package_is_one_line(
    package: Path, tmp_path: Path, url: str, reason: str
) -> None:
    with pytest.raises(DataUnavailableError, match=f"{reason}.*install the package again, or give --weights"):
        get(replace(NET, urls=(url,)), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_a_fifo_in_a_package_is_not_waited_for(package: Path, tmp_path: Path) -> None:
    os.mkfifo(package / "shipping" / "pipe")
    with pytest.raises(DataUnavailableError, match="package shipping has no such file"):
        get(replace(NET, urls=("package:shipping/pipe",)), tmp_path / "cache")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["..", ".", "", "weights", "net.bin", "\\", "C:", "~", "a b", "ü"]), max_size=5))
def test_no_address_reaches_a_file_outside_the_package(parts: list[str]) -> None:
    url = "/".join(["package:zoo_core", *parts])
    if find_fault(url):
        with pytest.raises(DataUnavailableError), open_packaged(url):
            pass
    else:
        root = Path("/installed/zoo_core")
        inside = os.path.normpath(root.joinpath(*parts))
        assert parts
        assert inside != str(root)
        assert Path(inside).is_relative_to(root)


@pytest.mark.parametrize("make", ["model", "dataset"])
def test_a_spec_whose_address_leaves_the_package_is_refused_by_name(make: str) -> None:
    download = replace(NET, urls=("package:shipping/../net.bin",))
    model = ModelSpec(name="m", entry="a:b", weights=download, plugin="zoo-x")
    dataset = DatasetSpec(
        name="m",
        title="M",
        origin="bundled",
        licence="CC0-1.0",
        signature=Signature(input_shape=(1,)),
        entry="a:b",
        downloads=(download,),
        plugin="zoo-x",
    )
    with pytest.raises(InvalidSpecError, match=rf"plugin zoo-x: {make} m: download net\.bin: package:shipping/\.\./"):
        validate_spec(model if make == "model" else dataset)


def test_weights_in_a_package_need_a_checksum() -> None:
    with pytest.raises(InvalidSpecError, match=r"have no checksum.*give sha256"):
        validate_spec(ModelSpec(name="m", entry="a:b", weights=replace(NET, sha256="")))


NET_MODULE = """
from torch import nn

def net(signature):
    return nn.Linear(1, 1)
"""
PLUGIN = """
from zoo_core import Download, ModelSpec, hookimpl

@hookimpl
def zoo_models():
    weights = Download(name="net.npz", urls=("package:zoo_shipping/net.npz",), sha256="{sha256}")
    return [
        ModelSpec(name="shipped", entry="zoo_shipping.net:net", tasks=("cosine",), weights=weights, pretrained_on="-")
    ]
"""


@pytest.mark.slow
def test_a_model_of_any_plugin_starts_from_the_weights_in_its_package_offline(
    make_plugin: Callable[..., Path], zoo: Callable[..., Any]
) -> None:
    folder = make_plugin("zoo-shipping", "")
    (folder / "zoo_shipping.py").unlink()
    package = folder / "zoo_shipping"
    package.mkdir()
    np.savez(package / "net.npz", weight=np.array([[2.0]], np.float32), bias=np.array([0.5], np.float32))
    sha256 = hashlib.sha256((package / "net.npz").read_bytes()).hexdigest()
    (package / "__init__.py").write_text(PLUGIN.format(sha256=sha256))
    (package / "net.py").write_text(NET_MODULE)
    command = ("bench", "cosine", "--model", "shipped", "--offline", "--device", "cpu", "--json", "--preset", "quick")
    (record,) = json.loads(zoo(*command).out)
    assert record["status"] == "ok"
    assert (record["model"]["weights"], record["model"]["weights_sha256"]) == ("net.npz", sha256)
    (package / "net.npz").write_bytes(b"damaged")
    shutil.rmtree(cache_dir() / "weights")
    refused = zoo(*command, "--seeds", "2")
    assert refused.code == 2
    assert "net.npz is not the published file: its checksum differs; install the package again" in refused.err
