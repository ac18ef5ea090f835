"""Plants hostile records, one kind each: files that are none, values beyond any bound, text that is code somewhere.

`plant(kind, results, honest)` writes one into a results folder. The honest record lends everything that the kind does
not change. A hostile record names another model, so that its row cannot be mistaken for an honest one.
"""

from __future__ import annotations

import io
import json
import os
import socket
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from zoo_core.results.records import Record, encode
from zoo_core.results.store import Store

LONG = 10**7
SPARSE = 2 * 2**30  # bytes of a file without blocks on the disk
HTML = "</script><img src=x onerror=alert(1)>"
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp"
FORMULA = '=cmd|" /C calc"!A0'
NUL = "a\0b"
PATH = "../../../../tmp/outside"
TEMPLATE = "{{ 7 * 7 }}{% raw %}${7*7}"
COMMAND = "`touch outside`; $(touch outside)"

Plain = dict[str, Any]


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": [value]}
    return value


def npz(**arrays: bytes) -> bytes:
    """An archive with these members, which need not be arrays."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in arrays.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy(header: str, content: bytes = b"") -> bytes:
    """A file of numpy with this header, whatever it says."""
    words = header.encode("latin-1")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(words)) + words + content


def header(shape: str, kind: str = "'<f8'") -> str:
    return f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}\n"


def array(value: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, value, allow_pickle=True)
    return buffer.getvalue()


# --- values: each changes the plain form of a record ------------------------------------------------------------------


def put(*path: str, to: Any) -> Callable[[Plain], None]:
    """Set one value, such as `put("task", "title", to=3)`."""

    def change(plain: Plain) -> None:
        *way, last = path
        inside = plain
        for step in way:
            inside = inside[step]
        inside[last] = to

    return change


def tables(columns: list[Any], rows: Any, name: str = "confusion") -> Callable[[Plain], None]:
    return put("measured", "tables", to={name: {"columns": columns, "rows": rows}})


def names(text: str) -> Callable[[Plain], None]:
    """Put a text into every field that holds one and that is no key to another."""

    def change(plain: Plain) -> None:
        for part, fields in {
            "task": ("title", "summary", "unit"),
            "dataset": ("title", "licence", "homepage"),
            "model": ("title", "paper", "pretrained_on", "weights", "weights_option", "flops_unknown_because"),
            "device": ("name",),
        }.items():
            plain[part] |= dict.fromkeys(fields, text)
        plain |= {"reason": text, "traceback": text, "command": f"zoo bench {text}", "recipe": {text: text}}
        plain["environment"] = {"machine": text, "commit": text, text: {text: text}}
        plain["phases"] = [{"name": text, "seconds": 1.0}]
        plain["model"]["name"] = f"zoo-hostile:{text[:100]}"
        plain["measured"]["tables"] = {text: {"columns": [text, "n"], "rows": [[text, 1]]}}
        plain["measured"] |= {"left_out": {text: text}, "pictures": {text: text}, "stopped_because": text}
        plain["task"]["references"] = [{"model": text, "value": 0.5, "source": text, "dataset": text}]

    return change


def curve(points: int) -> Callable[[Plain], None]:
    return put("curve", to=[{"step": n, "seconds": n / 10, "val_score": 0.5 + n / points / 3} for n in range(points)])


BIG = 2**64
VALUES: dict[str, Callable[[Plain], None]] = {
    "steps of 2^64": put("measured", "steps", to=BIG),
    "units of -10^30": put("measured", "units", to=-(10**30)),
    "a seed of 2^64": put("seed", to=BIG),
    "a version of 10^30": put("model", "version", to=10**30),
    "a year of 10^30": put("model", "year", to=10**30),
    "a year of 64 bits": put("model", "year", to=2**63 - 1),
    "a year below zero": put("model", "year", to=-44),
    "a year that is text": put("model", "year", to="2014"),
    "parameters below zero": put("model", "parameters", to=-1),
    "a step of 2^64 in the curve": put("curve", to=[{"step": BIG, "seconds": 1.0, "val_score": 0.5}]),
    "a step below zero in the curve": put("curve", to=[{"step": -5, "seconds": -1.0, "val_score": 0.5}]),
    "a curve that goes back": put(
        "curve",
        to=[{"step": n, "seconds": s, "val_score": v} for n, s, v in ((9, 1, 1e300), (3, 9, -1e300), (3, 2, 0))],
    ),
    "100,000 points in the curve": curve(100_000),
    "a reference of 10^30": put("task", "references", to=[{"model": "x", "value": 10**30, "dataset": "zoo-a:digits"}]),
    "a reference of 10^400": put("task", "references", to=[{"model": "x", "value": 10**400}]),
    "a reference in words": put(
        "task", "references", to=[{"model": 3, "value": "best", "source": ["a"], "dataset": "d"}]
    ),
    "a reference on a list of data": put("task", "references", to=[{"value": 1.0, "dataset": ["a", {"b": 1}]}]),
    "references that are none": put("task", "references", to=["a", 3]),
    "20,000 references": put("task", "references", to=[{"value": n} for n in range(20_000)]),
    "a target of 1e308": put("task", "target", to=1e308),
    "a chance in words": put("task", "chance", to="0.1"),
    "a negative cell in a confusion table": tables(["true", "a", "b"], [["a", -5, 5], ["b", -1e300, 3]]),
    "cells that are no numbers": tables(["true", "a"], [["a", None], ["b", "x"], ["c", True], ["d", [1, {"e": 2}]]]),
    "cells of 10^30": tables(["true", "a"], [["a", 10**30], [10**30, -(10**30)]]),
    "cells of 1e308": tables(["true", "a", "b"], [["a", 1e308, 1e308], ["b", -1e308, 1e308]]),
    "a table with ragged rows": tables(["a", "b"], [[1], [1, 2, 3], []], "per class"),
    "a table without columns": tables([], [[], []]),
    "a table of 50,000 rows": tables(["a", "b"], [[str(n), n] for n in range(50_000)], "long"),
    "a table of nested columns": tables([["a"], "b"], [[1, 2]]),
    "a benchmark without its part": put("source", to="pytest-benchmark"),
    "a part of a benchmark in a trial": put(
        "benchmark",
        to={"name": "x", "what": "inference", "examples": 1, "median_ms": 0.0, "min_ms": -1, "iqr_ms": 1, "rounds": 0}
        | {"iterations": 0, "throughput": 1e300},
    ),
    "a time of the year 0": put("started_at", to="0000-01-01T00:00:00.000000+00:00"),
    "a time of the year 1 before UTC": put("started_at", to="0001-01-01T00:00:00.000000+23:59"),
    "a time of the year 9999": put("started_at", to="9999-12-31T23:59:59.999999-23:59"),
    "a time with an odd offset": put("started_at", to="2026-01-02T00:00:00+13:37"),
    "a time that is none": put("started_at", to="~tomorrow"),
    "a time with a zero byte": put("started_at", to="2026-01-02\0T00:00:00"),
    "a time of megabytes": put("started_at", to="9" * LONG),
    "numbers as text": put("measured", "scores", to={"accuracy": "0.99"}),
    "a score of 1e308": put("measured", "scores", to={"accuracy": 1e308}),
    "a score of -1e308": put("measured", "scores", to={"accuracy": -1e308}),
    "a score of 10^400": put("measured", "scores", to={"accuracy": 10**400}),
    "no score at all": put("measured", "scores", to={}),
    "100,000 scores": put("measured", "scores", to={"accuracy": 0.5} | {f"m{n}": 0.5 for n in range(100_000)}),
    "5,000 scores": put("measured", "scores", to={"accuracy": 0.5} | {f"m{n}": 0.5 for n in range(5000)}),
    "a metric of megabytes": put("task", "metric", to="m" * LONG),
    "a model of megabytes": put("model", "name", to="zoo-hostile:" + "m" * LONG),
    "a title of megabytes": put("task", "title", to="t" * LONG),
    "a reason of megabytes": put("reason", to="r" * LONG),
    "a traceback of megabytes": put("traceback", to="t\n" * (LONG // 2)),
    "a status of megabytes": put("status", to="s" * LONG),
    "a task that is a path": put("task", "name", to=PATH),
    "a task named CON": put("task", "name", to="CON"),
    "a task of dots": put("task", "name", to=".."),
    "a model that is a path": put("model", "name", to=PATH),
    "names with a zero byte": names(NUL),
    "names that are HTML": names(HTML),
    "names that are templates": names(TEMPLATE),
    "names that are formulas": names(FORMULA),
    "names with terminal escapes": names(ESCAPES),
    "names that are commands": names(COMMAND),
    "names that are paths": names(PATH),
    "names without text": names(""),
    "names with line ends": names("a\r\nb\n\n"),
    "an environment of odd types": put(
        "environment",
        to={"machine": ["a", {"b": None}], "commit": 3, "plugins": 7, "packages": [[]], "cpu": {"": [[]]}},
    ),
    "an environment that is a list": put("environment", to=["a"]),
    "an environment nested 500 deep": put("environment", to=nested(250)),
    "an environment of 100,000 values": put("environment", to={f"k{n}": n for n in range(100_000)}),
    "a recipe with 10^30": put("recipe", to={"lr": 10**30, "widths": [10**30, {"a": -(10**30)}]}),
    "a recipe of odd types": put("recipe", to={"": None, "lr": [[]], "a": {"b": {}}, "c": True, "d": 1e308}),
    "a recipe that is text": put("recipe", to="lr=1"),
    "a budget of 1e308 s": put("budget_s", to=1e308),
    "a budget below zero": put("budget_s", to=-5.0),
    "threads below zero": put("device", to={"kind": "cpu", "threads": -7, "requested_threads": -(2**63), "index": -1}),
    "times that cannot be": put(
        "measured", "latency", to={"median_ms": -1.0, "p95_ms": 1e308, "n": -3, "wall_s": -1.0, "cpu_s": 1e308}
    ),
    "a load of nothing": put("measured", "load", to={"cpu_s": -1e308, "wall_s": 0.0, "trials_beside": -(2**63)}),
    "a wall time of 1e308": put("wall_s", to=1e308),
    "phases below zero": put("phases", to=[{"name": "train", "seconds": -1e308}] * 3),
    "100,000 phases": put("phases", to=[{"name": "train", "seconds": 1.0}] * 100_000),
    "pictures that are paths": put(
        "measured", "pictures", to={"a": "../../../etc/passwd", "b": "/dev/zero", "c": ".."}
    ),
    "5,000 pictures": put("measured", "pictures", to={f"p{n}": f"picture-{n}.png" for n in range(5000)}),
    "results by example at a path": put("measured", "per_example", to="../../../../dev/zero"),
    "another direction of the metric": put("task", "higher_is_better", to=False),
    "examples below zero": put("dataset", "examples", to={"train": -(2**63), "": 0}),
    "5,000 reasons of left out files": put(
        "dataset", "left_out", to=[{"reason": "r" * 99, "count": -1, "example": PATH}] * 5000
    ),
    "code under the name of a version": put("other_code", to={"model version": "7", "model": "x", "": ""}),
    "a schema of 2^70": put("schema", to=2**70),
    "a schema below zero": put("schema", to=-5),
    "a device class of odd characters": put("device", "kind", to=f"{NUL}{HTML}/.."),
    "fields of null": put("task", to=None),
    "a field of 1e400": put("wall_s", to="1e400"),
    "unknown fields of any size": put("energy", to=["x" * 1000] * 1000),
}

# --- bytes: each changes the file's content ---------------------------------------------------------------------------

BYTES: dict[str, Callable[[bytes], bytes]] = {
    "an empty file": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
    "half a file": lambda content: content[: len(content) // 2],
    "a file and more": lambda content: content + content,
    "noise": lambda content: np.random.default_rng(0).bytes(5000),
    "a list": lambda content: b"[" + content + b"]",
    "brackets without end": lambda content: b"[" * 200_000,
    "objects without end": lambda content: content.replace(
        b'"environment": {', b'"environment": {' + b'"a":{' * 200_000
    ),
    "NaN": lambda content: content.replace(b'"seed": 0', b'"seed": NaN'),
    "Infinity": lambda content: content.replace(b'"wall_s": null', b'"wall_s": -Infinity'),
    "a number of 1e400": lambda content: content.replace(b'"wall_s": null', b'"wall_s": 1e400'),
    "keys twice": lambda content: content.replace(b'"seed": 0', b'"seed": 0, "seed": 5, "id": "../../x"'),
    "lone surrogates": lambda content: content.replace(b'"reason": "', b'"reason": "\\udc00\\ud800'),
    "text that is not UTF-8": lambda content: content.replace(b'"reason": "', b'"reason": "\xff\xfe'),
    "UTF-16": lambda content: content.decode().encode("utf-16"),
    "a mark of the byte order": lambda content: b"\xef\xbb\xbf" + content,
    "a pickle": lambda content: b"cos\nsystem\n(S'touch outside'\ntR.",
    "a page": lambda content: HTML.encode(),
}

# --- files: each writes what is no file, or one that is not what its name says ----------------------------------------


def _pipe(path: Path, content: bytes) -> None:
    os.mkfifo(path)


def _link(target: str) -> Callable[[Path, bytes], None]:
    return lambda path, content: path.symlink_to(target)


def _link_to_itself(path: Path, content: bytes) -> None:
    path.symlink_to(path.name)


def _folder(path: Path, content: bytes) -> None:
    (path / "inside").mkdir(parents=True)


def _sparse(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.truncate(SPARSE)


def _socket(path: Path, content: bytes) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
    finally:
        os.chdir(here)


def _named(name: bytes) -> Callable[[Path, bytes], None]:
    def write(path: Path, content: bytes) -> None:
        Path(os.fsdecode(os.fsencode(path.parent) + b"/" + name)).write_bytes(content)

    return write


def _no_permission(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0)


FILES: dict[str, Callable[[Path, bytes], None]] = {
    "a pipe": _pipe,
    "a socket": _socket,
    "a link to an endless device": _link("/dev/zero"),
    "a link to a terminal": _link("/dev/tty"),
    "a link to nothing": _link("/nonexistent/record.json"),
    "a link to itself": _link_to_itself,
    "a link to a folder": _link("/"),
    "a link to a file of the system": _link("/proc/self/mem"),
    "a folder": _folder,
    "a file of 2 GiB": _sparse,
    "a file without permission": _no_permission,
    "a name that is not UTF-8": _named(b"\xff\xfe-machine-0.json"),
    "a name with terminal escapes": _named(b"\x1b[2J\n\x07.json"),
    "a name of another record": _named(b"0123456789abcdef-machine-0007.json"),
    "a name that is an option": _named(b"--help.json"),
}

# --- artifacts: an honest record with odd results by example, pictures or log -----------------------------------------

EXAMPLES: dict[str, bytes] = {
    "an npy of 10^30 rows": npz(score=npy(header(f"({10**30},)"))),
    "an npy of 8 TB": npz(score=npy(header(f"({10**12},)"))),
    "an npy of rows below zero": npz(score=npy(header("(-1,)"), b"\0" * 80)),
    "an npy without a shape": npz(score=npy("{'descr': '<f8'}\n")),
    "an npy with a header of code": npz(score=npy("__import__('os').system('touch outside')\n")),
    "an npy with brackets": npz(score=npy("(" * 5000 + "\n")),
    "an npy with half a header": npz(score=npy("{'descr': '<f8', 'shape': (\n")),
    "an npy of nothing known": npz(score=npy(header("(2,)", "[('a', '<f8'), ('a', [])]"), b"\0" * 99)),
    "an npy of an empty type": npz(score=npy(header("(2,)", "()"))),
    "an npy of a huge type": npz(score=npy(header("(2,)", "'V2147483647'"))),
    "an npy of objects": npz(score=array(np.array([{"a": 1}, None], dtype=object))),
    "an npy of times": npz(score=array(np.array(["2026-01-01"] * 2, dtype="datetime64[D]"))),
    "an npy of complex numbers": npz(score=array(np.array([0.9 + 1j, 0.9 - 1j]))),
    "an npy of text": npz(score=array(np.array(["0.9", "0.9"]))),
    "an npy of one number": npz(score=array(np.float64(0.9))),
    "an npy of nan": npz(score=array(np.array([np.nan, 0.9]))),
    "groups of another length": npz(score=array(np.full(4, 0.9)), group=array(np.arange(9))),
    "groups of fractions": npz(score=array(np.full(4, 0.9)), group=array(np.array([0.5, np.nan, np.inf, 1]))),
    "groups of 2^63": npz(score=array(np.full(4, 0.9)), group=array(np.full(4, 2**63 + 5, dtype=np.uint64))),
    "an archive of zeros": npz(score=bytes(2**27)),
    "an archive with a path": npz(**{"../../outside": b"x", "score": b""}),
    "an npz that is none": b"PK\x03\x04" + b"\0" * 500,
    "an npy in place of an npz": array(np.full(4, 0.9)),
    "a pickle in place of an npz": b"cos\nsystem\n(S'touch outside'\ntR.",
}


def _example(content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / "per_example.npz").write_bytes(content) and None


def _picture(folder: Path) -> None:
    os.mkfifo(folder / "picture.png")


def _pipe_for_examples(folder: Path) -> None:
    os.mkfifo(folder / "per_example.npz")


def _pipe_for_log(folder: Path) -> None:
    os.mkfifo(folder / "log.txt")


def _long_log(folder: Path) -> None:
    _sparse(folder / "log.txt", b"")


def _page_as_picture(folder: Path) -> None:
    (folder / "picture.png").write_text(HTML)


ARTIFACTS: dict[str, Callable[[Path], None]] = {
    **{name: _example(content) for name, content in EXAMPLES.items()},
    "a pipe for results by example": _pipe_for_examples,
    "a pipe for a picture": _picture,
    "a page for a picture": _page_as_picture,
    "a pipe for a log": _pipe_for_log,
    "a log of 2 GiB": _long_log,
}

# --- neighbours: what lies beside the records -------------------------------------------------------------------------


def _note(path: str, content: bytes | None) -> Callable[[Path, Record], None]:
    """Write a file below the results folder; None stands for a pipe."""

    def write(results: Path, honest: Record) -> None:
        place = results / path.format(task=Store(results).task_folder(honest.task.name).name, id=honest.id)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)  # writing to a pipe would wait for a reader
        if content is None:
            os.mkfifo(place)
        else:
            place.write_bytes(content)

    return write


def _same_id_elsewhere(results: Path, honest: Record) -> None:
    """Another record under the id of an honest one, in a folder of its own."""
    plain = json.loads(encode(honest))
    plain["measured"]["scores"] = {honest.task.metric: 0.999}
    for folder in ("0-first", "zz-last"):
        (results / folder).mkdir(exist_ok=True)
        (results / folder / f"{honest.id}.json").write_text(json.dumps(plain))


def _same_id_on_another_task(results: Path, honest: Record) -> None:
    plain = json.loads(encode(honest))
    plain["task"]["name"] = "zoo-hostile:twin"
    (results / "zoo-hostile--twin").mkdir(exist_ok=True)
    (results / "zoo-hostile--twin" / f"{honest.id}.json").write_text(json.dumps(plain))


LATER = b'{"task":"t","dataset":"d","model":"m","code_sha256":"c","asked_at":"9999-12-31T23:59:59-23:59"}'
NEIGHBOURS: dict[str, Callable[[Path, Record], None]] = {
    "the id of an honest record elsewhere": _same_id_elsewhere,
    "the id of an honest record on another task": _same_id_on_another_task,
    "a pipe for a note on current code": _note("{task}/current/pipe.json", None),
    "a note on current code of the year 9999": _note("{task}/current/late.json", LATER),
    "a note on current code without end": _note("{task}/current/deep.json", b"[" * 200_000),
    "a pipe for the notes on conformance": _note("conformance.json", None),
    "notes on conformance without end": _note("conformance.json", b'{"a":' * 200_000),
    "a pipe for a note of zoo verify": _note("{task}/verified/{id}.json", None),
    "a note of zoo verify on another record": _note(
        "{task}/verified/x.json", b'{"record":"y","verified_at":"2026-01-01"}'
    ),
    "a pipe in the results folder": _note("pipe", None),
    "a pipe among the records": _note("{task}/.hidden.json", None),
}

KINDS = (*VALUES, *BYTES, *FILES, *ARTIFACTS, *NEIGHBOURS)


def plant(kind: str, results: Path, honest: Record) -> None:
    """Write one hostile record, or what its kind writes in place of one, into the results folder."""
    if kind in NEIGHBOURS:
        NEIGHBOURS[kind](results, honest)
        return
    number = KINDS.index(kind)
    plain = json.loads(encode(honest))
    plain["id"] = f"{honest.key[:16]}-hostile-{number:04d}"  # `zoo bench` looks for records of a key by their names
    plain["model"]["name"] = f"zoo-hostile:kind-{number}"
    if kind in ARTIFACTS:
        plain["measured"] |= {"per_example": "per_example.npz", "pictures": {"a picture": "picture.png"}}
    if kind in VALUES:
        VALUES[kind](plain)
    content = json.dumps(plain).encode()
    if kind in BYTES:
        spaced = json.dumps(plain, separators=(", ", ": ")).encode()
        content = BYTES[kind](spaced)
    folder = Store(results).task_folder(honest.task.name)
    if kind in VALUES and isinstance(plain["task"], dict):
        folder = Store(results).task_folder(plain["task"]["name"])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{plain['id']}.json"
    (FILES.get(kind) or Path.write_bytes)(path, content)
    if kind in ARTIFACTS:
        path.with_suffix("").mkdir()
        ARTIFACTS[kind](path.with_suffix(""))
