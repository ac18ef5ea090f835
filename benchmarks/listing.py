"""`zoo list` against `python -c "import torch"`: medians of five, interleaved (bound: 0.15 times).

.venv/bin/python benchmarks/listing.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ZOO = Path(sys.executable).with_name("zoo")
REPEATS, BOUND = 5, 0.15


def seconds(*command: str | Path) -> float:
    began = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - began


def main() -> int:
    seconds(ZOO, "list"), seconds(sys.executable, "-c", "import torch")  # fill the disk cache
    pairs = [(seconds(ZOO, "list"), seconds(sys.executable, "-c", "import torch")) for _ in range(REPEATS)]
    listing, importing = (statistics.median(column) for column in zip(*pairs, strict=True))
    passed = listing <= BOUND * importing
    print(f"zoo list {listing:.3f} s, import torch {importing:.3f} s, ratio {listing / importing:.3f}")
    print(f"{'passed' if passed else 'FAILED'}: at most {BOUND}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
