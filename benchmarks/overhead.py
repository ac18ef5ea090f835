"""What the runner costs a trial: twenty one-step cosine trials, wall time less all recorded phases (bound: 0.3 s each).

.venv/bin/python benchmarks/overhead.py
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ZOO = Path(sys.executable).with_name("zoo")
TRIALS, BOUND_S = 20, 0.3


def main() -> int:
    with tempfile.TemporaryDirectory() as results:
        command = [ZOO, "bench", "cosine", "--model", "mlp", "--max-steps", "1", "--device", "cpu"]
        began = time.perf_counter()
        done = subprocess.run(
            [*command, "--seeds", str(TRIALS), "--results", results, "--json"],
            capture_output=True,
            text=True,
            check=True,
        )
        whole_s = time.perf_counter() - began
    records = json.loads(done.stdout)
    unrecorded = [record["wall_s"] - sum(phase["seconds"] for phase in record["phases"]) for record in records]
    starts = sorted(record["started_at"] for record in records)
    print(f"{len(records)} trials in {whole_s:.1f} s, the server's start among them")
    print(f"first to last start: {_seconds_between(starts[0], starts[-1]) / (TRIALS - 1):.3f} s a trial")
    print(f"not in any phase: median {statistics.median(unrecorded):.3f} s, most {max(unrecorded):.3f} s a trial")
    for phase in records[-1]["phases"]:
        print(f"    {phase['name']:<10} {phase['seconds']:.3f} s")
    passed = max(unrecorded) <= BOUND_S
    print(f"{'passed' if passed else 'FAILED'}: at most {BOUND_S} s a trial outside the phases")
    return 0 if passed else 1


def _seconds_between(first: str, last: str) -> float:
    from datetime import datetime

    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


if __name__ == "__main__":
    sys.exit(main())
