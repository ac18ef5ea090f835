"""What MLflow's own client reads from a local store and from a real server equals the record, to the last bit."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from zoo_core.loggers import numbers_of_point, numbers_of_record, params_of, safe_name
from zoo_core.results.records import decode

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

PLUGINS = Path(__file__).resolve().parents[2]
START_LIMIT_S = 180.0  # of the server; it takes 5 s on a quiet machine


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A new SQLite store; its tables take seconds to make, so that the tests of this file share it."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Artifacts of a local store go to the working folder."""
    monkeypatch.chdir(tmp_path)


def metrics_of(client: Any, run_id: str) -> dict[str, list[tuple[int, float]]]:
    """Step and value of every metric, by name."""
    names = client.get_run(run_id).data.metrics
    return {name: [(item.step, item.value) for item in client.get_metric_history(run_id, name)] for name in names}


def expected_metrics(points: Any, record: Any) -> dict[str, list[tuple[int, float]]]:
    expected: dict[str, list[tuple[int, float]]] = {}
    for point in points:
        for name, value in numbers_of_point(point, record.task.metric).items():
            expected.setdefault(safe_name(name), []).append((point.step, value))
    for name, value in numbers_of_record(record).items():
        expected.setdefault(safe_name(name), []).append((points[-1].step, value))
    return expected


def artifacts_of(client: Any, run_id: str, below: str = "") -> set[str]:
    found: set[str] = set()
    for item in client.list_artifacts(run_id, below):
        found |= artifacts_of(client, run_id, item.path) if item.is_dir else {item.path}
    return found


def model_of(client: Any, run: Any, folder: Path) -> bytes:
    """The content of the only model of a run."""
    from mlflow.artifacts import download_artifacts

    (model,) = client.search_logged_models(
        [run.info.experiment_id], filter_string=f"source_run_id = '{run.info.run_id}'"
    )
    assert model.status == "READY"
    copied = Path(download_artifacts(artifact_uri=model.artifact_location, dst_path=str(folder / "model")))
    (file,) = (path for path in copied.rglob("*") if path.is_file())
    return file.read_bytes()


@pytest.mark.usefixtures("in_folder")
def test_what_mlflow_reads_from_a_local_store_equals_the_record(logged_trial: Any, store: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient
    from zoo_mlflow.logger import MlflowLogger

    assert logged_trial.send_to(MlflowLogger(store)) == f"mlflow ui --backend-store-uri {store}"
    client = MlflowClient(store)
    (experiment,) = [found for found in client.search_experiments() if found.name == "zoo-cosine:cosine"]
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("cosine mlp cpu seed 7", "FINISHED")
    assert metrics_of(client, run.info.run_id) == expected_metrics(logged_trial.points, logged_trial.record)
    values = {safe_name(name): value for name, value in params_of(logged_trial.began).items()}
    assert run.data.params == {name: value if isinstance(value, str) else repr(value) for name, value in values.items()}
    assert len(run.data.params["recipe/note"]) == 500
    assert run.data.tags["zoo.record"] == "0123abcd-machine-1"
    picture = f"pictures/{safe_name('the/curve *', also='_-. ')}/picture-0.png"
    assert artifacts_of(client, run.info.run_id) == {"record.json", picture, "texts/words/text-0.txt"}
    copied = Path(client.download_artifacts(run.info.run_id, picture))
    assert copied.read_bytes() == logged_trial.files.pictures["the/curve *"].read_bytes()
    assert model_of(client, run, tmp_path) == b"weights"


@pytest.mark.usefixtures("in_folder")
def test_a_trial_without_an_end_is_a_failed_run_and_the_next_one_gets_its_own(logged_trial: Any, store: str) -> None:
    from mlflow import MlflowClient
    from zoo_mlflow.logger import MlflowLogger

    os.environ["MLFLOW_EXPERIMENT_NAME"] = "mine"
    try:
        logger = MlflowLogger(store)
        logger.began(logged_trial.began)
        logger.evaluated(logged_trial.points[0])
        logged_trial.send_to(logger)
    finally:
        del os.environ["MLFLOW_EXPERIMENT_NAME"]
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("mine")
    runs = client.search_runs([experiment.experiment_id], order_by=["start_time ASC"])
    assert sorted(run.info.status for run in runs) == ["FAILED", "FINISHED"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A real `mlflow server` with one worker on a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    database, artifacts = f"sqlite:///{tmp_path / 'server.db'}", tmp_path / "artifacts"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", database, "--artifacts-destination", str(artifacts)]
    with (tmp_path / "server.log").open("wb") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(address, running, tmp_path / "server.log")
        yield address
    finally:
        everyone = [*psutil.Process(running.pid).children(recursive=True), running]
        for process in everyone:
            process.kill()
        running.wait()


def wait_until_healthy(address: str, running: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + START_LIMIT_S
    while time.monotonic() < ends and running.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"mlflow server did not start: {log.read_text()[-2000:]}")


@pytest.mark.nightly
@pytest.mark.slow
def test_a_run_is_logged_to_all_trackers_at_once_and_each_equals_the_record(
    server: str, zoo: Callable[..., Any], tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    words = ("bench", "cosine", "--model", "mlp", "--device", "cpu", "--max-steps", "60", "--save")
    done = zoo(*words, "--log", f"mlflow={server}", "--log", "tensorboard", "--log", "wandb")
    assert done.code == 0, done.err
    assert f"logged to mlflow: {server}" in done.err
    (path,) = Path("results").glob("*/*.json")
    record = decode(path.read_bytes())
    assert server not in path.read_text()
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name(record.task.name)
    (run,) = client.search_runs([experiment.experiment_id])
    assert metrics_of(client, run.info.run_id) == expected_metrics(record.curve, record)
    assert float(run.data.params["recipe/lr"]) == record.recipe["lr"]
    copied = client.download_artifacts(run.info.run_id, "record.json")
    assert json.loads(Path(copied).read_bytes()) == json.loads(path.read_bytes())
    files = artifacts_of(client, run.info.run_id)
    assert len(files) == 1 + bool(record.measured.per_example) + len(record.measured.pictures)
    os.environ["MLFLOW_TRACKING_URI"] = server  # for `download_artifacts`
    try:
        model = model_of(client, run, tmp_path)
    finally:
        del os.environ["MLFLOW_TRACKING_URI"]
    assert model == (path.with_suffix("") / record.measured.checkpoint).read_bytes()
    assert in_tensorboard(Path("runs")) == in_wandb(Path("wandb")) == expected_metrics(record.curve, record)


def in_tensorboard(folder: Path) -> dict[str, list[tuple[int, float]]]:
    reader = helpers_of("zoo-tensorboard/tests/test_tensorboard.py")
    (run,) = folder.iterdir()
    found: dict[str, list[tuple[int, float]]] = reader.scalars(reader.read(run))
    return found


def in_wandb(folder: Path) -> dict[str, list[tuple[int, float]]]:
    reader = helpers_of("zoo-wandb/tests/test_wandb.py")
    (file,) = folder.glob("offline-run-*/*.wandb")
    found: dict[str, list[tuple[int, float]]] = {}
    for row in (reader.values(row.item) for row in reader.parts(reader.records_in(file), "history")):
        for name, value in row.items():
            if not name.startswith(("_", "pictures/")):
                found.setdefault(name, []).append((row["_step"], value))
    return found


def helpers_of(file: str) -> Any:
    """The module of another plugin's tests, which reads what its tracker has written."""
    spec = importlib.util.spec_from_file_location(Path(file).stem, PLUGINS / file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.nightly
@pytest.mark.slow
def test_a_server_that_does_not_answer_costs_a_warning_before_the_first_trial(
    zoo: Callable[..., Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # not listening
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        done = zoo(
            "bench", "cosine", "--model", "mlp", "--max-steps", "5", "--device", "cpu", "--log", f"mlflow={address}"
        )
    assert done.code == 0
    (warning,) = [message for message in caplog.messages if message.startswith("warning: logger mlflow")]
    assert "refused" in warning
