"""`zoo list` with twenty plugins, three of them broken, against the seventeen sound ones (bound: 1.3 times).

Medians of seven, interleaved.

.venv/bin/python benchmarks/many_plugins.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPEATS, BOUND = 7, 1.3

SOUND = """
from zoo_core import DatasetSpec, ModelSpec, Signature, TaskSpec, hookimpl

POINT = Signature(input_shape=(1,), outputs=1)

@hookimpl
def zoo_tasks():
    return [TaskSpec(name="task{n}", title="Task", summary="", kind="regression", datasets=("data{n}",),
                     metric="mse", higher_is_better=False)]

@hookimpl
def zoo_datasets():
    return [DatasetSpec(name="data{n}", title="Data", origin="exact", licence="CC0-1.0", signature=POINT, entry="m:D")]

@hookimpl
def zoo_models():
    return [ModelSpec(name="model{n}", entry="m:build")]
"""
BROKEN = {
    "zoo-broken-syntax": "def broken(:\n",
    "zoo-broken-import": "import no_such_package_here\n",
    "zoo-broken-hook": "from zoo_core import hookimpl\n\n@hookimpl\ndef zoo_tasks(config):\n    return []\n",
}


def install(folder: Path, name: str, source: str) -> None:
    """What pip would leave in `folder` of a plugin of one module."""
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[zoo]\n{name} = {module}\n")


def list_tasks(*folders: Path, names: list[str]) -> tuple[float, subprocess.CompletedProcess[str]]:
    path = os.pathsep.join([*map(str, folders), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "ZOO_LOAD_PLUGINS": ",".join(names)}
    began = time.perf_counter()
    command = [sys.executable, "-m", "zoo_core", "list"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return time.perf_counter() - began, done


def main() -> int:
    with tempfile.TemporaryDirectory() as place:
        good, bad = Path(place, "sound"), Path(place, "broken")
        good.mkdir(), bad.mkdir()
        sound = [f"zoo-sound-{number}" for number in range(17)]
        for number, name in enumerate(sound):
            install(good, name, SOUND.replace("{n}", str(number)))
        for name, source in BROKEN.items():
            install(bad, name, source)
        every = [*sound, *BROKEN]
        done = list_tasks(good, bad, names=every)[1]
        assert done.stdout.count("task") >= 17, done.stdout
        assert all(name in done.stderr for name in BROKEN), done.stderr
        pairs = [(list_tasks(good, names=sound)[0], list_tasks(good, bad, names=every)[0]) for _ in range(REPEATS)]
    seventeen, twenty = (statistics.median(column) for column in zip(*pairs, strict=True))
    passed = twenty <= BOUND * seventeen
    print(f"17 sound {seventeen:.3f} s, with 3 broken {twenty:.3f} s, ratio {twenty / seventeen:.2f}")
    print(f"{'passed' if passed else 'FAILED'}: at most {BOUND}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
