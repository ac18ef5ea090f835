"""Compares `zoo bench --jobs N` with one trial at a time: wall time of all trials, and training time of each.

    python benchmarks/jobs.py --jobs 2 --trials 8

Both runs train the same seeds on one thread, on the CPU, and start with the data decoded. Use an idle machine. The
first line ends with the share of the wall time, the second with the difference of the training times of single trials.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ZOO = "from zoo_core.cli import main; main()"


def bench(folder: Path, words: list[str], options: argparse.Namespace) -> float:
    """Run all trials into a folder and return the wall seconds of the command."""
    command = ["bench", options.task, "--model", options.model, "--seeds", str(options.trials), "--offline"]
    command += ["--max-steps", str(options.steps), "--device", "cpu", "--timeout", "none", "--results", str(folder)]
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", ZOO, *command, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def trials_of(folder: Path) -> dict[int, Any]:
    """Return the records of a folder by their seed."""
    found = [json.loads(path.read_text()) for path in folder.glob("*/*.json")]
    return {record["seed"]: record for record in found if "seed" in record}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--task", default="cosine")
    parser.add_argument("--model", default="mlp")
    parser.add_argument("--steps", type=int, default=4000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bench(folder / "first", ["--threads", "1", "--seeds", "1"], options)  # decodes the data
        one_s = bench(folder / "one", ["--threads", "1", "--jobs", "1"], options)
        many_s = bench(folder / "many", ["--threads", "1", "--jobs", str(options.jobs)], options)
        one, many = trials_of(folder / "one"), trials_of(folder / "many")
    print(
        f"{options.trials} trials: {one_s:.1f} s with one job, {many_s:.1f} s with {options.jobs}: {many_s / one_s:.2f}"
    )
    train = [statistics.median(item["measured"]["train_s"] for item in runs.values()) for runs in (one, many)]
    print(f"median training time: {train[0]:.3f} s and {train[1]:.3f} s: {100 * (train[1] / train[0] - 1):+.1f} %")
    beside = sum(item["measured"]["load"]["trials_beside"] for item in many.values())
    equal = all(one[seed]["measured"]["scores"] == many[seed]["measured"]["scores"] for seed in one)
    print(f"trials that shared a core: {beside}; scores are {'equal' if equal else 'NOT equal'}")


if __name__ == "__main__":
    main()
