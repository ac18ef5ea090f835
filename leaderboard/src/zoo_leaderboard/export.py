"""What the pages show as JSON and CSV, for those who want to compute with it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pandas as pd

from zoo_leaderboard.curves import Curves, json_curves
from zoo_leaderboard.formats import known
from zoo_leaderboard.tables import Group, TaskBoard

GROUP_FIELDS = ("task", "task_version", "metric", "dataset", "fingerprint", "origin", "recipe_class", "device")
MODEL_FIELDS = (
    *("rank", "model", "version", "title", "variant", "pretrained_on", "score", "spread", "seeds", "provisional"),
    *(
        "time_to_target",
        "time_to_target_s",
        "met",
        "train_s",
        "throughput",
        "latency_ms",
        "parameters",
        "flops_per_unit",
    ),
    *("flops_unknown_because", "peak_memory_mib", "statuses", "earlier", "recipe", "reason"),
)
TRIAL_FIELDS = ("id", "model", "version", "seed", "status", "reason", "started_at")


def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A frame's rows with None where nothing is known."""
    return [{str(key): _plain(value) for key, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    return value if known(value) and value not in (float("inf"), float("-inf")) else None


def group_facts(group: Group) -> dict[str, Any]:
    """What the trials of a group share."""
    record = group.newest
    dataset = record.dataset
    values = (record.task.name, record.task.version, record.task.metric, dataset.name, dataset.fingerprint)
    return dict(zip(GROUP_FIELDS, (*values, dataset.origin, record.recipe_class, record.device.kind), strict=True))


def task_json(board: TaskBoard, curves: Mapping[str, Curves]) -> bytes:
    """The task, and by group its models, its unsuccessful trials and its curves."""
    value = {
        "task": msgspec.to_builtins(board.newest.task),
        "groups": [
            {
                **group_facts(group),
                "models": _only(group.models, MODEL_FIELDS),
                "unsuccessful": _only(group.unsuccessful, TRIAL_FIELDS),
                "curves": json_curves(curves[group.id]),
            }
            for group in board.groups
        ],
        "skipped": _only(board.skipped, TRIAL_FIELDS),
    }
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False, default=_number)
    return text.encode() + b"\n"


def task_csv(board: TaskBoard) -> bytes:
    """A row a group and model."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [*GROUP_FIELDS, *MODEL_FIELDS], lineterminator="\n")
    writer.writeheader()
    for group in board.groups:
        for row in _only(group.models, MODEL_FIELDS):
            writer.writerow({key: _cell(value) for key, value in {**group_facts(group), **row}.items()})
    return buffer.getvalue().encode()


def _only(frame: pd.DataFrame, fields: Sequence[str]) -> list[dict[str, Any]]:
    return rows(frame[list(fields)])


def _number(value: Any) -> Any:
    """numpy's numbers as Python's; anything else is a mistake of ours."""
    return value.item()


def _cell(value: Any) -> Any:
    """A CSV cell; a text that a spreadsheet would take for a formula gets an apostrophe, as spreadsheets write it."""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=_number)
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
