"""Writes a run for each trial with MLflow's client. The experiment is the task, or `MLFLOW_EXPERIMENT_NAME`."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

# Nothing leaves the machine but what was asked for. Read when mlflow is imported; a person's own value is kept.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from zoo_core.loggers import (
    CurvePoint,
    Record,
    TrialBegan,
    TrialFiles,
    numbers_of_point,
    numbers_of_record,
    params_of,
    plain_value,
    safe_name,
)
from zoo_core.quote import without_login

MAX_BATCH = 100  # of params, tags or metrics in one call
MAX_EXPERIMENT_BYTES, MAX_MODEL_BYTES = 250, 100
RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
STATUSES = {"ok": "FINISHED", "interrupted": "KILLED"}  # all others: FAILED

Item = TypeVar("Item")


class MlflowLogger:
    """Writes runs to the tracking server or the local store at `target`, a tracking URI."""

    def __init__(self, target: str) -> None:
        self._client = MlflowClient(target or None)
        with _few_retries():
            self._client.search_experiments(max_results=1)  # a wrong address fails here, before any trial
        self._run = ""
        self._experiment = ""
        self._metric = ""
        self._step = 0

    def began(self, trial: TrialBegan) -> None:
        self._end("FAILED")
        self._metric, self._step = trial.task.metric, 0
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or trial.task.name
        self._experiment = self._experiment_id(safe_name(name, also="_-. /:", max_bytes=MAX_EXPERIMENT_BYTES))
        run = self._client.create_run(self._experiment, run_name=str(plain_value(trial.name)))
        self._run = run.info.run_id
        params = [Param(safe_name(name), _as_text(value)) for name, value in params_of(trial).items()]
        for part in _batches(params):
            self._client.log_batch(self._run, params=part)

    def evaluated(self, point: CurvePoint) -> None:
        self._step = point.step
        self._log(numbers_of_point(point, self._metric))

    def finished(self, record: Record, files: TrialFiles) -> None:
        self._log(numbers_of_record(record))
        tags = {"zoo.record": record.id, "zoo.status": record.status, "zoo.reason": record.reason}
        self._client.log_batch(
            self._run, tags=[RunTag(name, str(plain_value(value))) for name, value in tags.items() if value]
        )
        self._client.log_text(self._run, files.record.read_text(encoding="utf-8", errors="replace"), "record.json")
        for kind, paths in (("pictures", files.pictures), ("texts", files.texts)):
            for name, path in paths.items():
                self._client.log_artifact(self._run, str(path), f"{kind}/{safe_name(name, also='_-. ')}")
        if files.per_example is not None:
            self._client.log_artifact(self._run, str(files.per_example))
        if files.checkpoint is not None:
            self._log_model(record, files.checkpoint)
        self._end(STATUSES.get(record.status, "FAILED"))

    def close(self) -> str:
        self._end("FAILED")
        uri = without_login(self._client.tracking_uri)
        return uri if uri.startswith("http") else f"mlflow ui --backend-store-uri {uri}"

    def _experiment_id(self, name: str) -> str:
        """Return the id of an experiment, which is created if it is new. Another process may do the same meanwhile."""
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return found.experiment_id
        try:
            return self._client.create_experiment(name)
        except MlflowException:
            found = self._client.get_experiment_by_name(name)
            if found is None:
                raise
            return found.experiment_id

    def _log_model(self, record: Record, checkpoint: Path) -> None:
        """Store the checkpoint as a model of the run."""
        name = safe_name(f"{record.task.name}-{record.model.name}", also="_-", max_bytes=MAX_MODEL_BYTES)
        model = self._client.create_logged_model(self._experiment, name, source_run_id=self._run)
        self._client.log_model_artifact(model.model_id, str(checkpoint))
        self._client.finalize_logged_model(model.model_id, "READY")

    def _log(self, numbers: Mapping[str, float]) -> None:
        now_ms = time.time_ns() // 1_000_000
        metrics = [Metric(safe_name(name), value, now_ms, self._step) for name, value in numbers.items()]
        for part in _batches(metrics):
            self._client.log_batch(self._run, metrics=part)

    def _end(self, status: str) -> None:
        if self._run:
            self._client.set_terminated(self._run, status)
            self._run = ""


@contextlib.contextmanager
def _few_retries() -> Iterator[None]:
    """Let requests in the block fail after seconds if nobody answers, instead of after minutes."""
    if RETRIES in os.environ:
        yield
        return
    os.environ[RETRIES] = "2"
    try:
        yield
    finally:
        del os.environ[RETRIES]


def _as_text(value: bool | int | float | str) -> str:
    """Return a value as text that gives the same number again."""
    return value if isinstance(value, str) else repr(value)


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), MAX_BATCH):
        yield items[start : start + MAX_BATCH]
