"""The pytest plugin for authors: checks as tests, and fixtures. It does nothing until it is asked.

`pytest --zoo NAME` runs the checks of `zoo check NAME` as tests, one each; without a path it runs them alone.
Fixtures:
    zoo_registry: a function of modules that implement hooks; a registry of these alone, nothing installed.
    zoo_results: a temporary folder for records; `zoo` commands write there.
    zoo_trial: a function `(task, model, **settings)` that trains a step in a worker and returns its Record.
    zoo_tiny_data: a function of a shared kind's name (and a shape, and a number of outputs) that draws a few examples.
    zoo_benchmark_model: a function `(model, task, what)` that measures a model's `training step` or `inference` with
        pytest-benchmark; `zoo results import` puts what `--benchmark-json` writes on the board.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from zoo_core.checks import Check, CheckResult, Subject
    from zoo_core.checks.data import Tiny
    from zoo_core.registry import Registry
    from zoo_core.results.benchmarks import BenchmarkedCall
    from zoo_core.results.records import Record

INFERENCE: BenchmarkedCall = "inference"
TRAINING: BenchmarkedCall = "training step"
EXAMPLES = 32  # answered at once in a benchmark


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("zoo", "conformance checks of zoo plugins")
    group.addoption(
        "--zoo",
        action="append",
        default=[],
        metavar="NAME",
        help="run the checks of a plugin, task, data set or model as tests; may be repeated",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.option.zoo and config.args_source != pytest.Config.ArgsSource.ARGS:
        config.args = []  # the checks alone, not what lies in this folder


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    for collector in _subjects(session, config.option.zoo) if config.option.zoo else ():
        report = collector.ihook.pytest_make_collect_report(collector=collector)
        collector.ihook.pytest_collectreport(report=report)  # so that they are counted
        items.extend(report.result)


def _subjects(session: pytest.Session, names: list[str]) -> Iterator[SubjectCollector]:
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
    """A subject; its checks run together when the first of them is asked for."""

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

            found = run_suite(self._registry, [self._subject], Settings(make_executor=LocalExecutor))
            self._results = {result.check.name: result for result in found}
        return self._results[name]


class CheckItem(pytest.Item):
    """One check as a test: what is expected to fail is an xfail, what could not be made is skipped."""

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
        rule = f"It should hold that {check.summary}. Why: {check.why}"
        return f"{check.what} {check.name}: {excinfo.value}\n{rule}\nTo fix: {check.fix}"

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, f"{self.parent.name if self.parent else ''} {self.name}"


@pytest.fixture
def zoo_registry() -> Callable[..., Registry]:
    """A registry of the given modules alone: `zoo_registry(zoo_mine)`; without one it is bare."""
    from importlib.metadata import EntryPoint

    from zoo_core.registry import Registry
    from zoo_core.registry.plugins import discover

    def make(*modules: ModuleType) -> Registry:
        points = [EntryPoint(module.__name__.replace("_", "-"), module.__name__, "zoo") for module in modules]
        return Registry(*discover(points))

    return make


@pytest.fixture
def zoo_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary results folder, which `zoo` commands use too."""
    folder = tmp_path / "results"
    monkeypatch.setenv("ZOO_RESULTS", str(folder))
    return folder


@pytest.fixture
def zoo_trial(zoo_results: Path) -> Callable[..., Record]:
    """Train for one step, offline and on the CPU: `zoo_trial("mnist", "cnn")`; keywords are a recipe's keys."""

    def run(task: str, model: str, **settings: Any) -> Record:
        from zoo_core.registry import Pair, Registry
        from zoo_core.results.store import Store
        from zoo_core.runner.executor import LocalExecutor
        from zoo_core.runner.plan import Request, make_plan
        from zoo_core.runner.run import Run, Silent

        registry, store = Registry.load(), Store(zoo_results)
        spec = registry.task(task)
        overrides = {"steps": 1, **settings}
        pair = Pair(spec, registry.model(model, spec))
        request = Request(pairs=[pair], offline=True, overrides=overrides, force=True, weights="none", command="pytest")
        plan = make_plan(request, registry, store)
        runner = Run(plan, store, LocalExecutor(), registry.versions, Silent())
        runner.open_data()
        (record,) = runner.run().new
        return record

    return run


@pytest.fixture
def zoo_tiny_data() -> Callable[..., Tiny]:
    """A drawn task of a shared kind with its data: `zoo_tiny_data("regression").data.split("train").columns`."""

    def draw(kind: str, shape: tuple[int, ...] = (), outputs: int = 0) -> Tiny:
        from zoo_core.checks.data import tiny

        return tiny(kind, shape, outputs)

    return draw


@pytest.fixture
def zoo_benchmark_model(benchmark: Any, tmp_path: Path) -> Callable[..., Any]:
    """Measure with pytest-benchmark: `zoo_benchmark_model("cnn", "mnist")`, inference or a `training step`."""

    def measure(model: str, task: str, what: BenchmarkedCall = INFERENCE, examples: int = EXAMPLES) -> Any:
        from zoo_core.registry import Registry
        from zoo_core.results.benchmarks import EXTRA
        from zoo_core.testing.timing import measurable

        if what not in (INFERENCE, TRAINING):
            raise pytest.UsageError(f"zoo_benchmark_model: {what!r} is neither {INFERENCE!r} nor {TRAINING!r}")
        registry = Registry.load()
        spec = registry.task(task)
        call, note = measurable(registry, spec, registry.model(model, spec), what, examples, tmp_path)
        benchmark.extra_info[EXTRA] = note.as_json()
        return benchmark(call)

    return measure
