"""Makes records by hand: each names only what its test is about."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from zoo_leaderboard.entries import entry_of
from zoo_leaderboard.index import newest
from zoo_leaderboard.tables import TaskBoard, Versions, task_board

from zoo_core.records import (
    SCHEMA,
    CurvePoint,
    DatasetFacts,
    DeviceFacts,
    Measured,
    ModelFacts,
    Record,
    TaskFacts,
    TimeToTarget,
)
from zoo_core.store import Store


def make_record(
    *,
    score: float | None = 0.9,
    seed: int = 0,
    minute: int = 0,
    status: str = "ok",
    reason: str = "",
    task: str = "zoo-a:digits",
    model: str = "zoo-a:net",
    dataset: str = "zoo-a:digits",
    fingerprint: str = "f" * 32,
    origin: str = "real",
    device: str = "cpu",
    dtype: str = "float32",
    threads: int = 0,
    recipe_class: str = "default",
    recipe: dict[str, Any] | None = None,
    higher_is_better: bool = True,
    task_version: int = 1,
    code: str = "c0de",
    curve: Sequence[tuple[int, float | None, float | None]] = (),
    target: TimeToTarget | None = None,
    train_s: float | None = None,
    command: str = "zoo bench digits",
    **more: Any,
) -> Record:
    """A record; `curve` is (step, train score, val score); `more` sets fields of the parts by `part_field`."""
    recipe = {"lr": 0.1} if recipe is None else recipe
    metric = more.pop("task_metric", "accuracy" if higher_is_better else "mse")
    parts = [task, task_version, dataset, fingerprint, model, code, recipe, seed, device, dtype, threads, recipe_class]
    parts += [metric, more.get("model_version", 1)]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    own = {
        part: {name.removeprefix(f"{part}_"): value for name, value in more.items() if name.startswith(f"{part}_")}
        for part in ("task", "dataset", "model", "measured")
    }
    return Record(
        schema=SCHEMA,
        id=f"{key[:16]}-machine-{minute:04d}",
        key=key,
        status=status,  # type: ignore[arg-type]
        started_at=f"2026-01-02T{minute // 60:02d}:{minute % 60:02d}:00.000000+00:00",
        task=TaskFacts(
            **{
                "name": task,
                "title": "Digits",
                "summary": "Tell digits apart.",
                "version": task_version,
                "kind": "image-classification",
                "kind_version": 1,
                "metric": metric,
                "higher_is_better": higher_is_better,
                "unit": "images",
                **own["task"],
            }
        ),
        dataset=DatasetFacts(
            **{
                "name": dataset,
                "title": "Digits",
                "version": 1,
                "origin": origin,
                "licence": "CC0-1.0",
                "fingerprint": fingerprint,
                **own["dataset"],
            }
        ),
        model=ModelFacts(**{"name": model, "title": "A net", "version": 1, "code_sha256": code, **own["model"]}),
        device=DeviceFacts(kind=device, name="A processor", dtype=dtype, requested_threads=threads),
        seed=seed,
        recipe=recipe,
        recipe_class=recipe_class,  # type: ignore[arg-type]
        budget="length",
        reason=reason,
        curve=[
            CurvePoint(step=step, seconds=float(step), train_score=train, val_score=val) for step, train, val in curve
        ],
        measured=Measured(
            **{
                "scores": {metric: score} if status == "ok" and score is not None else {},
                "time_to_target": target,
                "train_s": train_s,
                **own["measured"],
            }
        ),
        command=command,
    )


def png(side: int = 8) -> bytes:
    """A grey picture, a whole PNG file."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    pixels = zlib.compress(b"".join(b"\0" + b"\x80" * side for _ in range(side)))
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.fixture
def record() -> Callable[..., Record]:
    """The function that makes records."""
    return make_record


def boards_of(records: Sequence[Record]) -> list[TaskBoard]:
    """The boards of records that lie nowhere, by title; a trial's `path` is its id."""
    entries = [entry_of(record, record.id) for record in records]
    versions = Versions(
        tasks=newest((entry.task, entry.task_version) for entry in entries),
        datasets=newest((entry.dataset, entry.dataset_version) for entry in entries),
        models=newest((entry.model, entry.version) for entry in entries),
    )
    tasks = dict.fromkeys(record.task.name for record in records)
    return [task_board([entry for entry in entries if entry.task == task], versions) for task in tasks]


@pytest.fixture
def boards() -> Callable[..., list[TaskBoard]]:
    """The function that makes boards of records."""
    return boards_of


@pytest.fixture
def picture() -> bytes:
    return png()


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def save(results: Path) -> Callable[..., Store]:
    """Stores records in the results folder."""

    def save_all(*records: Record) -> Store:
        store = Store(results)
        for record in records:
            store.save(record)
        return store

    return save_all
