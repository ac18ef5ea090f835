"""Targets: every parser of files of data and weights, in the core and in the plugins."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save as as_safetensors
from zoo_cifar10.data import read_batch
from zoo_pose.data import read_any
from zoo_pose.formats import read_msr, read_ntu, read_openpifpaf
from zoo_traffic_signs.data import annotated_files, read_table
from zoo_unet.data import read_split_file
from zoo_unet.masks import image_size, read_mask

from zoo_core import hub
from zoo_core.cached import CONTENTS, find_problem, with_checksum
from zoo_core.data import archives
from zoo_core.data.idx import read_idx
from zoo_core.data.images import read_image
from zoo_core.recipe import as_param, parse
from zoo_core.specs import Download
from zoo_core.ui.parsing import parse_duration, parse_seeds, parse_settings
from zoo_core.weights import read_weights

Seeds = list[bytes]
CHANCE = np.random.default_rng(0)
torch.set_num_threads(1)


def named(parse: Callable[[Path], Any], name: str) -> Callable[[Path], Any]:
    """Give the file a name that the parser goes by."""
    return lambda path: parse(path.rename(path.with_name(name)))


# Arrays


def idx(*shape: int) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + bytes(int(np.prod(shape)))


PIXELS, LABELS = CHANCE.integers(0, 256, (2, 3072), np.uint8), [3, 7]
RECORDS = b"".join(bytes([label]) + row.tobytes() for label, row in zip(LABELS, PIXELS, strict=True))


def batches() -> Seeds:
    whole = {b"data": PIXELS, b"labels": LABELS, b"batch_label": b"training batch 1 of 5", b"filenames": [b"a.png"] * 2}
    short = {"data": PIXELS[:1], "labels": np.array(LABELS[:1])}
    return [pickle.dumps(batch, protocol) for batch in (whole, short) for protocol in (0, 2, 4)]


# Pictures


def picture(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    size = {"RGB": (9, 7, 3), "RGBA": (9, 7, 4)}.get(mode, (9, 7))
    array = CHANCE.integers(0, 3 if mode == "P" else 256, size, np.uint8)
    made = Image.fromarray(array, "L" if mode == "P" else mode)
    if mode == "P":
        made.putpalette([0, 0, 0, 255, 255, 255, 9, 9, 9])
    file = io.BytesIO()
    made.save(file, kind, **options)
    return file.getvalue()


EXIF = Image.Exif()
EXIF[0x0112] = 6
PICTURES: dict[str, Seeds] = {
    "png": [picture("PNG"), picture("PNG", "RGBA"), picture("PNG", "P"), picture("PNG", "L", exif=EXIF.tobytes())],
    "jpeg": [picture("JPEG"), picture("JPEG", "L", progressive=True), picture("JPEG", exif=EXIF.tobytes())],
    "gif": [picture("GIF"), picture("GIF", "P")],
    "bmp": [picture("BMP"), picture("BMP", "L")],
    "tiff": [picture("TIFF", compression=name) for name in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits")],
    "webp": [picture("WEBP"), picture("WEBP", lossless=True)],
    "ppm": [picture("PPM"), b"P2 3 2 255\n0 1 2\n3 4 5\n", b"P3 1 1 255 1 2 3", b"P1 2 2 1 0 0 1"],
}


# Archives

FILES = {"train/a.bin": b"first" * 50, "train/b.bin": b"second", "labels.csv": b"x,y\n", ".hidden": b"1"}


def zipped(**options: Any) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
        archive.writestr("лайка.txt", b"1")
    return file.getvalue()


def tarred(kind: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=kind) as archive:
        for name, content in {**FILES, "a/" * 20 + "a" * 90: b"1", "é.txt": b"2"}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def unpack(path: Path) -> None:
    if archives.is_archive(path):
        archives.extract(path, path.with_name("out"))


TARS = [tarred(kind) for kind in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT)]


# Weights


def weights() -> dict[str, Seeds]:
    state = {"layer.weight": torch.arange(6.0).reshape(2, 3), "layer.bias": torch.zeros(2, dtype=torch.float16)}
    torch_file, old, arrays, packed = (io.BytesIO() for _ in range(4))
    torch.save(state, torch_file)
    torch.save({"state_dict": state}, old, _use_new_zipfile_serialization=False)
    np.savez(arrays, **{name: tensor.numpy() for name, tensor in state.items()})
    np.savez_compressed(packed, a=np.zeros((50, 50), order="F"), b=np.arange(3))
    odd = (
        b"\x93NUMPY\x01\x00\x76\x00{'descr': '|O', 'fortran_order': True, 'shape': (-1, 99999999999), }".ljust(128)
        + b"\n"
    )
    hostile = io.BytesIO()
    with zipfile.ZipFile(hostile, "w") as archive:
        archive.writestr("a.npy", odd)
    return {
        "safetensors": [as_safetensors(state), as_safetensors(state, metadata={"zoo": '{"schema": 1}'})],
        "pt": [torch_file.getvalue(), old.getvalue()],
        "npz": [arrays.getvalue(), packed.getvalue(), hostile.getvalue()],
    }


# Tables and texts

TABLE = [
    b"Filename;Width;Roi.X1;ClassId\n00000.ppm;53;5;16\n00001.ppm;42;5;1\n",
    'filename,class_number\n"a,b.png",3\né.png,4\n'.encode(),
    "Filename\tClassId\n1.ppm\t3\n".encode("utf-16"),
]
MSR = ["\n".join(f"{x / 7:.4f} {x} 3.5 1.0" for x in range(frames * 20)).encode() for frames in (2, 3)]
JOINT = "0.1 0.2 3.1 1 2 3 4 0 0 0 1 2"
BODY = "72057594037931101 0 1 1 1 1 0 0.02 -0.1 2\n25\n" + "\n".join([JOINT] * 25)
NTU = [f"2\n1\n{BODY}\n1\n{BODY}\n".encode(), f"3\n2\n{BODY}\n{BODY.replace('101', '102')}\n0\n1\n{BODY}\n".encode()]
PERSON = {"keypoints": [float(n) for n in range(51)], "bbox": [1, 2, 3, 4], "score": 0.9, "category_id": 1}
LINES = "\n".join(json.dumps({"frame": frame, "predictions": [PERSON]}) for frame in (1, 2, 3))
PIFPAF = [
    LINES.encode(),
    json.dumps([[PERSON], [], [PERSON, PERSON]]).encode(),
    json.dumps([{**PERSON, "image_id": number} for number in (1, 2, 2)]).encode(),
    json.dumps({"annotations": [{**PERSON, "image_id": f"a{number}.jpg"} for number in (1, 10)]}).encode(),
]


def annotations(path: Path) -> None:
    (path.parent / "pictures").mkdir()
    for name in ("00000.ppm", "00001.ppm"):
        (path.parent / "pictures" / name).touch()
    annotated_files(path, path.parent / "pictures")


def split_file(path: Path) -> None:
    (path.parent / "train").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("L", (2, 2)).save(path.parent / "train" / name)
    read_split_file(path)


def pifpaf_folder(path: Path) -> None:
    (path.parent / "video").mkdir()
    path.rename(path.parent / "video" / "1.json")
    read_openpifpaf(path.parent / "video")


# The zoo's own small files


def pin(path: Path) -> None:
    path.with_name("w.bin").touch()
    path.rename(path.with_name("w.bin.pin.json"))
    hub.read_pin(Download(name="w.bin", urls=("https://example.org/w",)), path.parent)


def contents(path: Path) -> None:
    (path.parent / "kept").mkdir()
    (path.parent / "kept" / "a.npy").write_bytes(b"1")
    path.rename(path.parent / "kept" / CONTENTS)
    find_problem(path.parent / "kept")


LISTED = json.dumps({"a.npy": [1, "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"]}).encode()
DEFAULTS = (True, 3, 0.1, "a", [1, 2], {"a": 1}, None)


def texts(path: Path) -> None:
    """Each line is one option of the command line, as a shell gives it."""
    for line in path.read_bytes().decode("utf-8", "surrogateescape").splitlines():
        for parser in (parse_seeds, lambda text: parse_duration("--budget", text)):
            with_errors(parser, line)
        with_errors(lambda text: parse_settings([text]), line)
        for default in DEFAULTS:
            with_errors(lambda text, default=default: parse("key", as_param(default), text), line)


def with_errors(parser: Callable[[str], Any], text: str) -> None:
    from zoo_core.errors import ZooError

    try:
        parser(text)
    except ZooError:
        return


SETTINGS = (
    b"lr=0.1\nsteps=100\nhidden=512,256\nflip=true\n3\n0,3,7\n7,\n1.5h\n60s\n[1, [2, 3]]\n" + b'{"a": {"b": 1e5}}\n'
)

with warnings.catch_warnings(action="ignore"):
    WEIGHTS = weights()
    TARGETS: dict[str, tuple[Callable[[Path], Any], Seeds]] = {
        "idx": (read_idx, [idx(3), idx(2, 4, 4), idx(2, 3)]),
        "idx, packed": (
            named(read_idx, "a.gz"),
            [gzip.compress(idx(2, 4, 4), mtime=0), gzip.compress(idx(3), mtime=0)],
        ),
        "CIFAR, binary": (named(read_batch, "test_batch.bin"), [RECORDS, RECORDS[:3073]]),
        "CIFAR, pickle": (read_batch, batches()),
        **{f"picture, {kind}": (read_image, seeds) for kind, seeds in PICTURES.items()},
        "size of a picture": (image_size, [seed for seeds in PICTURES.values() for seed in seeds]),
        "mask": (lambda path: read_mask(path, (9, 7)), [picture("PNG", "L"), picture("PNG", "P"), picture("BMP", "P")]),
        "zip": (unpack, [zipped(), zipped(compression=zipfile.ZIP_DEFLATED), zipped(compression=zipfile.ZIP_LZMA)]),
        "tar": (unpack, TARS),
        "tar.gz": (named(unpack, "a.tar.gz"), [gzip.compress(tar, mtime=0) for tar in TARS]),
        "tar.bz2": (named(unpack, "a.tar.bz2"), [bz2.compress(TARS[0])]),
        "tar.xz": (named(unpack, "a.tar.xz"), [lzma.compress(TARS[0], preset=0)]),
        **{f"weights, {kind}": (named(read_weights, f"a.{kind}"), seeds) for kind, seeds in WEIGHTS.items()},
        "table": (lambda path: read_table(path, ("filename", "class_number"), "it needs a header"), TABLE),
        "table of test pictures": (annotations, TABLE),
        "split file": (split_file, [b"train/a.png train/b.png\n", b"/SegNet/CamVid/train/a.png,train\\b.png\n"]),
        "MSR skeletons": (read_msr, MSR),
        "NTU skeletons": (read_ntu, NTU),
        "OpenPifPaf": (read_openpifpaf, PIFPAF),
        "OpenPifPaf, a folder": (pifpaf_folder, [json.dumps([PERSON]).encode()]),
        "skeletons to predict": (named(read_any, "a.json"), PIFPAF),
        "pin of a download": (pin, [b'{"asked": "https://example.org/w", "url": "", "sha256": ""}']),
        "list of a cached folder": (contents, [with_checksum(LISTED), LISTED]),
        "options of the command line": (texts, [SETTINGS]),
    }
