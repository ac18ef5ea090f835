"""Exports trained models to ONNX, and prints a table of differences and speeds. Training and files are real.

.venv/bin/python benchmarks/export.py [--all] [--only TASK ...] [--max-steps N] [--markdown FILE]

Without --all, one model of each of four kinds. With --all, every shipped model of the kinds below, on the offline data
of its task, with the quick preset: half an hour on one core. --max-steps shortens the trainings. What cannot be
exported is named with the reason. Fails if a file was refused because it differs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from zoo_core.kinds import KINDS
from zoo_core.registry import Pair, Registry

ZOO = (sys.executable, "-m", "zoo_core")
FEW = (("cosine", "mlp"), ("mnist", "cnn"), ("pose", "tcn"), ("char-rnn", "transformer"))
EXPORTED_KINDS = (  # the others do not say what a file of their models takes
    *KINDS,
    *("zoo-detection/detection", "zoo-pose/action", "zoo-pose/motion", "zoo-text/language-model"),
    *("zoo-basics/points", "zoo-sobel/filter"),
)
COLUMNS = ("task", "model", "takes", "largest difference", "of the largest", "batch 1", "a batch")


def main() -> int:
    arguments = parse()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for pair in chosen_pairs(arguments):
            rows.append(row_of(pair, Path(folder), arguments.max_steps))
            print(" | ".join(rows[-1]), flush=True)
    if arguments.markdown:
        arguments.markdown.write_text("\n".join(markdown(rows)) + "\n", encoding="utf-8")
    refused = [row for row in rows if row[2].startswith("differs")]
    print(f"{len(rows)} models, {sum(bool(row[3]) for row in rows)} exported, {len(refused)} refused for a difference")
    return 1 if refused else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="every shipped model")
    parser.add_argument("--only", nargs="*", default=[], help="tasks")
    parser.add_argument("--max-steps", type=int, default=0, help="of each training")
    parser.add_argument("--markdown", type=Path, help="file for the table")
    return parser.parse_args()


def chosen_pairs(arguments: argparse.Namespace) -> Iterator[Pair]:
    for pair in Registry.load().pairs():
        names = (pair.task.name, pair.model.name)
        wanted = names[0] in arguments.only if arguments.only else arguments.all or names in FEW
        if wanted and pair.task.kind in EXPORTED_KINDS:
            yield pair


def row_of(pair: Pair, folder: Path, max_steps: int) -> list[str]:
    """Train a model, export it, and return a row of the table."""
    names = [pair.task.name, pair.model.name]
    shorter = ["--max-steps", str(max_steps)] if max_steps else []
    train = ["bench", pair.task.qualified, "--model", pair.model.qualified, "--offline", "--preset", "quick", *shorter]
    results = folder / "-".join(names)
    trained = zoo(*train, "--device", "cpu", "--save", "--results", results)
    saved = next(results.rglob("checkpoint.safetensors"), None)
    if saved is None:
        return [*names, f"not trained: {last_line(trained.stdout + trained.stderr)}", "", "", "", ""]
    done = zoo("export", saved, "--to", "onnx", "--out", folder / "model.onnx", "--force", "--offline", "--json")
    if done.returncode == 2 or not done.stdout:
        return [*names, last_line(done.stderr).removeprefix("error: "), "", "", "", ""]
    found: dict[str, Any] = json.loads(done.stdout)
    takes = "; ".join(found["inputs"]) if found["written"] else f"differs: {last_line(done.stderr)}"
    differences = [f"{found['largest_difference']:.1e}", f"{found['relative_difference']:.1e}"]
    return [*names, takes, *differences, *(speeds(found["speed"]))]


def speeds(found: Sequence[dict[str, Any]]) -> list[str]:
    """Return the speed of onnxruntime against torch, for one example and for a batch."""
    words = [f"{item['torch_ms'] / item['runtime_ms']:.2f}x" for item in found]
    batch = f"{words[-1]} ({found[-1]['batch']})" if len(found) > 1 else ""
    return [words[0], batch]


def zoo(*words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "400"}
    return subprocess.run([*ZOO, *words], capture_output=True, text=True, check=False, env=environment)


def last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def markdown(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(COLUMNS)} |"
    yield f"|{'---|' * len(COLUMNS)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"


if __name__ == "__main__":
    sys.exit(main())
