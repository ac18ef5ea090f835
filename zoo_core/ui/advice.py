"""Suggests the next command to a person whose trial failed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from zoo_core.entries import names_file
from zoo_core.entries.naming import plain_name
from zoo_core.entries.unpackaged import PLUGIN
from zoo_core.results.records import Record
from zoo_core.ui.formats import bare_name, format_number

# Words in torch's, numpy's and einops' messages about an input or an output of the wrong form.
FORM = re.compile(
    r"\bshapes?\b|\bsizes?\b|dimension|\bdim\b|channels|multiplied|broadcast|out of bounds|-D\b|\d+D\b|BatchNorm"
    r"|more than 1 value|uninitialized parameter|Lazy[A-Z]|scalar type|same dtype"
    r"|must be Tensor, not|got \(?(tuple|list|dict)\b",
    re.IGNORECASE,
)
# Raised by a task that uses the model's output; in the author's own code, a position follows.
NO_TENSOR = re.compile(r"^AttributeError: '(\w+)' object has no attribute '\w+'$")
MISSING_MODULE = re.compile(r"No module named '([^']+)'")


def next_step(record: Record) -> str:
    """Return what to try after a failure, as a clause with the command; "" if the zoo has no suggestion."""
    recipe, reason = record.recipe, record.reason
    if record.status == "diverged" and isinstance(recipe.get("lr"), float):
        lr = recipe["lr"]
        return f"a smaller learning rate, such as --set lr={format_number(lr / 10)} (it was {format_number(lr)})"
    if record.status == "out_of_memory" and recipe.get("batch_size", 1) > 1:
        size = recipe["batch_size"]
        return f"smaller batches, such as --set batch_size={size // 2} (it was {size})"
    if record.status == "timeout":
        return "more time with --timeout, or a shorter training with --max-steps"
    if record.status == "interrupted":
        return "the same command again: it continues with this trial"
    if record.status != "error":
        return ""
    if missing := MISSING_MODULE.search(reason):
        return f"pip install the package that has the module {missing[1]}, into the environment of the zoo"
    if "device-side assert" in reason:
        return "--device cpu: there the message names the operation and the value"
    if "more than 1 value per channel" in reason and recipe.get("batch_size") == 1:
        return "--set batch_size=2 or more: BatchNorm cannot train on one example"
    if NO_TENSOR.match(reason):
        returned = NO_TENSOR.sub(r"\1", reason)
        return f"`{check_command(record)}`: forward seems to return a {returned}, where the task takes a tensor"
    if FORM.search(reason):
        return f"`{check_command(record)}`: it tests the model on a few examples and says what does not fit"
    return ""


def check_command(record: Record) -> str:
    """Return the `zoo check` command for the record's model on its task, with the data of the record's command."""
    words = _words(record.command)
    command = ["zoo", "check", _check_name(record, words), "--task", bare_name(record.task.name)]
    for option, value in pairwise(words):
        if option == "--data-root":
            command += [option, value]
    return shlex.join(command)


def _words(command: str) -> list[str]:
    """Split a command into words, also `--model=NAME`; none for a call of `zoo.bench`, which is no command."""
    try:
        words = shlex.split(command)
    except ValueError:
        return []
    return [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]


def _check_name(record: Record, words: Sequence[str]) -> str:
    """Return the name by which `zoo check` finds the model: for a file, as the record's command gives it."""
    model = record.model.name
    if not model.startswith(f"{PLUGIN}:"):
        return model
    files = [word for word in words if names_file(word)]
    alike = [word for word in files if plain_name(Path(word.rpartition(":")[0]).stem, word.rpartition(":")[2]) in model]
    return (alike or files or ["FILE.py:NAME"])[0]
