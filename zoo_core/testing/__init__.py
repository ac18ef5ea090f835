"""A pytest plugin for authors: checks as tests, and fixtures. It stays inactive until you use one of these.

`pytest --zoo NAME` runs each check of `zoo check NAME` as a test. Without a path, it runs no other tests.
Fixtures:
    zoo_registry: a function that builds a registry from modules with hooks, without the installed plugins.
    zoo_results: a temporary folder of records, which `zoo` commands use too.
    zoo_trial: a function `(task, model, **settings)` that trains one step in a worker and returns the Record.
    zoo_tiny_data: a function `(kind, shape, outputs)` that makes a few synthetic examples of a shared kind.
    zoo_benchmark_model: a function `(model, task, what)` that measures a model's `training step` or `inference` with
        pytest-benchmark. `zoo results import` adds the output of `--benchmark-json` to the records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from zoo_core.checks import Check, CheckResult, Subject
    from zoo_core.checks.data import SyntheticTask
    from zoo_core.registry import Registry
    from zoo_core.results.benchmarks import BenchmarkedCall
    from zoo_core.results.records import Record

INFERENCE: BenchmarkedCall = "inference"
TRAINING_STEP: BenchmarkedCall = "training step"
BENCHMARK_BATCH_SIZE = 32


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("zoo", "conformance checks of zoo plugins")
    group.addoption(
        "--zoo",
        action="append",
        default=[],
        metavar="NAME",
        help="run the checks of a plugin, task, data set or model as tests; repeat for several",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.option.zoo and config.args_source != pytest.Config.ArgsSource.ARGS:
        config.args = []  # run only the checks, not the tests of this folder


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    for collector in _collect_subjects(session, config.option.zoo) if config.option.zoo else ():
        report = collector.ihook.pytest_make_collect_report(collector=collector)
        collector.ihook.pytest_collectreport(report=report)  # adds the items to pytest's count
        items.extend(report.result)


def _collect_subjects(session: pytest.Session, names: list[str]) -> Iterator[SubjectCollector]:
    from zoo_core.checks.subjects import find_subjects
    from zoo_core.errors import ZooError
    from zoo_core.registry import Registry

    registry = Registry.load()
    try:
        subjects = find_subjects(registry, names)
    except ZooError as error:
        raise pytest.UsageError(f"--zoo: {error}") from error
    for subject in subjects:
        name = f"{subject.what} {subject.title}"
        yield SubjectCollector.from_parent(session, name=name, nodeid=name, subject=subject, registry=registry)


class SubjectCollector(pytest.Collector):
    """Collects the checks of one subject. The first test runs all of them together."""

    def __init__(self, *, subject: Subject, registry: Registry, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._subject, self._registry = subject, registry
        self._results: dict[str, CheckResult] = {}

    def collect(self) -> list[pytest.Item]:
        from zoo_core.checks.table import CHECKS

        return [CheckItem.from_parent(self, name=check.name, check=check) for check in CHECKS[self._subject.what]]

    def result(self, name: str) -> CheckResult:
        if not self._results:
            from zoo_core.checks.suite import Settings, run_suite
            from zoo_core.runner.executor import LocalExecutor

            results = run_suite(self._registry, [self._subject], Settings(make_executor=LocalExecutor))
            self._results = {result.check.name: result for result in results}
        return self._results[name]


class CheckItem(pytest.Item):
    """One check as a test. An expected failure is an xfail; a check that did not run is skipped."""

    def __init__(self, *, check: Check, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._check = check

    def runtest(self) -> None:
        assert isinstance(self.parent, SubjectCollector)
        result = self.parent.result(self._check.name)
        if result.state == "failed":
            from zoo_core.checks import CheckFailedError

            raise CheckFailedError(result.reason)
        if result.state == "expected":
            pytest.xfail(result.reason)
        if result.state in ("skipped", "not run"):
            pytest.skip(f"{result.state}: {result.reason}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        check = self._check
        rule = f"It must hold that {check.summary}. Why: {check.why}"
        return f"{check.what} {check.name}: {excinfo.value}\n{rule}\nTo fix: {check.fix}"

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, f"{self.parent.name if self.parent else ''} {self.name}"


@pytest.fixture
def zoo_registry() -> Callable[..., Registry]:
    """A function that builds a registry from modules with hooks, without the installed plugins.

    Example:
        def test_my_plugin_adds_a_task(zoo_registry):
            assert [task.name for task in zoo_registry(zoo_mine).tasks] == ["mine"]
    """
    from importlib.metadata import EntryPoint

    from zoo_core.registry import Registry
    from zoo_core.registry.plugins import discover

    def make_registry(*modules: ModuleType) -> Registry:
        points = [EntryPoint(module.__name__.replace("_", "-"), module.__name__, "zoo") for module in modules]
        return Registry(*discover(points))

    return make_registry


@pytest.fixture
def zoo_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of records, which `zoo` commands use too.

    Example:
        def test_a_trial_writes_one_record(zoo_trial, zoo_results):
            zoo_trial("mnist", "cnn")
            assert len(list(zoo_results.glob("*/*.json"))) == 1
    """
    folder = tmp_path / "results"
    monkeypatch.setenv("ZOO_RESULTS", str(folder))
    return folder


@pytest.fixture
def zoo_trial(zoo_results: Path) -> Callable[..., Record]:
    """A function that trains a model for one step, offline and on the CPU, and returns the Record.

    Keyword arguments are recipe keys.

    Example:
        def test_my_model_trains(zoo_trial):
            assert zoo_trial("mnist", "my-net", lr=0.1).status == "ok"
    """

    def run_trial(task: str, model: str, **settings: Any) -> Record:
        from zoo_core.registry import Pair, Registry
        from zoo_core.results.store import Store
        from zoo_core.runner.executor import LocalExecutor
        from zoo_core.runner.listener import NoDisplay
        from zoo_core.runner.plan import make_plan
        from zoo_core.runner.request import Request
        from zoo_core.runner.run import Run

        registry, store = Registry.load(), Store(zoo_results)
        spec = registry.task(task)
        overrides = {"steps": 1, **settings}
        pair = Pair(spec, registry.model_or_file(model, spec))
        request = Request(pairs=[pair], offline=True, overrides=overrides, force=True, weights="none", command="pytest")
        plan = make_plan(request, registry, store)
        (record,) = Run(plan, store, LocalExecutor(), registry.versions, NoDisplay()).run().new
        return record

    return run_trial


@pytest.fixture
def zoo_tiny_data() -> Callable[..., SyntheticTask]:
    """A function that makes a task of a shared kind with a few synthetic examples: `.task` and `.data`.

    Optional arguments: the input shape and the number of outputs.

    Example:
        def test_my_transform_keeps_the_shape(zoo_tiny_data):
            x = zoo_tiny_data("image-classification", (3, 32, 32)).data.split("train").columns["x"]
            assert my_transform(x).shape == x.shape
    """

    def make_task(kind: str, shape: tuple[int, ...] = (), outputs: int = 0) -> SyntheticTask:
        from zoo_core.checks.data import make_synthetic_task

        return make_synthetic_task(kind, shape, outputs)

    return make_task


@pytest.fixture
def zoo_benchmark_model(benchmark: Any, tmp_path: Path) -> Callable[..., Any]:
    """A function that measures a model with pytest-benchmark: `inference` (default) or a `training step`.

    `examples` is the batch size.

    Example:
        def test_training_speed(zoo_benchmark_model):
            zoo_benchmark_model("cnn", "mnist", "training step", examples=64)
    """

    def measure(model: str, task: str, what: BenchmarkedCall = INFERENCE, examples: int = BENCHMARK_BATCH_SIZE) -> Any:
        from zoo_core.registry import Registry
        from zoo_core.results.benchmarks import EXTRA
        from zoo_core.testing.timing import make_benchmark

        if what not in (INFERENCE, TRAINING_STEP):
            raise pytest.UsageError(f"zoo_benchmark_model: {what!r} is neither {INFERENCE!r} nor {TRAINING_STEP!r}")
        registry = Registry.load()
        spec = registry.task(task)
        call, note = make_benchmark(registry, spec, registry.model_or_file(model, spec), what, examples, tmp_path)
        benchmark.extra_info[EXTRA] = note.as_json()
        return benchmark(call)

    return measure
