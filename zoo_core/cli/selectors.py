"""The filters that commands below `zoo results` share: task, model, status, device, data set, recipe class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import typer

from zoo_core.cli import completion
from zoo_core.errors import did_you_mean
from zoo_core.ui.formats import bare_name

if TYPE_CHECKING:
    from zoo_core.results.records import Record

TASK = typer.Option("--task", help="Only records of this task.", autocompletion=completion.complete_task)
MODEL = typer.Option("--model", help="Only records of this model.", autocompletion=completion.complete_model)
STATUS = typer.Option("--status", help="Only records with this status: ok, error, timeout ...")
DEVICE = typer.Option("--device", help="Only records from this device class: cpu, cuda ...")
DATASET = typer.Option("--dataset", help="Only records of this data set.", autocompletion=completion.complete_dataset)
RECIPE_CLASS = typer.Option("--recipe-class", help="Only records with this recipe class: default, quick or custom.")


def selectable(record: Record) -> dict[str, str]:
    """Return the values of a record that filters compare, by the name of the filter."""
    return {
        "task": record.task.name,
        "model": record.model.name,
        "status": record.status,
        "device": record.device.kind,
        "dataset": record.dataset.name,
        "recipe_class": record.recipe_class,
    }


def is_selected(record: Record, wanted: Mapping[str, str]) -> bool:
    """Return whether a record has all wanted values; "" stands for any. Names may be bare or qualified."""
    values = selectable(record)
    return all(not name or name in (values[key], bare_name(values[key])) for key, name in wanted.items())


def selection_advice(records: Iterable[Record], wanted: Mapping[str, str]) -> str:
    """Say which wanted value no record has, with similar ones that some records have; "" if each value occurs."""
    values = [selectable(record) for record in records]
    for key, name in wanted.items():
        known = {text for item in values for text in (item[key], bare_name(item[key]))}
        if name and name not in known:
            option = f"--{key.replace('_', '-')} {name}"
            near = did_you_mean(name, known)
            return f"no record has {option}" + (f": {near}" if near else "")
    return ""
