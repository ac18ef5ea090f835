"""Fuzz targets: what reads records, benchmarks, notes, results by example, and the caches of the leaderboard.

`TARGETS` maps the name of each target to its parser, which takes a file's path, and to seed inputs. A parser raises
ZooError for a file that is none, or returns.
"""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from zoo_leaderboard.board.tables import Versions, task_board
from zoo_leaderboard.records import cachefile
from zoo_leaderboard.records.conformance import read_conformance
from zoo_leaderboard.records.index import CachedFile, Head
from zoo_leaderboard.records.samples import read_examples
from zoo_leaderboard.records.trials import TrialSummary, summarise_trial
from zoo_leaderboard.site.summary import STATE, SiteState

from zoo_core.files import read_regular
from zoo_core.results.benchmarks import Note, read_benchmarks
from zoo_core.results.bounds import MAX_RECORD_BYTES
from zoo_core.results.current import CurrentCode, read_current
from zoo_core.results.records import (
    SCHEMA,
    CurvePoint,
    DatasetFacts,
    DeviceFacts,
    Latency,
    Load,
    Measured,
    ModelFacts,
    PhaseFacts,
    Record,
    TableFacts,
    TaskFacts,
    TimeToTarget,
    decode,
    encode,
)
from zoo_core.results.store import CONFORMANCE, Store
from zoo_core.results.verified import merge_verified

Target = tuple[Callable[[Path], None], list[bytes]]

TASK = TaskFacts(
    name="zoo-x:t",
    title="T",
    summary="",
    version=1,
    kind="regression",
    kind_version=1,
    metric="mse",
    higher_is_better=False,
    unit="examples",
    target=0.5,
    references=[{"model": "a", "value": 0.5, "source": "https://example.org", "dataset": "zoo-x:d"}],
)
DATASET = DatasetFacts(name="zoo-x:d", title="D", version=1, origin="exact", licence="", fingerprint="f" * 32)
MODEL = ModelFacts(name="zoo-x:m", title="M", version=1, code_sha256="c" * 64, parameters=5, trainable_parameters=5)
RECORD = Record(
    schema=SCHEMA,
    id="0123456789abcdef-machine-20260101000000000000",
    key="0123456789abcdef" * 4,
    status="ok",
    started_at="2026-01-01T00:00:00.000000+00:00",
    task=TASK,
    dataset=DATASET,
    model=MODEL,
    device=DeviceFacts(kind="cpu", threads=1),
    seed=0,
    recipe={"lr": 0.1, "widths": [64, 64]},
    recipe_class="default",
    budget="time",
    budget_s=60.0,
    curve=[CurvePoint(step=10, seconds=0.5, epoch=1.0, train_loss=0.4, val_score=0.3)],
    phases=[PhaseFacts(name="train", seconds=0.5)],
    measured=Measured(
        scores={"mse": 0.25},
        tables={"confusion": TableFacts(columns=["true", "a"], rows=[["a", 5], ["b", 1]])},
        time_to_target=TimeToTarget(status="met", seconds=0.25),
        train_s=0.5,
        latency=Latency(median_ms=0.1, p95_ms=0.2, n=100, wall_s=1.0, cpu_s=0.9),
        load=Load(cpu_s=0.5, wall_s=0.5, involuntary_switches=3),
        per_example="per_example.npz",
    ),
    other_code={"task": "a", "dataset": "b"},
    environment={"python": "3.11", "machine": "0123abcd"},
)
NOTE = Note(
    what="inference",
    examples=8,
    task=TASK,
    dataset=DATASET,
    model=MODEL,
    device=DeviceFacts(kind="cpu"),
    recipe={"batch_size": 8},
    environment={"machine": "0123abcd"},
).as_json()
BENCHMARKS = {
    "datetime": "2026-03-01T12:30:00.250000+01:00",
    "benchmarks": [
        {
            "fullname": "test_net.py::test_inference",
            "stats": {"median": 0.004, "min": 0.003, "iqr": 0.0005, "rounds": 70, "iterations": 2},
            "extra_info": {"zoo": NOTE},
        }
    ],
}
CURRENT = CurrentCode(
    task="zoo-x:t", dataset="zoo-x:d", model="zoo-x:m", code_sha256="c", asked_at="2026-01-01T00:00:00+00:00"
)
TRIAL = summarise_trial(RECORD, "results/zoo-x--t/0123456789abcdef-machine-20260101000000000000.json")
NO_VERSIONS = Versions(tasks={}, datasets={}, models={})
RECORDS_A_BOARD = 5
last_trials: list[TrialSummary] = []  # those that no table has had yet


def record(path: Path) -> None:
    """Read a record, as the board and the commands do; make a table of the last five at every fifth.

    A table of each alone would take 0.04 s, nearly all of it in pandas.
    """
    found = decode(read_regular(path, MAX_RECORD_BYTES))
    assert decode(encode(found)) == found
    summary = summarise_trial(found, str(path))
    last_trials.append(msgspec.structs.replace(summary, id=f"{len(last_trials)} {summary.id}"))  # a board drops copies
    if len(last_trials) == RECORDS_A_BOARD:
        together = [*last_trials]
        last_trials.clear()
        task_board(together, NO_VERSIONS)


def benchmarks(path: Path) -> None:
    for found in read_benchmarks(read_regular(path, MAX_RECORD_BYTES)).records:
        assert decode(encode(found)) == found


def _beside(path: Path, name: str) -> Path:
    """Copy the input to where a reader looks for it; returns the folder, which is removed with the input's."""
    folder = Path(tempfile.mkdtemp(dir=path.parent))
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, folder / name)
    return folder


def conformance(path: Path) -> None:
    folder = _beside(path, CONFORMANCE)
    read_conformance([folder])
    shutil.rmtree(folder)


def current(path: Path) -> None:
    folder = _beside(path, "current/note.json")
    list(read_current(folder))
    shutil.rmtree(folder)


def verified(path: Path) -> None:
    folder = _beside(path, f"zoo-x--t/verified/{RECORD.id}.json")
    merge_verified(Store(folder), Store(folder / "into"))
    shutil.rmtree(folder)


def examples(path: Path) -> None:
    folder = _beside(path, f"{RECORD.id}/per_example.npz")
    read_examples(msgspec.structs.replace(TRIAL, path=str(folder / f"{RECORD.id}.json")))
    shutil.rmtree(folder)


def index_cache(path: Path) -> None:
    cachefile.read_cached(path, list[CachedFile], "code")
    cachefile.read_cached(path, Head, "code")


def site_cache(path: Path) -> None:
    cachefile.read_cached(path, SiteState, STATE)


def _sealed(value: object, code: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        cachefile.write_cached(Path(folder) / "cache", value, code)
        return (Path(folder) / "cache").read_bytes()


def _npz(**arrays: np.ndarray) -> bytes:  # type: ignore[type-arg]
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _plain(value: object) -> bytes:
    return json.dumps(value).encode()


CONFORMANCE_NOTES = {"zoo-x": {"level": "full", "version": "1.0", "counts": {"passed": 9}}}
VERIFIED = {"record": RECORD.id, "verified_at": "2026-01-01T00:00:00+00:00", "same": True, "differs": []}
FILES = [CachedFile("a.json", 5, 7, TRIAL), CachedFile("b.json", 5, 7, None, "not a record")]

TARGETS: dict[str, Target] = {
    "record": (record, [encode(RECORD), msgspec.json.encode(RECORD)]),
    "benchmarks": (benchmarks, [_plain(BENCHMARKS)]),
    "conformance notes": (conformance, [_plain(CONFORMANCE_NOTES)]),
    "current notes": (current, [msgspec.json.encode(CURRENT)]),
    "verified notes": (verified, [_plain(VERIFIED)]),
    "results by example": (
        examples,
        [_npz(score=np.full(8, 0.25), group=np.arange(8) % 3), _npz(score=np.full(4, 0.25), truth=np.zeros(4))],
    ),
    "index cache": (index_cache, [_sealed(FILES, "code")]),
    "site cache": (site_cache, [_sealed(SiteState(changes=["a"], since="b"), STATE)]),
}
