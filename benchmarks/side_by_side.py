"""Training throughput side by side: `zoo bench`, a bare loop, a course's loop, Lightning, skorch and ignite.

    ZOO_TEST_DATA=/folder/with/archives .venv/bin/python benchmarks/side_by_side.py --out speed.json

MNIST's `mlp-100` at batch 32 on one thread, and cifar10's `cnn` and `cnn-fast` on all cores. Each loop is a process of
its own, and the loops take turns, so that a slow minute of the machine meets all of them. A ratio is the median over
the turns. Packages that are missing are named, with the command that installs them. `--compare earlier.json` shows the
ratios of an earlier run beside. Exit code 1 if a ratio is below its bound.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from speed.loops import CASES, LOOPS, MISSING, PACKAGES, Case

from zoo_core.measure.environment import describe

ZOO = Path(sys.executable).with_name("zoo")
LOOP = Path(__file__).parent / "speed" / "loops.py"
ROOT = Path(__file__).resolve().parents[1]
# As the zoo sets them for its workers. torch reads them when it is imported.
ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "THP_MEM_ALLOC_ENABLE": "1"}
# The least ratio of `zoo bench` to a loop, by case.
BOUNDS = {
    "mnist mlp-100": {"bare": 0.97, "Lightning": 2.2},
    "cifar10 cnn": {"bare": 0.98},
    "cifar10 cnn-fast": {"bare": 0.98},
}
RATES = "images_per_s"


class Peers:
    """Runs the loops. folder: of packages that are not installed beside the zoo. missing: the loops without one."""

    def __init__(self, folder: str) -> None:
        paths = filter(None, [folder, os.environ.get("PYTHONPATH", "")])
        self._environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(paths)}
        self.missing: set[str] = set()

    def images_per_s(self, case: Case, loop: str) -> float | None:
        """Run a loop in a process of its own; None if its package is missing."""
        command = [sys.executable, LOOP, case.name, loop]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=self._environment)
        if done.returncode == MISSING:
            if loop not in self.missing:
                self.missing.add(loop)
                print(f"{loop}: {done.stderr.strip()}. To compare with it:\n{_advice(loop)}", flush=True)
            return None
        if done.returncode:
            raise SystemExit(f"{case.name}, {loop}:\n{done.stderr}")
        return float(done.stdout.splitlines()[-1])


def _advice(loop: str) -> str:
    return f"    pip install --target peers --no-deps {PACKAGES[loop]}\n    and add --peers peers"


def zoo_images_per_s(case: Case) -> float:
    """Images per second as `zoo bench` records them."""
    where = ["--dataset", case.dataset, "--data-root", str(case.data_root)] if case.archive else ["--offline"]
    with tempfile.TemporaryDirectory() as results:
        done = subprocess.run(
            [
                *(ZOO, "bench", case.task, "--model", case.model, *where, "--max-steps", str(case.steps)),
                *("--threads", str(case.threads), "--device", "cpu", "--results", results, "--json"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise SystemExit(f"{case.name}, zoo bench:\n{done.stderr}")
    return float(json.loads(done.stdout)[0]["measured"]["throughput"])


def run_case(case: Case, peers: Peers, repeats: int) -> dict[str, list[float]]:
    """Return the images per second of `zoo bench` and of each loop in each turn."""
    loops = [*LOOPS] if case.name == "mnist mlp-100" else ["bare"]
    rates: dict[str, list[float]] = {}
    for turn in range(repeats):
        order = ["zoo bench", *loops]
        for name in order if turn % 2 == 0 else reversed(order):
            if name not in peers.missing:
                found = zoo_images_per_s(case) if name == "zoo bench" else peers.images_per_s(case, name)
                if found is not None:
                    rates.setdefault(name, []).append(found)
    return rates


def ratios_of(rates: dict[str, list[float]]) -> dict[str, float]:
    """Return the median ratio of `zoo bench` to each loop."""
    zoo = rates["zoo bench"]
    return {
        name: statistics.median(ours / theirs for ours, theirs in zip(zoo, found, strict=True))
        for name, found in rates.items()
        if name != "zoo bench"
    }


def show(case: str, rates: dict[str, list[float]], earlier: dict[str, float]) -> bool:
    """Print the results of a case; return whether all ratios keep their bounds."""
    ratios, bounds = ratios_of(rates), BOUNDS.get(case, {})
    print(f"\n{case:34} images/s   zoo is ... times as fast")
    for name, found in rates.items():
        words = []
        if name in ratios:
            words.append(f"{ratios[name]:6.3f}")
        if name in bounds:
            words.append(f"{'at least' if ratios[name] >= bounds[name] else 'FAILED: at least'} {bounds[name]}")
        if name in earlier:
            words.append(f"earlier {earlier[name]:.3f}")
        print(f"    {name:30} {statistics.median(found):8,.0f}   {', '.join(words)}".rstrip(), flush=True)
    return all(ratios[name] >= bound for name, bound in bounds.items() if name in ratios)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="turns of each loop")
    parser.add_argument("--only", default="", help="cases whose name has this text, such as mlp")
    parser.add_argument("--peers", default="", help="a folder of packages, made by pip install --target")
    parser.add_argument("--out", type=Path, help="a file for the results, as JSON")
    parser.add_argument("--compare", type=Path, help="results of an earlier run")
    given = parser.parse_args()
    os.environ.setdefault("ZOO_TEST_DATA", str(ROOT.parent / "shared" / "data"))
    earlier: dict[str, Any] = json.loads(given.compare.read_text())["cases"] if given.compare else {}
    peers, results, passed = Peers(given.peers), {}, True
    for case in CASES.values():
        if given.only in case.name:
            rates = run_case(case, peers, given.repeats)
            results[case.name] = {RATES: rates, "ratios": ratios_of(rates)}
            passed &= show(case.name, rates, earlier.get(case.name, {}).get("ratios", {}))
    if given.out:
        found = {"machine": describe({}), "repeats": given.repeats, "cases": results}
        given.out.write_text(json.dumps(found, indent=1) + "\n")
    print("passed" if passed else "FAILED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
