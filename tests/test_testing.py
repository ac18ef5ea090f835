"""The pytest plugin: checks as tests, fixtures that work, and no effect unless it is used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zoo_core.measure.environment import machine_id
from zoo_core.results.records import Record
from zoo_core.results.store import Store

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def run_pytest(tmp_path: Path) -> object:
    """Run pytest with the plugin in a process of its own, in an empty folder."""

    def run(*words: str, test: str = "") -> subprocess.CompletedProcess[str]:
        if test:
            (tmp_path / "test_it.py").write_text(test)
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, "-m", "pytest", "-p", "zoo_core.testing", "-p", "no:cacheprovider", "-rA", *words]
        # pytest-benchmark measures nothing in a worker of pytest-xdist; this process is none, whatever runs this test.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
        environment = {**inherited, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run


def test_each_check_of_a_name_is_a_test_of_its_own(run_pytest) -> None:
    done = run_pytest("--zoo", "zoo-cosine:mlp", test="def test_not_asked_for(): assert False")
    assert done.returncode == 0, done.stdout
    assert "PASSED model zoo-cosine:mlp on zoo-cosine:cosine::gradients" in done.stdout
    assert "it has no `backbone` and `head`" in done.stdout
    assert "test_not_asked_for" not in done.stdout
    assert "collected 22 items" in done.stdout


def test_a_failed_check_is_a_failed_test_that_says_how_to_fix_it(run_pytest, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\n\nclass Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.used, self.forgotten = nn.Linear(1, 1), nn.Linear(1, 1)\n\n"
        "    def forward(self, x):\n        return self.used(x)\n"
    )
    done = run_pytest("--zoo", "./net.py:Net")
    assert done.returncode == 1
    assert "model gradients: 2 of 4 parameters get no gradient, such as forgotten.weight" in done.stdout
    assert "To fix: Call the layer in `forward`, remove it" in done.stdout
    assert "SKIPPED" in done.stdout
    assert "not run: it needs gradients, which did not pass" in done.stdout


def test_an_unknown_name_is_a_usage_error(run_pytest) -> None:
    done = run_pytest("--zoo", "cosin")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "unknown name 'cosin': did you mean cosine or zoo-cosine?" in done.stderr


def test_without_the_option_it_imports_no_torch_and_collects_no_check(run_pytest) -> None:
    test = "import sys\n\ndef test_it():\n    assert not {'torch', 'numpy', 'zoo_core.registry'} & set(sys.modules)\n"
    done = run_pytest(test=test)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


FIXTURES = """
def test_a_registry_of_one_module(zoo_registry):
    import zoo_cosine

    assert zoo_registry().tasks == []
    registry = zoo_registry(zoo_cosine)
    assert [task.qualified for task in registry.tasks] == ["zoo-cosine:cosine"]
    assert [model.name for model in registry.models_for(registry.tasks[0])] == ["mlp", "linear"]


def test_a_trial_of_one_step(zoo_trial, zoo_results):
    record = zoo_trial("cosine", "mlp", lr=0.5)
    assert (record.status, record.measured.steps, record.recipe["lr"]) == ("ok", 1, 0.5)
    assert len(list(zoo_results.glob("*/*.json"))) == 1


def test_tiny_data_of_every_kind(zoo_tiny_data):
    from zoo_core.kinds import KINDS

    for kind in KINDS:
        drawn = zoo_tiny_data(kind)
        train = drawn.data.split("train").columns
        assert drawn.task.kind == kind
        assert train["x"].shape[1:] == drawn.data.signature.input_shape
        assert len(train["x"]) == len(train["y"]) == 24
    assert zoo_tiny_data("image-classification", (1, 5, 7), 2).data.split("val").columns["x"].shape == (24, 1, 5, 7)


def test_inference(zoo_benchmark_model):
    assert zoo_benchmark_model("mlp", "cosine", examples=5).shape == (5, 1)


def test_training(zoo_benchmark_model):
    assert zoo_benchmark_model("mlp", "cosine", "training step", examples=40).n == 40
"""


def test_the_fixtures_for_authors_do_what_they_say(run_pytest, tmp_path: Path) -> None:
    words = ("--benchmark-min-rounds=2", "--benchmark-max-time=0.05", "--benchmark-json=benchmark.json")
    done = run_pytest(*words, test=FIXTURES)
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout
    results = tmp_path / "records"
    command = [sys.executable, "-m", "zoo_core", "results", "import", "benchmark.json", "--results", results]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    records = [record for record in Store(results).read() if isinstance(record, Record)]
    found = {record.benchmark.what: record for record in records if record.benchmark is not None}
    assert {what: record.benchmark.examples for what, record in found.items()} == {"inference": 5, "training step": 40}
    for record in found.values():
        assert (record.source, record.model.name, record.model.parameters) == (
            "pytest-benchmark",
            "zoo-cosine:mlp",
            4353,
        )
        assert record.environment["machine"] == machine_id()
        assert "steps" not in record.recipe
