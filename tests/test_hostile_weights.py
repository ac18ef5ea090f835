"""Weights from anyone: only regular files are read, nothing runs, and memory is bounded by the size of the file."""

from __future__ import annotations

import collections
import io
import json
import os
import pickle
import resource
import struct
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from zoo_core import memory_limit
from zoo_core.errors import WeightsError
from zoo_core.files import open_regular
from zoo_core.weights import MAX_HEADER_BYTES, load_into, read_weights

SPARE_MIB = 256  # that a refusal may take


class Trap:
    """Makes a folder when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("executed",)


class BigBytes:
    """Torch's reader allows `bytearray`: eight gigabytes of zeros."""

    def __reduce__(self) -> tuple[Any, ...]:
        return bytearray, (2**33,)


class Claimed:
    """A tensor over a storage of a million millions of numbers."""

    def __init__(self, numbers: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> None:
        self.numbers, self.shape, self.stride = numbers, shape, stride

    def __reduce__(self) -> tuple[Any, ...]:
        arguments = (Storage(self.numbers), 0, self.shape, self.stride, False, collections.OrderedDict())
        return torch._utils._rebuild_tensor_v2, arguments


class Storage:
    def __init__(self, numbers: int) -> None:
        self.numbers = numbers


class TorchPickler(pickle.Pickler):
    def __init__(self, file: Any, *, legacy: bool) -> None:
        super().__init__(file, protocol=2)
        self.legacy = legacy

    def persistent_id(self, value: Any) -> Any:
        if not isinstance(value, Storage):
            return None
        about = ("storage", torch.FloatStorage, "0", "cpu", value.numbers)
        return (*about, None) if self.legacy else about


def write_zip(path: Path, content: Any, data: bytes = b"\0" * 64, compression: int = zipfile.ZIP_STORED) -> None:
    """Write the format of `torch.save`, with any claims."""
    body = io.BytesIO()
    TorchPickler(body, legacy=False).dump(content)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, part in {
            "data.pkl": body.getvalue(),
            "byteorder": b"little",
            "data/0": data,
            "version": b"3",
        }.items():
            archive.writestr(f"archive/{name}", part)


def write_legacy(path: Path, content: Any) -> None:
    with path.open("wb") as file:
        for part in (torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, {}):
            pickle.dump(part, file, protocol=2)
        TorchPickler(file, legacy=True).dump(content)
        pickle.dump(["0"], file, protocol=2)
        file.write(struct.pack("<q", 16) + b"\0" * 64)


def write_tar(path: Path) -> None:
    import tarfile

    with tarfile.open(path, "w") as archive:
        for name in ("storages", "tensors", "pickle"):
            data = pickle.dumps(Trap())
            about = tarfile.TarInfo(name)
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))


def write_safetensors(path: Path, size: int) -> None:
    head = json.dumps({"w": {"dtype": "F32", "shape": [size], "data_offsets": [0, 4 * size]}}).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + b"\0" * 64)


def write_npz_bomb(path: Path) -> None:
    """Half a gigabyte of zeros in half a megabyte."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("w.npy", "w", force_zip64=True) as part,
    ):
        np.lib.format.write_array_header_1_0(part, {"descr": "|u1", "fortran_order": False, "shape": (2**29,)})
        for _ in range(2**29 // 2**24):
            part.write(bytes(2**24))


def write_npz_claim(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive, archive.open("w.npy", "w") as part:
        np.lib.format.write_array_header_1_0(part, {"descr": "<f4", "fortran_order": False, "shape": (2**38,)})
        part.write(b"\0" * 64)


def write_npz_objects(path: Path) -> None:
    np.savez(path, w=np.array([Trap()], dtype=object))


LARGE = 2**38  # numbers, a terabyte
HOSTILE: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "safetensors that claim a terabyte": ("w.safetensors", lambda path: write_safetensors(path, LARGE)),
    "safetensors with a header of a terabyte": (
        "w.safetensors",
        lambda path: path.write_bytes((2**40).to_bytes(8, "little")),
    ),
    "a deep header": ("w.safetensors", lambda path: path.write_bytes((10**6).to_bytes(8, "little") + b"[" * 10**6)),
    "an npz bomb": ("w.npz", write_npz_bomb),
    "an npz that claims a terabyte": ("w.npz", write_npz_claim),
    "an npz with a pickle": ("w.npz", write_npz_objects),
    "a torch file that claims a terabyte": (
        "w.pt",
        lambda path: write_zip(path, {"w": Claimed(LARGE, (LARGE,), (1,))}),
    ),
    "a torch file that claims more than its part": (
        "w.pt",
        lambda path: write_zip(path, {"w": Claimed(2**20, (2**20,), (1,))}),
    ),
    "a torch file that repeats one number": ("w.pt", lambda path: write_zip(path, {"w": Claimed(1, (LARGE,), (0,))})),
    "a compressed torch file": (
        "w.pt",
        lambda path: write_zip(path, {"w": Claimed(2**24, (2**24,), (1,))}, bytes(2**26), zipfile.ZIP_DEFLATED),
    ),
    "a torch file with many zeros": ("w.pt", lambda path: write_zip(path, {"w": BigBytes()})),
    "a torch file with code": ("w.pt", lambda path: write_zip(path, {"w": Trap()})),
    "an old torch file that claims a terabyte": (
        "w.pth",
        lambda path: write_legacy(path, {"w": Claimed(LARGE, (LARGE,), (1,))}),
    ),
    "an old torch file that claims gigabytes": (
        "w.pth",
        lambda path: write_legacy(path, {"w": Claimed(2**30, (2**30,), (1,))}),
    ),
    "an old torch file that repeats one number": (
        "w.pth",
        lambda path: write_legacy(path, {"w": Claimed(16, (LARGE,), (0,))}),
    ),
    "an old torch file with many zeros": ("w.pth", lambda path: write_legacy(path, {"w": BigBytes()})),
    "an old torch file with code": ("w.pth", lambda path: write_legacy(path, {"w": Trap()})),
    "the oldest torch file with code": ("w.tar", write_tar),
    "a sparse tensor": ("w.pt", lambda path: torch.save({"w": torch.ones(3).to_sparse()}, path)),
    "a tensor without data": ("w.pt", lambda path: torch.save({"w": torch.ones(2**38, device="meta")}, path)),
    "a FIFO": ("w.pt", os.mkfifo),
    "a FIFO of safetensors": ("w.safetensors", os.mkfifo),
    "an endless device": ("w.npz", lambda path: path.symlink_to("/dev/zero")),
    "a folder": ("w.pt", Path.mkdir),
    "a link to itself": ("w.pt", lambda path: path.symlink_to(path)),
}


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_weights_are_one_line_without_code_memory_or_waiting(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name, make = HOSTILE[kind]
    make(tmp_path / name)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(WeightsError) as raised:
        read_weights(tmp_path / name)
    assert str(tmp_path / name) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 600
    assert time.monotonic() - began < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < SPARE_MIB * 1024
    assert not (tmp_path / "executed").exists()


def test_the_limit_of_memory_ends_with_its_block() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with memory_limit.at_most(2**20), pytest.raises(MemoryError):
        bytearray(2**36)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert len(bytearray(2**26)) == 2**26


def test_weights_with_nan_do_not_fit_and_infinite_masks_do() -> None:
    net = nn.Linear(2, 1)
    with pytest.raises(WeightsError, match="weight holds NaN"):
        load_into(net, {"weight": torch.tensor([[0.0, torch.nan]]), "bias": torch.zeros(1)})
    assert not torch.isnan(net.weight).any()
    net.register_buffer("mask", torch.zeros(2))
    load_into(net, {"weight": torch.ones(1, 2), "bias": torch.zeros(1), "mask": torch.tensor([0.0, -torch.inf])})
    assert net.mask[1] == -torch.inf


def test_weights_of_eight_bits_and_zeros_that_compress_well_are_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "zeros.npz", weight=np.zeros((1000, 1000), np.float32))
    assert read_weights(tmp_path / "zeros.npz")["weight"].shape == (1000, 1000)
    net = nn.Linear(2, 1)
    load_into(net, {"weight": torch.ones(1, 2).to(torch.float8_e4m3fn), "bias": torch.zeros(1)})
    assert net.weight.tolist() == [[1.0, 1.0]]


def test_weights_that_were_read_do_not_change_with_the_file(tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(4)}, tmp_path / "w.pt")
    weights = read_weights(tmp_path / "w.pt")
    (tmp_path / "w.pt").write_bytes(b"")
    assert weights["weight"].tolist() == [1.0] * 4


def test_a_link_to_a_regular_file_is_opened_and_other_kinds_of_files_are_not(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"1")
    (tmp_path / "link").symlink_to("real")
    with open_regular(tmp_path / "link") as file:
        assert file.read() == b"1"
    with pytest.raises(OSError, match="is not a regular file"):
        open_regular(Path("/dev/null"))
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)
    assert MAX_HEADER_BYTES > 10**6
