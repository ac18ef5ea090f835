"""The five commands from an idea to the board, by the clock: each template once (bound: 120 s each).

pip installs into a folder beside the environment, without its dependencies: torch is there already.

.venv/bin/python benchmarks/new_plugin.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BOUND = 120.0
TEMPLATES = {
    "model": ("tiny-net", "--task", "mnist"),
    "dataset": ("tiny-pictures",),
    "task": ("tiny-task",),
    "plugin": ("tiny-plugin",),
}


def run(folder: Path, *words: str | Path) -> tuple[float, str]:
    """Seconds and output of a module's command line in `folder`, where `installed` holds the new package."""
    path = os.pathsep.join([str(folder / "installed"), os.environ.get("PYTHONPATH", "")])
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}: {done.stdout}{done.stderr}")
    return time.perf_counter() - began, done.stdout


def five_commands(what: str, words: tuple[str, ...]) -> list[float]:
    """Seconds of each command that `zoo new` begins and names."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        first, out = run(folder, "zoo_core", "new", what, *words, "--defaults")
        _, *others = [line.split() for line in out.splitlines() if line.startswith("  ")]
        pip = "pip install -q --disable-pip-version-check --no-deps --no-build-isolation --target installed"
        seconds = [first, run(folder, *pip.split(), f"./zoo-{words[0]}")[0]]
        return seconds + [run(folder, "zoo_core", *command[1:])[0] for command in others]


def main() -> int:
    slowest = 0.0
    for what, words in TEMPLATES.items():
        seconds = five_commands(what, words)
        names = ("new", "pip install", "check", "bench", "leaderboard build")
        parts = ", ".join(f"{name} {value:.1f} s" for name, value in zip(names, seconds, strict=True))
        print(f"{what}: {sum(seconds):.1f} s ({parts})")
        slowest = max(slowest, sum(seconds))
    print(f"{'passed' if slowest <= BOUND else 'FAILED'}: at most {BOUND:.0f} s")
    return 0 if slowest <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
