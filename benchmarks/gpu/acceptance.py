"""Proves on one GPU, in about eight minutes, that the zoo's accelerator half works, and measures it. One command:

    .venv/bin/python benchmarks/gpu/acceptance.py --device cuda --out gpu

It needs no network. On a machine that has torch, torchvision and timm but not the zoo, make wheels here, copy them and
this folder there, and install them first:

    for package in . plugins/*/; do python -m pip wheel -q --no-deps -w wheels "$package"; done
    python -m pip download -q --no-deps -d wheels msgspec platformdirs pluggy psutil requests typer   # what it lacks

The folder `--out` then holds `report.txt`, `trials.json`, `steps.json`, `doctor.json` and `records.tgz`, from which
`zoo results merge` and `zoo leaderboard build` make the GPU's part of a leaderboard. Exit code 1 if anything failed.

Without a GPU the test accelerator runs the same, less what is CUDA's alone:

    python tests/device/build.py /tmp/openreg
    PYTHONPATH=/tmp/openreg .venv/bin/python benchmarks/gpu/acceptance.py --device openreg --short
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STEPS = Path(__file__).with_name("steps.py")
TRIAL_S, CALL_S = 120, 300  # for a trial, and for one call of `zoo`
SMALL_BATCH = 8  # examples
MAX_SEED_GAP, MAX_DEVICE_GAP, MAX_EVALUATION_GAP = 0.01, 0.03, 0.02  # between scores that should be close

# The words of `zoo bench`, without device and length; the steps of a short run and of a whole one.
Call = tuple[str, int, int]
CALLS: list[Call] = [
    ("cosine --model mlp --seeds 3", 20, 300),
    ("mnist --model zoo-mnist:cnn --model zoo-mnist:cnn-fast --save", 10, 600),
    ("mnist --model zoo-mnist:cnn --dtype bf16", 10, 600),
    ("pose --model lstm --model transformer --save", 4, 100),
    ("motion --model lstm", 4, 100),
    ("gan-digits --model dcgan", 3, 60),
    ("membrane --model unet --dtype bf16 --save", 2, 40),
    ("cifar10 --model zoo-cifar10:resnet-18 --dtype bf16", 2, 60),
    ("cifar10 --model timm/resnet10t", 2, 20),
    ("dogs70 --model zoo-dogs70:squeezenet-1.0 --weights none", 2, 40),
]
CUDA_CALLS: list[Call] = [("mnist --model zoo-mnist:cnn --compile", 100, 100)]
SAVED = {"mnist": "accuracy", "pose": "accuracy", "membrane": "dice"}  # tasks whose checkpoints are scored again
TOO_MUCH = "cifar10 --model zoo-cifar10:resnet-18 --max-steps 3 --set image_size=512 --set batch_size=4096"


@dataclass
class Session:
    """One acceptance run: what it was asked, where it writes, and what failed."""

    device: str
    out: Path
    work: Path
    short: bool
    began: float = field(default_factory=time.monotonic)
    failures: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Print a line, and add it to the report."""
        print(text, flush=True)
        with (self.out / "report.txt").open("a") as report:
            report.write(f"{text}\n")

    def part(self, title: str) -> None:
        self.say(f"\n== {time.monotonic() - self.began:.0f} s: {title}")

    def fail(self, text: str) -> None:
        self.failures.append(text)
        self.say(f"FAILED: {text}")

    def zoo(self, words: str, *, results: str = "results", **environment: str) -> subprocess.CompletedProcess[str]:
        """Call `zoo` with words, in a cache of its own."""
        variables = {"ZOO_CACHE": str(self.work / "cache"), "ZOO_RESULTS": str(self.work / results), "COLUMNS": "200"}
        command, variables = (
            [sys.executable, "-m", "zoo_core", *words.split()],
            {**os.environ, **variables, **environment},
        )
        try:
            return subprocess.run(command, capture_output=True, text=True, env=variables, timeout=CALL_S)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 124, "", f"not done after {CALL_S} s")

    def bench(self, words: str, device: str, *, results: str = "results") -> bool:
        """Run `zoo bench`; return whether it ended well, and say what it said if not."""
        command = f"bench {words} --device {device} --offline --timeout {TRIAL_S}"
        done = self.zoo(command, results=results)
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
            self.fail(f"zoo {command}: exit {done.returncode}: {' | '.join(last)}")
        return done.returncode == 0

    def length(self, short: int, whole: int) -> str:
        """Return the options for the length of a training; a short one also has small batches."""
        return f"--max-steps {short} --set batch_size={SMALL_BATCH}" if self.short else f"--max-steps {whole}"

    def records(self, results: str = "results") -> list[dict[str, Any]]:
        """Return the records of a results folder, oldest first."""
        found = [json.loads(path.read_bytes()) for path in (self.work / results).glob("*/*.json")]
        return sorted((row for row in found if "started_at" in row), key=lambda row: row["started_at"])


def check_machine(session: Session) -> None:
    session.part("the machine")
    done = session.zoo("doctor --json")
    if done.returncode:
        return session.fail(f"zoo doctor: exit {done.returncode}: {done.stderr[-300:]}")
    facts = json.loads(done.stdout)
    (session.out / "doctor.json").write_text(json.dumps(facts, indent=1))
    for name in ("cpu", "cpu_features", "usable_cores", "memory_mib", "versions", "driver", "devices"):
        session.say(f"{name}: {facts[name]}")
    if not any(f"{session.device}:0" in text for text in facts["devices"]):
        session.fail(f"zoo doctor does not name {session.device}:0")
    return None


def run_trials(session: Session) -> None:
    session.part("trials in worker processes: every kind, both precisions, several seeds")
    for words, short, whole in CALLS + (CUDA_CALLS if session.device == "cuda" else []):
        session.bench(f"{words} {session.length(short, whole)}", session.device)
    length = session.length(*CALLS[1][1:])
    session.bench(f"mnist --model zoo-mnist:cnn {length}", "cpu")
    session.bench(f"mnist --model zoo-mnist:cnn {length}", session.device, results="again")
    rows = [summary_of(record) for record in session.records()]
    (session.out / "trials.json").write_text(json.dumps(rows, indent=1))
    for row in rows:
        session.say("  ".join(f"{name} {_number(value)}" for name, value in row.items() if value not in (None, "")))
        if row["status"] != "ok":
            session.fail(f"{row['task']} {row['model']} is {row['status']}: {row['reason']}")
        elif row["device"] != "cpu" and not row["peak_mib"]:
            session.fail(f"{row['task']} {row['model']} has no peak memory")


def summary_of(record: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a record that a reader of the report wants."""
    measured, device = record["measured"], record["device"]
    phases = {phase["name"]: phase["seconds"] for phase in record["phases"]}
    return {
        "task": record["task"]["name"].partition(":")[2],
        "model": record["model"]["name"],
        "device": device["kind"],
        "dtype": device["dtype"],
        "compiled": device["compiled"],
        "status": record["status"],
        "score": measured["scores"].get(record["task"]["metric"]),
        "per_s": measured["throughput"],
        "inference_per_s": measured["inference_throughput"],
        "latency_ms": (measured["latency"] or {}).get("median_ms"),
        "peak_mib": measured["peak_memory_mib"],
        "reserved_mib": measured.get("peak_reserved_mib"),
        "start_s": phases.get("start"),
        "wall_s": record["wall_s"],
        "reason": record["reason"].partition("\n")[0],
    }


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def compare_scores(session: Session) -> None:
    session.part("the same seed again, and the CPU")
    again = session.records("again")
    if not again:
        return session.fail("there is no second trial with the same seed")
    same = [row for row in session.records() if row["key"] == again[0]["key"]]
    on_cpu = [row for row in session.records() if row["device"]["kind"] == "cpu"]
    if not (same and on_cpu):
        return session.fail("a trial to compare with is missing")
    first, second, cpu = (row["measured"]["scores"].get("accuracy", 0.0) for row in (same[0], again[0], on_cpu[0]))
    session.say(f"accuracy {first:.4f}, again {second:.4f}, on the CPU {cpu:.4f}")
    if abs(first - second) > MAX_SEED_GAP:
        session.fail(f"the same seed gave accuracies {first:.4f} and {second:.4f}")
    if not session.short and abs(first - cpu) > MAX_DEVICE_GAP:  # a few steps leave room for rounding
        session.fail(f"the accuracy is {first:.4f}, on the CPU {cpu:.4f}")
    return None


def score_saved_models(session: Session) -> None:
    session.part("saved models, scored again on both devices")
    for task, metric in SAVED.items():
        saved = sorted((session.work / "results").glob(f"*--{task}/*/checkpoint.safetensors"))
        if not saved:
            session.fail(f"no checkpoint of {task} was saved")
            continue
        for device in (session.device, "cpu"):
            done = session.zoo(f"eval {saved[0]} --device {device} --offline")
            rows = [line.split() for line in done.stdout.splitlines()]
            scores = next((row[1:3] for row in rows if row and row[0] == metric), [])
            session.say(f"{task} on {device}: {' '.join(scores)}")
            if len(scores) < 2 or abs(float(scores[0]) - float(scores[1])) > MAX_EVALUATION_GAP:
                session.fail(f"zoo eval of {task} on {device} differs from what was saved: {done.stderr[-300:]}")


def try_mistakes(session: Session) -> None:
    session.part("mistakes, and too little memory")
    done = session.zoo(f"bench cosine --model mlp --device {session.device}:9 --offline")
    if done.returncode != 2 or "is not available" not in done.stderr:
        session.fail(f"{session.device}:9 is not refused: {done.stderr[-300:]}")
    little = {} if session.device == "cuda" else {"OPENREG_MEMORY_MIB": "4"}
    words = TOO_MUCH if session.device == "cuda" else "mnist --model zoo-mnist:cnn --max-steps 3 --seeds 7,"
    session.zoo(f"bench {words} --device {session.device} --offline --timeout {TRIAL_S}", results="oom", **little)
    statuses = [row["status"] for row in session.records("oom")]
    session.say(f"with too little memory: {statuses}")
    if statuses != ["out_of_memory"]:
        session.fail(f"too little memory gave {statuses or 'no record'}, not out_of_memory")
    if session.device == "cuda":
        done = session.zoo("bench cosine --model mlp --device cuda --offline", CUDA_VISIBLE_DEVICES="")
        if "is not available" not in done.stderr:
            session.fail("cuda is not refused without a visible GPU")


def measure_steps(session: Session, seconds: float) -> None:
    session.part("training steps: synchronisations, operators, time; bare loop and CUDA graph")
    few = ["--only", "^(cosine|mnist|motion|gan-curve) "] if session.short else []
    words = ["--device", session.device, "--seconds", str(seconds), "--out", str(session.out / "steps.json"), *few]
    environment = {**os.environ, "ZOO_CACHE": str(session.work / "cache")}
    command = [sys.executable, str(STEPS), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=seconds + 120)
    except subprocess.TimeoutExpired:
        session.fail(f"steps.py: not done after {seconds + 120:g} s")
        return
    session.say(done.stdout.rstrip())
    if done.returncode:
        session.fail(f"steps.py: a step waits for the device, or a pair cannot train: {done.stderr[-500:]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default=os.environ.get("DEVICE", "cuda"), help="cuda, or openreg; or set DEVICE")
    parser.add_argument("--out", type=Path, default=Path("gpu"), help="the folder for the report, made anew")
    parser.add_argument("--short", action="store_true", help="a few steps of each, to try the session itself")
    parser.add_argument("--seconds", type=float, default=150.0, help="for the training steps, the last part")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "report.txt").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as work:
        session = Session(device=given.device, out=given.out, work=Path(work), short=given.short)
        for part in (check_machine, run_trials, compare_scores, score_saved_models, try_mistakes):
            part(session)
        with tarfile.open(given.out / "records.tgz", "w:gz") as archive:  # before the part that may hang
            archive.add(session.work / "results", "results")
        measure_steps(session, given.seconds)
    session.part("the end")
    session.say("\n".join([f"{len(session.failures)} failures", *session.failures]))
    return 1 if session.failures else 0


if __name__ == "__main__":
    sys.exit(main())
