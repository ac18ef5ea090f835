"""What loggers cost the training: the same trial with and without them, in turns (bound: 1 % of the training time).

.venv/bin/python benchmarks/loggers.py [--log tensorboard --log mlflow --log wandb] [--pairs 12]

The ratio is that of the training times, with and without loggers, of each pair; the figure is the median over the pairs
with a 95 % bootstrap interval. The wall time of the whole command is printed as well: it has the start of the loggers
and their last writing in it, for which the run waits. The curve has a point every 20 steps, far more than usual.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ZOO = Path(sys.executable).with_name("zoo")
BENCH = ("bench", "cosine", "--model", "mlp", "--device", "cpu", "--threads", "1", "--force", "--json")
STEPS, EPOCHS_BETWEEN_POINTS = 12_000, 0.625
BOUND_PCT, RESAMPLES = 1.0, 10_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", action="append", help="a logger; by default all three")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    logs = options.log or ["tensorboard", "mlflow", "wandb"]
    with tempfile.TemporaryDirectory() as folder:
        pairs = [_measure_pair(Path(folder), logs, options.steps, number) for number in range(options.pairs)]
    print(
        f"{len(pairs)} pairs of {options.steps:,} steps with {pairs[0][1]['points']} points; loggers: {', '.join(logs)}"
    )
    high = 0.0
    for name in ("cpu_s", "train_s"):  # the CPU time tells more where other programs run
        ratios = [logged[name] / plain[name] for plain, logged in pairs]
        low, high = interval(ratios)
        words = f"(95 % interval {100 * (low - 1):+.2f} to {100 * (high - 1):+.2f} %)"
        print(f"{name} of the training: {100 * (statistics.median(ratios) - 1):+.2f} % {words}")
    for name in ("train_s", "wall_s"):
        plain, logged = (statistics.median(pair[side][name] for pair in pairs) for side in (0, 1))
        print(f"    {name}: median {plain:.3f} s without, {logged:.3f} s with loggers")
    passed = 100 * (high - 1) <= BOUND_PCT
    print(f"{'passed' if passed else 'FAILED'}: the whole interval is at most {BOUND_PCT:g} %")
    return 0 if passed else 1


def _measure_pair(folder: Path, logs: Sequence[str], steps: int, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure without and with loggers. Which one is first changes from pair to pair."""
    words = [word for name in logs for word in ("--log", name)]
    sides = [(), tuple(words)]
    order = (0, 1) if number % 2 == 0 else (1, 0)
    found = {side: _measure(folder / f"{number}-{side}", steps, sides[side]) for side in order}
    print(f"    pair {number + 1}: {found[0]['train_s']:.3f} s, {found[1]['train_s']:.3f} s", flush=True)
    return found[0], found[1]


def _measure(folder: Path, steps: int, words: Sequence[str]) -> dict[str, Any]:
    folder.mkdir()
    command = [ZOO, *BENCH, "--max-steps", str(steps), "--set", f"eval_every={EPOCHS_BETWEEN_POINTS}", *words]
    environment = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db", **os.environ, "ZOO_LOG_LIMIT": "120"}
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    wall_s = time.perf_counter() - began
    if "warning" in done.stderr:
        raise SystemExit(done.stderr)
    (record,) = json.loads(done.stdout)
    measured = record["measured"]
    return {
        "train_s": measured["train_s"],
        "cpu_s": measured["load"]["cpu_s"],
        "wall_s": wall_s,
        "points": len(record["curve"]),
    }


def interval(ratios: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the median."""
    rng = random.Random(seed)
    medians = sorted(statistics.median(rng.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    return medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES)]


if __name__ == "__main__":
    sys.exit(main())
