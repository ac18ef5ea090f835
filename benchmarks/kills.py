"""Nothing is lost under `kill -9`: short cosine trials, killed at random and restarted, equal an undisturbed run.

.venv/bin/python benchmarks/kills.py [--trials 200] [--seed 0]

At random times one process gets SIGKILL: the parent, the fork server, or a worker. Ended runs start again with
`--retry-failed` until all trials are done. Then scores and curves must be equal bit for bit, no trial that had finished
may have run again, and no process and no temporary file may be left.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

MAX_STARTS = 300
STEPS = 20


@dataclass
class Outcome:
    """What happened, and what must be empty: trials that differ, finished trials that ran again, leftovers."""

    trials: int
    wall_s: float = 0.0
    starts: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    different: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    processes: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not (self.different or self.repeated or self.processes or self.files)


def run(folder: Path, *, trials: int, seed: int) -> Outcome:
    """Run trials undisturbed and disturbed, in new folders below `folder`.

    The time between two kills is at most the time that the undisturbed run needs for its first trial, so that both
    starts and trials are killed, on slow machines, too.
    """
    outcome = Outcome(trials)
    began = time.perf_counter()
    command = [sys.executable, "-P", "-m", "zoo_core", "bench", "cosine", "--model", "mlp", "--device", "cpu"]
    command += ["--seeds", str(trials), "--max-steps", str(STEPS), "--retry-failed", "--results"]
    environment = {**os.environ, "ZOO_CACHE": str(folder / "cache"), "KILLS_OF": str(folder)}
    silent: dict[str, Any] = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    pause_s = run_undisturbed([*command, str(folder / "quiet")], folder / "quiet", silent)
    chance = random.Random(seed)
    while outcome.starts < MAX_STARTS:
        outcome.starts += 1
        process = subprocess.Popen([*command, str(folder / "killed")], **silent)
        while process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0.0, pause_s))
                break
            kind = kill_one(process.pid, chance)
            outcome.kills[kind] += kind != ""
        if process.returncode == 0:
            break
    outcome.wall_s = time.perf_counter() - began
    compare(folder, outcome)
    outcome.processes = left_processes(folder)
    outcome.files = left_files(folder)
    return outcome


def run_undisturbed(command: list[str], results: Path, options: dict[str, Any]) -> float:
    """Run to the end; return the seconds until the first record. Raises RuntimeError if a trial fails."""
    began, first_s = time.perf_counter(), 0.0
    with subprocess.Popen(command, **options) as process:
        while process.poll() is None:
            if not first_s and any(results.glob("*/*.json")):
                first_s = time.perf_counter() - began
            time.sleep(0.05)
    if process.returncode != 0:
        raise RuntimeError(f"the undisturbed run ended with exit code {process.returncode}")
    return first_s or time.perf_counter() - began


def kill_one(parent: int, chance: random.Random) -> str:
    """Kill the parent, its fork server or a worker; return which, "" if it has ended."""
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(parent)
        servers = [child for child in root.children() if "forkserver" in " ".join(child.cmdline())]
        workers = [worker for server in servers for worker in server.children()]
        kind, among = chance.choice([("parent", [root]), ("fork server", servers), ("worker", workers)])
        if among:
            chance.choice(among).kill()
            return kind
    return ""


def compare(folder: Path, outcome: Outcome) -> None:
    """Compare the trials of both runs by seed, in everything but times."""
    quiet, killed = records(folder / "quiet"), records(folder / "killed")
    outcome.statuses = Counter(record["status"] for record in killed)
    results = {record["seed"]: result_of(record) for record in quiet}
    done = [record for record in killed if record["status"] == "ok"]
    times = Counter(record["seed"] for record in done)
    outcome.repeated = [f"seed {seed}: {count} times" for seed, count in times.items() if count > 1]
    for seed, expected in results.items():
        found = [result_of(record) for record in done if record["seed"] == seed]
        if not found or any(result != expected for result in found):
            outcome.different.append(f"seed {seed}: {found or 'missing'}")


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted(folder.glob("*/*.json"))]


def result_of(record: dict[str, Any]) -> object:
    """The scores, the selected step and the curve; repr of a float is exact."""
    measured = record["measured"]
    curve = [{key: value for key, value in point.items() if key != "seconds"} for point in record["curve"]]
    return repr([measured["scores"], measured["steps"], measured.get("selected_step"), curve])


def left_processes(folder: Path) -> list[str]:
    """The processes of all runs that are left after five seconds."""
    ends = time.monotonic() + 5
    while (left := _marked(folder)) and time.monotonic() < ends:
        time.sleep(0.1)
    return left


def _marked(folder: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("KILLS_OF") == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {' '.join(process.cmdline())}")
    return found


def left_files(folder: Path) -> list[str]:
    """Temporary files and folders: of results, of the cache, and the files of running trials."""
    patterns = ("killed/.staging/*", "killed/**/.*.tmp", "killed/**/.*tmp*", "cache/running/*", "cache/**/.*tmp*")
    return sorted({str(path.relative_to(folder)) for pattern in patterns for path in folder.glob(pattern)})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(Path(folder), trials=arguments.trials, seed=arguments.seed)
    kills = ", ".join(f"{count} of a {kind}" for kind, count in sorted(outcome.kills.items()) if kind)
    print(f"{outcome.trials} trials in {outcome.wall_s:.0f} s with the undisturbed run, {outcome.starts} starts")
    print(f"{outcome.kills.total()} kills: {kills}")
    print(f"records: {', '.join(f'{count} {status}' for status, count in sorted(outcome.statuses.items()))}")
    for what, found in (
        ("trials that differ or are missing", outcome.different),
        ("finished trials that ran again", outcome.repeated),
        ("processes left", outcome.processes),
        ("files left", outcome.files),
    ):
        print("\n    ".join([f"{what}: {len(found)}", *found[:10]]))
    print("passed" if outcome.passed else "FAILED")
    return 0 if outcome.passed else 1


if __name__ == "__main__":
    sys.exit(main())
