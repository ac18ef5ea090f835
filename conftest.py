"""Shared by all tests: a cache of their own, the command line in this process, plugins made on the spot, real data."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).resolve().parent

# Before anything starts a worker: its server keeps the environment it was started with.
_CACHE = tempfile.TemporaryDirectory(prefix="zoo-tests-", ignore_cleanup_errors=True)
os.environ["ZOO_CACHE"] = _CACHE.name
os.environ["COLUMNS"] = "200"
for _name in ("ZOO_RESULTS", "ZOO_DATA_ROOT", "ZOO_START", "FORCE_COLOR", "NO_COLOR"):
    os.environ.pop(_name, None)


def _pin_to_own_cores() -> None:
    """Give each parallel test worker cores of its own.

    Trials choose their threads by the usable cores. The threads of two trainings on the same cores wait for each other,
    which slows small nets down tens of times.
    """
    worker, count = os.environ.get("PYTEST_XDIST_WORKER", ""), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if worker.startswith("gw") and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[int(worker[2:]) :: count] or cores)


_pin_to_own_cores()


def _shipped_plugins() -> list[str]:
    """The plugins of this repository, from their pyproject files."""
    files = [*ROOT.glob("plugins/*/pyproject.toml"), ROOT / "leaderboard" / "pyproject.toml"]
    return [name for file in files for name in tomllib.loads(file.read_text())["project"]["entry-points"]["zoo"]]


# Tests see the shipped plugins only: what else is installed here, perhaps broken, changes no result.
os.environ["ZOO_LOAD_PLUGINS"] = ",".join(_shipped_plugins())


SESSION = "ZOO_TEST_SESSION"  # in the environment of every process that this one starts, and of what those start
os.environ[SESSION] = f"{os.getpid()} {_CACHE.name}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that take minutes, unless `-m nightly` asks for them, and begin with the slowest files.

    Parallel workers take one file at a time: a slow one at the end would leave the others without work.
    """
    if "nightly" not in config.getoption("-m"):
        left_out = [item for item in items if item.get_closest_marker("nightly")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("nightly")]
    tests = Counter(item.path for item in items)
    slow_tests = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (-slow_tests[item.path], -tests[item.path], item.path))


@pytest.fixture(autouse=True, scope="session")
def _nothing_is_left() -> Iterator[None]:
    """Fail the session, of each parallel test worker, if its tests left a process of the zoo or a file in the cache."""
    yield
    ends = time.monotonic() + 10
    while (left := _left_processes()) and time.monotonic() < ends:
        time.sleep(0.1)
    running = [*Path(_CACHE.name).glob("running/*"), *Path(_CACHE.name).glob(".probe.*")]
    assert not left, f"the tests left processes: {left}"
    assert not running, f"the tests left files: {running}"


def _left_processes() -> list[str]:
    """The processes of the zoo that this session started, but the fork server, which serves all tests."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            environment, words = process.environ(), process.cmdline()
            is_server = process.ppid() == os.getpid() and any("multiprocessing" in word for word in words)
            is_zoo = "ZOO_JOB" in environment or any("zoo" in word for word in words)
            is_dead = process.status() == psutil.STATUS_ZOMBIE
            if environment.get(SESSION) == os.environ[SESSION] and is_zoo and not (is_server or is_dead):
                found.append(f"{process.pid}: {' '.join(words)}")
    return [text for text in found if not text.startswith(f"{os.getpid()}:")]


@dataclass(frozen=True)
class Finished:
    """How a call of the command line ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Finished]]:
    """Call `zoo` with words, in this process and in an empty folder: `zoo("list", "models")`."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str | Path) -> Finished:
        from zoo_core.cli import main

        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "argv", ["zoo", *map(str, words)])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
        return Finished(code, out.getvalue(), err.getvalue())

    yield call
    staged = list(tmp_path.glob(f"**/.staging/{os.getpid()}-*"))
    assert not staged, f"a run left {staged}"


@pytest.fixture
def make_plugin(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Install a plugin for one test, with real metadata: `make_plugin("zoo-bad", "raise RuntimeError")`.

    The module is named like the plugin with underscores; workers find it too, since they get this process's path.
    """

    def make(name: str, source: str, version: str = "1.0") -> Path:
        folder = tmp_path_factory.mktemp("plugin")
        module = name.replace("-", "_")
        (folder / f"{module}.py").write_text(textwrap.dedent(source))
        info = folder / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: a test's\n")
        (info / "entry_points.txt").write_text(f"[zoo]\n{name} = {module}\n")
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.setenv("ZOO_LOAD_PLUGINS", f"{os.environ['ZOO_LOAD_PLUGINS']},{name}")
        return folder

    return make


@pytest.fixture
def pip_install(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Path]]:
    """Install packages as pip does, but for one test and into a folder: `pip_install("./zoo-a", plugins=["zoo-a"])`.

    This process and its workers see their plugins, so the test can call them without a new process.
    """
    folder = tmp_path_factory.mktemp("installed")

    def install(*packages: str | Path, plugins: Sequence[str]) -> Path:
        pip = "pip install -q --disable-pip-version-check --no-deps --no-build-isolation --target"
        subprocess.run([sys.executable, "-m", *pip.split(), folder, *packages], check=True, capture_output=True)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setenv("ZOO_LOAD_PLUGINS", ",".join([os.environ["ZOO_LOAD_PLUGINS"], *plugins]))
        return folder

    yield install
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(f"{folder}{os.sep}"):
            del sys.modules[name]


@pytest.fixture
def only_plugins(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let `zoo` see only the plugins named, so that `--all` is a matter of seconds: `only_plugins("zoo-cosine")`."""

    def hide_others(*names: str) -> None:
        points = [point for point in entry_points(group="zoo") if point.name in names]
        monkeypatch.setattr("zoo_core.registry.plugins.entry_points", lambda **_: points)
        monkeypatch.setenv("ZOO_LOAD_PLUGINS", ",".join(names))

    return hide_others


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data. Without it a test is skipped, unless `ZOO_TEST_DATA` says that it must be there."""
    named = os.environ.get("ZOO_TEST_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        if named:
            pytest.fail(f"ZOO_TEST_DATA={named} is not a folder")
        pytest.skip("no real data: set ZOO_TEST_DATA to the folder that holds mnist.tar")
    return folder


@pytest.fixture(scope="session")
def mnist_root(test_data: Path) -> Iterator[Path]:
    """The complete MNIST, as the four official files."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(test_data / "mnist.tar") as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder) / "mnist"


@dataclass(frozen=True)
class LoggedTrial:
    """What a logger gets for one trial."""

    began: Any
    points: Sequence[Any]
    record: Any
    files: Any

    def send_to(self, logger: Any) -> str:
        """Make all calls of a run with this trial; return what `close` returned."""
        logger.began(self.began)
        for point in self.points:
            logger.evaluated(point)
        logger.finished(self.record, self.files)
        return str(logger.close())


@pytest.fixture
def logged_trial(tmp_path: Path) -> LoggedTrial:
    """A trial with numbers that single precision would round, and with names and texts that trackers refuse."""
    import numpy as np

    from zoo_core.loggers import TrialBegan, TrialFiles
    from zoo_core.pictures import png
    from zoo_core.results import records

    task = records.TaskFacts(
        name="zoo-cosine:cosine",
        title="Cosine",
        summary="",
        version=1,
        kind="regression",
        kind_version=1,
        metric="a*b",
        higher_is_better=False,
        unit="examples",
    )
    dataset = records.DatasetFacts(
        name="zoo-cosine:cosine", title="", version=1, origin="exact", licence="CC0-1.0", fingerprint="f"
    )
    model = records.ModelFacts(name="zoo-cosine:mlp", title="", version=1, code_sha256="0", parameters=4417)
    device = records.DeviceFacts(kind="cpu")
    recipe = {"lr": 0.1, "widths": [64, 64], "nesterov": True, "note": "x" * 10_000, "odd\nkey": 3}
    began = TrialBegan(
        name="cosine mlp cpu seed 7",
        slug="cosine-mlp-cpu-seed7-0123abcd",
        number=1,
        total=1,
        key="0123abcd" * 8,
        task=task,
        dataset=dataset,
        model=model,
        device=device,
        seed=7,
        recipe=recipe,
        recipe_class="custom",
    )
    curve = [
        records.CurvePoint(step=10 * n, seconds=n / 3, train_loss=1 / (3 * n), val_score=0.1 / n) for n in (1, 2, 3)
    ]
    scores = {"a*b": 0.1, "a+b": 1 / 3, "../up": 2.5e-300, "none": None, "top/5 ж": 1e300, "x" * 400: 1.0}
    record = records.Record(
        schema=records.SCHEMA,
        id="0123abcd-machine-1",
        key=began.key,
        status="ok",
        started_at="2026-01-02T03:04:05.000006+00:00",
        task=task,
        dataset=dataset,
        model=model,
        device=device,
        seed=7,
        recipe=recipe,
        recipe_class="custom",
        budget="length",
        curve=curve,
        wall_s=2 / 3,
        measured=records.Measured(
            scores=scores, val_scores={"a*b": 0.1 / 3}, steps=30, units=2**53, train_s=1.1, throughput=27.272727272727
        ),
    )
    (tmp_path / "record.json").write_bytes(records.encode(record))
    (tmp_path / "picture-0.png").write_bytes(png(np.full((4, 6, 3), 200, np.uint8)))
    (tmp_path / "text-0.txt").write_text("<script>1</script>\n# ж", encoding="utf-8")
    (tmp_path / "checkpoint.safetensors").write_bytes(b"weights")
    files = TrialFiles(
        record=tmp_path / "record.json",
        pictures={"the/curve *": tmp_path / "picture-0.png"},
        texts={"words": tmp_path / "text-0.txt"},
        checkpoint=tmp_path / "checkpoint.safetensors",
    )
    return LoggedTrial(began, curve, record, files)
