"""Draws records of two runs, or of a history, whose changes are known. It knows nothing of the statistics under test.

A score is the model's level, plus a normal deviation of the seed, rounded to a whole number of right answers. A time is
lognormal around the model's level, times the factor of its occasion (the drift of the machine). Spreads differ between
models by a lognormal factor, because no two models scatter alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from zoo_core.results.records import (
    SCHEMA,
    DatasetFacts,
    DeviceFacts,
    Latency,
    Load,
    Measured,
    ModelFacts,
    Record,
    TaskFacts,
)

FIRST_DAY = datetime(2026, 1, 1, 9, tzinfo=UTC)
Drift = Literal["none", "day by day", "random walk", "trend"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """The noise of a cell.

    `score` is the standard deviation of one seed's score (0.01 is one point), `time` that of the logarithm of a time.
    `between_models` is the standard deviation of the logarithm of the factor by which these differ between models.
    `own_drift` is the standard deviation of the logarithm of the factor by which one model's times drift by itself.
    """

    score: float = 0.005
    time: float = 0.03
    between_models: float = 0.0
    own_drift: float = 0.0
    examples: int = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class Planted:
    """What happens between the two runs, to the model 0 alone, and to the times of all models (`drift`)."""

    slower: float = 0.0
    worse: float = 0.0
    drift: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Model:
    name: str
    score: float
    train_s: float
    latency_ms: float
    factor: float  # of its spreads
    own_drift: float = field(default=0.0)


def two_runs(
    rng: np.random.Generator, spread: Spread, planted: Planted, *, models: int, seeds: int
) -> tuple[list[Record], list[Record]]:
    """Draw the records of a run before and a run after, a day later, on one machine."""
    drawn = [_model(rng, number, spread) for number in range(models)]
    before = [record for model in drawn for record in _trials(rng, model, spread, seeds=seeds, day=0)]
    after: list[Record] = []
    for number, model in enumerate(drawn):
        slower, worse = (planted.slower, planted.worse) if number == 0 else (0.0, 0.0)
        factor = (1 + planted.drift) * (1 + slower) * float(np.exp(rng.normal(0, spread.own_drift)))
        after += _trials(rng, model, spread, seeds=seeds, day=1, worse=worse, time_factor=factor)
    return before, after


def history(
    rng: np.random.Generator,
    spread: Spread,
    *,
    days: int,
    seeds: int,
    drift: Drift = "none",
    drift_sd: float = 0.0,
    worse: float = 0.0,
    slower: float = 0.0,
) -> list[Record]:
    """Draw the records of one model on `days` days; on the last day it is worse or slower, by what is given."""
    model = _model(rng, 0, spread)
    factors = np.exp(_drift(rng, drift, drift_sd, days))
    records: list[Record] = []
    for day in range(days):
        last = day == days - 1
        factor = float(factors[day]) * (1 + slower if last else 1.0)
        drop = worse if last else 0.0
        records += _trials(rng, model, spread, seeds=seeds, day=day, worse=drop, time_factor=factor)
    return records


def _drift(rng: np.random.Generator, kind: Drift, size: float, days: int) -> NDArray[np.float64]:
    """Draw the logarithms of the machine's factor by day."""
    if kind == "day by day":
        return rng.normal(0, size, days)
    if kind == "random walk":
        return np.cumsum(rng.normal(0, size, days))
    return size * np.arange(days) if kind == "trend" else np.zeros(days)


def _model(rng: np.random.Generator, number: int, spread: Spread) -> _Model:
    return _Model(
        name=f"zoo-sim:m{number:02d}",
        score=rng.uniform(0.7, 0.92),
        train_s=float(np.exp(rng.uniform(np.log(3), np.log(300)))),
        latency_ms=float(np.exp(rng.uniform(np.log(0.1), np.log(30)))),
        factor=float(np.exp(rng.normal(0, spread.between_models))),
    )


def _trials(
    rng: np.random.Generator,
    model: _Model,
    spread: Spread,
    *,
    seeds: int,
    day: int,
    worse: float = 0.0,
    time_factor: float = 1.0,
) -> list[Record]:
    records = []
    for seed in range(seeds):
        score = model.score - worse + rng.normal(0, spread.score * model.factor)
        score = round(min(1.0, max(0.0, score)) * spread.examples) / spread.examples
        noise = np.exp(rng.normal(0, spread.time * model.factor, size=2)) * time_factor
        times = (model.train_s * float(noise[0]), model.latency_ms * float(noise[1]))
        started = FIRST_DAY + timedelta(days=day, minutes=10 * seed, seconds=int(model.name[-2:]))
        records.append(_record(model.name, seed, started, score, times))
    return records


def _record(model: str, seed: int, started: datetime, score: float, times: Sequence[float]) -> Record:
    train_s, latency_ms = times
    return Record(
        schema=SCHEMA,
        id=f"{model}-{seed}-{started.isoformat()}",
        key=f"{model}-{seed}",
        status="ok",
        started_at=started.isoformat(timespec="microseconds"),
        task=TaskFacts(
            name="zoo-sim:task",
            title="Simulated",
            summary="Simulated.",
            version=1,
            kind="image-classification",
            kind_version=1,
            metric="accuracy",
            higher_is_better=True,
            unit="images",
        ),
        dataset=DatasetFacts(
            name="zoo-sim:data", title="Simulated", version=1, origin="real", licence="CC0-1.0", fingerprint="f" * 32
        ),
        model=ModelFacts(name=model, title="A net", version=1, code_sha256="c0de"),
        device=DeviceFacts(kind="cpu", name="A processor", threads=1),
        seed=seed,
        recipe={"lr": 0.1},
        recipe_class="default",
        budget="length",
        environment={"machine": "m1"},
        measured=Measured(
            scores={"accuracy": score},
            train_s=train_s,
            latency=Latency(median_ms=latency_ms, p95_ms=1.2 * latency_ms, n=100),
            load=Load(cpu_s=train_s, wall_s=train_s, involuntary_switches=1),
        ),
    )
