"""`zoo show CHECKPOINT --weights`: a table of a saved model's parameters, and pictures of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo_core.cli.ask import ask_worker
from zoo_core.cli.reuse import absolute_file, model_address
from zoo_core.errors import UsageError
from zoo_core.ui.console import print_json, print_table, say
from zoo_core.ui.formats import format_score

BARS = "▁▂▃▄▅▆▇█"


def show_weights(checkpoint: Path, *, pictures: Path | None, model: str, as_json: bool) -> None:
    """Print the parameters of a saved model, and write pictures of them into a folder."""
    from zoo_core.runner.events import ParametersJob
    from zoo_core.runner.executor import LocalExecutor

    folder = pictures.expanduser().absolute() if pictures else None
    if folder is not None and os.path.lexists(folder) and not folder.is_dir():
        raise UsageError(f"--pictures {pictures} is a file: give a folder")
    job = ParametersJob(
        checkpoint=absolute_file(checkpoint), pictures=str(folder) if folder else "", model=model_address(model)
    )
    found: Any = ask_worker(LocalExecutor(), job)
    if as_json:
        print_json(found)
        return
    rows = found["parameters"]
    trained = sum(row["count"] for row in rows if row["trained"])
    title = f"{found['model']} of {found['task']}: {trained:,} parameters in {len(rows)} tensors"
    print_table(["name", "shape", "count", "mean", "std", "histogram", "from", "to"], map(_cells, rows), title=title)
    for name in found["pictures"]:
        of = f" of {found['first_layer']}" if name == "first-layer.png" else ""
        say(f"{name}{of} in {pictures}")


def _cells(row: Mapping[str, Any]) -> list[str]:
    shape = " x ".join(map(str, row["shape"])) or "number"
    numbers = ["" if row[key] is None else format_score(row[key]) for key in ("mean", "std", "min", "max")]
    return [row["name"], shape, f"{row['count']:,}", *numbers[:2], text_histogram(row["histogram"]), *numbers[2:]]


def text_histogram(counts: Sequence[int]) -> str:
    """Draw counts as a line of bars; a bin without values is a space.

    >>> text_histogram([0, 1, 8, 4])
    ' ▁█▄'
    """
    highest = max(counts, default=0)
    return "".join(" " if not count else BARS[(count * len(BARS) - 1) // highest] for count in counts)
