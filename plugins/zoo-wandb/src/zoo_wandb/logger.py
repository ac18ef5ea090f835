"""Writes a run of Weights & Biases for each trial. Nothing leaves the machine unless the person sets WANDB_MODE."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

# Read when wandb is imported. A person's own values are kept.
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
os.environ.setdefault("WANDB_SILENT", "true")

import wandb

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

PROJECT = "zoo"
MAX_NAME_CHARS = 128  # of a run, a group or an artifact


class WandbLogger:
    """Writes runs to the project `target`, offline into the folder `wandb`."""

    def __init__(self, target: str) -> None:
        self._project = target or os.environ.get("WANDB_PROJECT") or PROJECT
        self._run: Any = None
        self._metric = ""
        self._step = 0

    def began(self, trial: TrialBegan) -> None:
        self._end(1)
        self._metric, self._step = trial.task.metric, 0
        self._run = wandb.init(
            project=self._project,
            name=str(plain_value(trial.name, MAX_NAME_CHARS)),
            group=str(plain_value(trial.task.name, MAX_NAME_CHARS)),
            config={safe_name(name): value for name, value in params_of(trial).items()},
            # No facts about the person, the machine or the code but those of the trial.
            settings=wandb.Settings(
                console="off",
                disable_code=True,
                disable_git=True,
                host="",
                x_disable_machine_info=True,
                x_disable_meta=True,
                x_disable_stats=True,
                x_save_requirements=False,
            ),
        )

    def evaluated(self, point: CurvePoint) -> None:
        self._step = point.step
        self._log(numbers_of_point(point, self._metric))

    def finished(self, record: Record, files: TrialFiles) -> None:
        numbers: dict[str, Any] = dict(numbers_of_record(record))
        numbers |= {f"pictures/{name}": wandb.Image(str(path)) for name, path in files.pictures.items()}
        read = partial(Path.read_text, encoding="utf-8", errors="replace")
        texts = {f"texts/{name}": read(path) for name, path in files.texts.items()}
        self._log(numbers)
        summary = {"status": record.status, "reason": record.reason, "record": record.id, **texts}
        self._run.summary.update({safe_name(name): plain_value(text) for name, text in summary.items() if text})
        if files.checkpoint is not None:
            name = safe_name(f"{record.model.name}-{record.key[:8]}", also="_-.", max_bytes=MAX_NAME_CHARS)
            model = wandb.Artifact(name, type="model")
            model.add_file(str(files.checkpoint))
            self._run.log_artifact(model)
        self._end(0 if record.status == "ok" else 1)

    def close(self) -> str:
        self._end(1)
        if os.environ["WANDB_MODE"] == "offline":
            return f"project {self._project}, in the folder wandb; `wandb sync --sync-all` uploads it"
        return f"project {self._project}"

    def _log(self, values: dict[str, Any]) -> None:
        self._run.log({safe_name(name): value for name, value in values.items()}, step=self._step)

    def _end(self, code: int) -> None:
        if self._run is not None:
            self._run.finish(exit_code=code)
            self._run = None
