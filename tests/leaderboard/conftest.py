"""Makes records by hand: each names only what its test is about."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import numpy as np
import pytest
from zoo_leaderboard.board.tables import TaskBoard, Versions, task_board
from zoo_leaderboard.records.index import newest_versions
from zoo_leaderboard.records.trials import summarise_trial
from zoo_leaderboard.site.build import build_site

from zoo_core.results.records import (
    SCHEMA,
    BenchmarkFacts,
    CurvePoint,
    DatasetFacts,
    DeviceFacts,
    Latency,
    Load,
    Measured,
    ModelFacts,
    Record,
    TaskFacts,
    TimeToTarget,
)
from zoo_core.results.store import Store


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
    started: str = "",
    environment_machine: str = "",
    other_code: dict[str, str] | None = None,
    **more: Any,
) -> Record:
    """A record; `curve` is (step, train score, val score); `more` sets fields of the parts by `part_field`."""
    recipe = {"lr": 0.1} if recipe is None else recipe
    metric = more.pop("task_metric", "accuracy" if higher_is_better else "mse")
    parts = [task, task_version, dataset, fingerprint, model, code, recipe, seed, device, dtype, threads, recipe_class]
    parts += [metric, more.get("model_version", 1), *(other_code or {}).values()]
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
        started_at=started or f"2026-01-02T{minute // 60:02d}:{minute % 60:02d}:00.000000+00:00",
        environment={"machine": environment_machine} if environment_machine else {},
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
        other_code=other_code or {},
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


def boards_of(records: Sequence[Record], folder: Path | None = None) -> list[TaskBoard]:
    """The boards of records, by title. They lie in `folder`, or nowhere: a trial's `path` is then its id."""
    paths = [record.id if folder is None else str(folder / f"{record.id}.json") for record in records]
    trials = [summarise_trial(record, path) for record, path in zip(records, paths, strict=True)]
    versions = Versions(
        tasks=newest_versions((trial.task, trial.task_version) for trial in trials),
        datasets=newest_versions((trial.dataset, trial.dataset_version) for trial in trials),
        models=newest_versions((trial.model, trial.model_version) for trial in trials),
    )
    tasks = dict.fromkeys(record.task.name for record in records)
    return [task_board([trial for trial in trials if trial.task == task], versions) for task in tasks]


@pytest.fixture
def boards() -> Callable[..., list[TaskBoard]]:
    """The function that makes boards of records."""
    return boards_of


@pytest.fixture(scope="session")
def benchmark_facts() -> BenchmarkFacts:
    """What pytest-benchmark measured of some model."""
    return BenchmarkFacts(
        name="test_net.py::test_speed",
        what="inference",
        examples=32,
        median_ms=1.5,
        min_ms=1.4,
        iqr_ms=0.1,
        rounds=9,
        iterations=1,
        throughput=21_333.0,
    )


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


# --- a board with planted truths: 10 tasks x 12 models x 5 seeds x 2 devices ------------------------------------------

HOSTILE_NAMES = (
    "<script>alert(1)</script>",
    "'\"><img src=x onerror=alert(1)>",
    "{{7*7}}{% raw %}",
    "../../x",
    "..\\..\\x",
    "\u202e\u2066gnp.exe\u200f",
    "long" * 2500,
)
TIE, WINNER, FAILED, STALE_MODEL, STALE_TASK, ONE_SEED, DISTURBED, TARGET, NO_VAL, NAMES = (
    *("zoo-p:tie", "zoo-p:winner", "zoo-p:failed", "zoo-p:stale-model", "zoo-p:stale-task"),
    *("zoo-p:one-seed", "zoo-p:disturbed", "zoo-p:target", "zoo-p:no-val", HOSTILE_NAMES[0]),
)
PLANTED_TASKS = (TIE, WINNER, FAILED, STALE_MODEL, STALE_TASK, ONE_SEED, DISTURBED, TARGET, NO_VAL, NAMES)
NOISE = (-0.004, -0.002, 0.0, 0.002, 0.004)  # of the seeds: their sample standard deviation is 0.00316
EXAMPLES = 400


def planted_record(task: str, number: int, seed: int, device: str) -> Record:
    """One of 1,200 trials: model m00 to m11, each 0.03 better than the one before, unless its task plants otherwise."""
    model, more = f"zoo-p:m{number:02d}", {}
    score = 0.55 + 0.03 * number + NOISE[seed]
    more["minute"] = 20 * PLANTED_TASKS.index(task) + seed
    more["curve"] = [(step, score * step / 100, (score - 0.01) * step / 100) for step in (20, 60, 100)]
    more["target"] = TimeToTarget(status="met", seconds=5.0 + seed)
    more["train_s"] = 10.0 + seed
    if task == TIE and number >= 10:
        score = 0.9 + NOISE[(seed + number) % 5]  # the same five scores in another order
    if task == WINNER:
        score = (0.95 if number == 11 else 0.6 + 0.001 * number) + NOISE[seed]
    if task == FAILED and number == 0:
        more |= {"status": "error", "reason": "ValueError: planted"}
    if task == FAILED and number == 1 and seed == 4:
        more |= {"status": "out_of_memory", "reason": "wanted 9 GiB"}
    if task == STALE_MODEL and number == 11:
        more["model_version"] = 1
    elif number == 11:
        more["model_version"] = 2
    if task == STALE_TASK:
        more["task_version"] = 1 if number < 6 else 2
    if task == DISTURBED and number == 4 and seed >= 3:
        more |= {"train_s": 100.0, "measured_load": Load(cpu_s=9.9, wall_s=10.0, trials_beside=1)}
    if task == DISTURBED and number == 5:
        more["measured_load"] = Load(cpu_s=4.0, wall_s=10.0)
    if task == TARGET and number == 6 and seed < 3:
        more["target"] = TimeToTarget(status="missed")
    if task == TARGET and number == 7 and seed < 1:
        more["target"] = TimeToTarget(status="missed")
    if task == NO_VAL:
        more["target"] = TimeToTarget(status="not applicable")
        more["curve"] = [(step, score * step / 100, None) for step in (20, 60, 100)]
    if task == NAMES:
        hostile = HOSTILE_NAMES[number % len(HOSTILE_NAMES)]
        model = f"{hostile}:{hostile}{number}"
        more |= {"recipe": {hostile: hostile}, "model_title": hostile, "task_summary": hostile, "command": hostile}
        more |= {"measured_pictures": {hostile: "picture-0.png"}, "dataset_title": hostile}
    if task == TIE:
        more["measured_per_example"] = "per_example.npz"
    title = task.partition(":")[2].replace("-", " ").capitalize() or task
    latency = Latency(median_ms=(1.0 if device == "cpu" else 0.5) + number / 10 + seed / 1000, p95_ms=3.0, n=50)
    return make_record(
        task=task,
        task_title=title,
        task_target=0.8,
        model=model,
        seed=seed,
        device=device,
        score=score,
        dataset="zoo-p:pictures",
        model_parameters=1000 * (number + 1),
        measured_latency=latency,
        measured_throughput=1000.0 - number,
        **more,
    )


def planted_examples(record: Record) -> dict[str, np.ndarray]:
    """Results by example whose mean is the record's score: better models answer more of the same examples right."""
    right = round(record.score * EXAMPLES)  # type: ignore[operator]
    order = np.random.default_rng(0).permutation(EXAMPLES)
    score = np.zeros(EXAMPLES, dtype=np.uint8)
    score[order[:right]] = 1
    return {"score": score, "truth": np.arange(EXAMPLES, dtype=np.int32) % 10}


def plant(results: Path) -> None:
    """Write the board with planted truths, artifacts included."""
    store = Store(results)
    for task in PLANTED_TASKS:
        for device in ("cpu", "cuda"):
            for number in range(12):
                for seed in range(1 if task == ONE_SEED and number == 11 else 5):
                    made = planted_record(task, number, seed, device)
                    if task == TIE:
                        kept = planted_examples(made)
                        made = msgspec.structs.replace(
                            made,
                            measured=msgspec.structs.replace(
                                made.measured, scores={"accuracy": float(kept["score"].mean())}
                            ),
                        )
                        store.artifacts(made).mkdir(parents=True)
                        np.savez(store.artifacts(made) / "per_example.npz", **kept)
                    if task == NAMES:
                        store.artifacts(made).mkdir(parents=True)
                        (store.artifacts(made) / "picture-0.png").write_bytes(png())
                    store.save(made)


@dataclass(frozen=True)
class Planted:
    """The board with planted truths: its records and its site."""

    results: Path
    site: Path


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """Built once for all tests that look at it."""
    folder = tmp_path_factory.mktemp("planted")
    with mock.patch("os.fsync"):  # a thousand waits for the disk would be most of the time
        plant(folder / "results")
    build_site([folder / "results"], folder / "site")
    return Planted(folder / "results", folder / "site")
