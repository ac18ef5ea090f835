"""The `zoo bench` commands that measure a row or a trial again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import PurePath
from typing import Any

from zoo_core.results.records import Record
from zoo_leaderboard.records.trials import TrialSummary

UNPACKAGED = "unpackaged:"  # prefix of models from a file; a record has only the hash of the file
FILE_MARK = ".py:"  # in a model given as a file: ./net.py:Net


def reproduce(trials: Sequence[TrialSummary]) -> str:
    """Return the command for a row's trials; empty for a model from a file."""
    latest = trials[-1]
    if latest.model.startswith(UNPACKAGED) or latest.task.startswith("-"):  # a task that would be an option
        return ""
    words = ["zoo", "bench", latest.task, "--model", latest.model, "--dataset", latest.dataset]
    words += ["--device", latest.device_class, "--seeds", seeds_text([trial.seed for trial in trials])]
    words += _recipe_words(latest.recipe_class, json.loads(latest.recipe))
    words += _budget_words(latest.budget_s)
    words += ["--weights", latest.weights_option] if latest.weights_option else []
    return _join([*words, *_device_words(latest.dtype, latest.requested_threads, compiled=latest.compiled)])


def reproduce_trial(record: Record) -> str:
    """Return the command for this trial alone; empty if its model is code that the record does not locate.

    The paths of own data, weights and model files are those of the command that made the record.
    """
    device, typed = record.device, _split(record.command)
    model = _model_words(record.model.name, typed)
    if not model or record.task.name.startswith("-"):
        return ""
    index = "" if device.index is None else f":{device.index}"
    words = ["zoo", "bench", record.task.name, *model, "--dataset", record.dataset.name]
    words += ["--device", f"{device.kind}{index}", "--seeds", seeds_text([record.seed])]
    words += _recipe_words(record.recipe_class, record.recipe) + _budget_words(record.budget_s)
    weights = record.model.weights_option
    paths = [path for path in _values(typed, "--weights") if PurePath(path).name == weights]
    words += ["--weights", *(paths[-1:] or [weights])] if weights else []
    words += [word for root in _values(typed, "--data-root")[-1:] for word in ("--data-root", root)]
    return _join([*words, *_device_words(device.dtype, device.requested_threads, compiled=device.compiled)])


def _model_words(name: str, typed: Sequence[str]) -> list[str]:
    """`--model NAME`; for a model from a file, the file as typed if only one was, and the name given to it."""
    if not name.startswith(UNPACKAGED):
        return ["--model", name]
    files = [value for option in ("--model", "-m") for value in _values(typed, option) if FILE_MARK in value]
    given = [word for value in _values(typed, "--name")[-1:] for word in ("--name", value)]
    return ["--model", files[0], *given] if len(set(files)) == 1 else []


def _recipe_words(recipe_class: str, recipe: Mapping[str, Any]) -> list[str]:
    """The preset; for a custom recipe all keys, because a record does not say which of them were changed."""
    if recipe_class == "custom":
        return [word for key, value in recipe.items() for word in ("--set", f"{key}={setting_text(value)}")]
    return ["--preset", "quick"] if recipe_class == "quick" else []


def _budget_words(budget_s: float | None) -> list[str]:
    return [] if budget_s is None else ["--budget", f"{budget_s:.9f}".rstrip("0").rstrip(".") + "s"]


def _device_words(dtype: str, threads: int, *, compiled: bool) -> list[str]:
    words = ["--dtype", dtype] if dtype != "float32" else []
    words += ["--compile"] if compiled else []
    return words + (["--threads", str(threads)] if threads else [])


def setting_text(value: Any) -> str:
    """A recipe value as `--set` reads it: text without commas and outer quotes as it is, anything else as JSON."""
    is_plain = isinstance(value, str) and "," not in value and not (value[:1] == value[-1:] == '"')
    return value if is_plain else json.dumps(value, ensure_ascii=False)


def seeds_text(seeds: Sequence[int]) -> str:
    """Seeds in the form of `--seeds`: `3` means 0, 1, 2; a list is `0,3` or, for one seed, `7,`."""
    ordered = sorted(set(seeds))
    if ordered == list(range(len(ordered))):
        return str(len(ordered))
    return ",".join(map(str, ordered)) + ("," if len(ordered) == 1 else "")


def _split(command: str) -> list[str]:
    """The words of a recorded command; empty for a call in Python, or if the quotes do not match."""
    try:
        words = shlex.split(command)
    except ValueError:
        return []
    return words if words[:2] == ["zoo", "bench"] else []


def _values(words: Sequence[str], option: str) -> list[str]:
    """The values of an option, given as `--option value` or `--option=value`."""
    after = [value for word, value in pairwise(words) if word == option]
    return after + [word.removeprefix(f"{option}=") for word in words if word.startswith(f"{option}=")]


def _join(words: Sequence[str]) -> str:
    """Quote the words for a shell; the home folder `~` of a path stays outside of the quotes."""
    return " ".join(f"~/{shlex.quote(word[2:])}" if word.startswith("~/") else shlex.quote(word) for word in words)
