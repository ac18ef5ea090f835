"""A convolution net on all cores beside one busy process: medians of five, interleaved (bound: 0.4 of the quiet speed).

.venv/bin/python benchmarks/busy.py

With two threads on two cores and one busy process, a fair system leaves two thirds. Threads that
spin while they wait leave a sixth: they wait for one that the system has put aside. So the zoo's threads sleep.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ZOO = Path(sys.executable).with_name("zoo")
REPEATS, STEPS, BOUND = 5, 50, 0.4


def images_per_s() -> float:
    with tempfile.TemporaryDirectory() as results:
        done = subprocess.run(
            [
                *(ZOO, "bench", "cifar10", "--model", "cnn", "--offline", "--device", "cpu", "--set", "holdout=false"),
                *("--max-steps", str(STEPS), "--threads", str(os.cpu_count()), "--results", results, "--json"),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    return float(json.loads(done.stdout)[0]["measured"]["throughput"])


@contextlib.contextmanager
def busy_process() -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"], start_new_session=True)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    pairs = []
    for _ in range(parser.parse_args().repeats):
        quiet = images_per_s()
        with busy_process():
            pairs.append((quiet, images_per_s()))
        print(f"{pairs[-1][0]:,.0f} images/s, beside a busy process {pairs[-1][1]:,.0f}", flush=True)
    ratio = statistics.median(busy / quiet for quiet, busy in pairs)
    passed = ratio >= BOUND
    print(f"{'passed' if passed else 'FAILED'}: {ratio:.2f} of the quiet speed, at least {BOUND}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
