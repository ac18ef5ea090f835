"""Check that listing, results and the leaderboard work without torch. The session `listing` runs this file."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = ["zoo-leaderboard", *(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))]
TASKS = [
    *("autograd", "cats-and-dogs", "char-rnn", "cifar10", "compression", "cosine", "denoising", "dogs70", "gan-curve"),
    *("gan-digits", "generation", "matmul", "membrane", "metric-learning", "mnist", "motion", "optimizers", "pose"),
    *("road-scenes", "road-signs", "sign-language", "sobel", "traffic-signs", "two-classes", "word2vec"),
]


def zoo(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-m", "zoo_core", *words], capture_output=True, text=True, check=False)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done


def main() -> None:
    assert find_spec("torch") is None, "torch is installed here, so this check would prove nothing"
    tasks = [row["task"] for row in json.loads(zoo("list", "--json").stdout)]
    assert sorted(tasks) == TASKS, tasks
    for what in ("models", "datasets", "pairs"):
        assert json.loads(zoo("list", what, "--json").stdout)
    states = {row["plugin"]: row["state"] for row in json.loads(zoo("list", "plugins", "--json").stdout)}
    assert states == dict.fromkeys(PLUGINS, "ok"), states
    zoo("show", "mnist")
    assert json.loads(zoo("doctor", "--json").stdout)["devices"] == "unknown: torch is not installed"
    missing = zoo("bench", "cosine", code=2)
    assert "pip install 'zoo-core[torch]'" in missing.stderr, missing.stderr
    with tempfile.TemporaryDirectory() as folder:
        build_leaderboard(Path(folder))
    print(f"without torch: {', '.join(tasks)} listed, a leaderboard built")


def build_leaderboard(folder: Path) -> None:
    """Build a leaderboard from one record that is written by hand, since no trial runs without torch."""
    from zoo_core.results.records import SCHEMA, DatasetFacts, DeviceFacts, Measured, ModelFacts, Record, TaskFacts
    from zoo_core.results.store import Store

    task = TaskFacts(
        name="a:b",
        title="B",
        summary="",
        version=1,
        kind="regression",
        kind_version=1,
        metric="mse",
        higher_is_better=False,
        unit="points",
    )
    record = Record(
        schema=SCHEMA,
        id="k-m-1",
        key="k",
        status="ok",
        started_at="2026-01-01T00:00:00+00:00",
        task=task,
        dataset=DatasetFacts(name="a:d", title="D", version=1, origin="exact", licence="CC0-1.0", fingerprint="f"),
        model=ModelFacts(name="a:m", title="M", version=1, code_sha256=""),
        device=DeviceFacts(kind="cpu"),
        seed=0,
        recipe={},
        recipe_class="default",
        budget="length",
        measured=Measured(scores={"mse": 0.5}),
    )
    Store(folder / "results").save(record)
    zoo("leaderboard", "build", str(folder / "results"), "--out", str(folder / "site"))
    assert (folder / "site" / "index.html").is_file()


if __name__ == "__main__":
    main()
