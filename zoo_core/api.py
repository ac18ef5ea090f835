"""The zoo in a notebook or a script: `import zoo_core as zoo; zoo.bench("mnist", model=MyNet, seeds=3)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from html import escape
from pathlib import Path
from typing import Any

from zoo_core.errors import UsageError
from zoo_core.registry import Registry
from zoo_core.results.records import FAILED, Record
from zoo_core.results.store import Store
from zoo_core.runner.listener import Listener, NoDisplay
from zoo_core.runner.naming import Model, name_warnings
from zoo_core.runner.request import Request, without_log_targets
from zoo_core.runner.run import run_request
from zoo_core.ui.asked import request_from
from zoo_core.ui.console import complain, messages, print_failed_plugins
from zoo_core.ui.failures import failure_report
from zoo_core.ui.faults import print_faults, print_logged
from zoo_core.ui.formats import align_rows, format_value, html_table
from zoo_core.ui.listing import Listing, rows_of
from zoo_core.ui.notebook import NotebookDisplay, is_notebook
from zoo_core.ui.progress import make_display
from zoo_core.ui.summary import SUMMARY_COLUMNS, group_records, summary_rows


class TableView(list[dict[str, Any]]):
    """A list of rows that a notebook shows as a table. `print` shows aligned columns."""

    def __repr__(self) -> str:
        columns, cells = self._cells()
        return "\n".join(align_rows([columns, *cells])) if columns else "nothing"

    def _repr_html_(self) -> str:
        return html_table(*self._cells())

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        columns = list(self[0]) if self else []
        return columns, [[format_value(value) for value in row.values()] for row in self]

    def to_dataframe(self) -> Any:
        """Return the rows as a pandas DataFrame. Raises UsageError if pandas is not installed."""
        return _to_dataframe(list(self))


class BenchResult:
    """The result of `bench`: the records of all requested trials, new and earlier ones, and their folder."""

    def __init__(self, records: Sequence[Record], folder: Path) -> None:
        self.records = list(records)
        self.folder = folder

    @property
    def failed(self) -> list[Record]:
        """The records whose status is neither `ok` nor `skipped`."""
        return [record for record in self.records if record.status in FAILED]

    def __repr__(self) -> str:
        return "\n".join([*align_rows([SUMMARY_COLUMNS, *self._cells()]), *self._reasons()])

    def _repr_html_(self) -> str:
        reasons = "".join(f"<p>{escape(line)}</p>" for line in self._reasons())
        return html_table(SUMMARY_COLUMNS, self._cells()) + reasons

    def _cells(self) -> list[list[str]]:
        return [[format_value(value) for value in row] for row in summary_rows(group_records(self.records))]

    def _reasons(self) -> list[str]:
        return list(map(str, failure_report(self.records, Store(self.folder))))

    def to_dataframe(self) -> Any:
        """Return one row per trial as a pandas DataFrame. Raises UsageError if pandas is not installed."""
        return _to_dataframe([_record_row(record) for record in self.records])


def bench(
    task: str | Sequence[str] = "",
    *,
    model: Model | Sequence[Model] | None = None,
    name: str = "",
    kind: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    seeds: int | str | Sequence[int] = 1,
    device: str | Sequence[str] = "auto",
    dataset: str = "",
    offline: bool = False,
    data_root: str | Path | None = None,
    recipe: Mapping[str, Any] | None = None,
    quick: bool = False,
    epochs: float | None = None,
    max_steps: int | None = None,
    budget: str | float = "",
    timeout: str | float = "",
    limit: str | float = "",
    max_memory: str = "",
    dtype: str = "",
    compile: bool = False,  # noqa: A002 - named like the command's option
    jobs: int = 1,
    share_device: bool = False,
    executor: str = "",
    address: str = "",
    threads: int = 0,
    weights: str | Path = "",
    save: bool = False,
    onnxruntime: bool = False,
    inspect: bool = False,
    profile: str = "",
    sandbox: bool = False,
    log: str | Sequence[str] = (),
    yes: bool = False,
    force: bool = False,
    retry_failed: bool = False,
    results: str | Path = "results",
    progress: bool = True,
) -> BenchResult:
    """Train and measure models on tasks, like the command `zoo bench`. Recorded trials do not run again.

    Parameters:
        task: a name, a pattern such as "cos*", or several of these.
        model: a model's name, a class or function that builds a model, or a list of these. None means all models of
            the task. A builder receives the signature if its first parameter is named `signature` or has no default.
            Its other parameters with plain defaults are keys of the recipe.
        name: names a model that is in no plugin. Without it, the name consists of the file or notebook, the class, and
            a hash of where it lies.
        seeds: a count (3 means 0, 1, 2) or a list of seeds.
        recipe: recipe keys to change, by name. A list for a key that takes one value means a trial for each of them.
        budget, timeout, limit: seconds, or text such as "60s" or "10m".
        log: loggers, such as "tensorboard" or "mlflow=http://127.0.0.1:5000".
        progress: whether to show progress.
    All other parameters are the options of `zoo bench`.

    Raises:
        UsageError (a ZooError): the arguments are wrong; nothing has run.
        MachineError (a ZooError): the machine has a fault, such as a full disk; nothing has run.
    A trial that fails raises nothing: its record is in the result. Faults of the machine that come later are printed.
    """
    asked = dict(locals())
    registry, store = Registry.load(), Store(Path(results))
    request = _make_request(registry, asked)
    for warning in name_warnings(request, store):
        complain(warning, "warning: ", "yellow")
    _, outcome = run_request(request, registry, store, lambda: _make_listener(progress))
    print_faults(outcome, store)
    print_logged(request, outcome)
    if outcome.interrupted:
        raise KeyboardInterrupt  # a script must not continue with half of the results; the records stay
    return BenchResult(outcome.records, store.folder)


def _make_request(registry: Registry, arguments: Mapping[str, Any]) -> Request:
    """Make the request from the arguments of `bench`. Raises UsageError."""
    changed = {key: value for key, value in arguments.items() if value != _DEFAULTS.get(key, ...)}
    asked = {key: value for key, value in arguments.items() if key not in ("results", "progress")}
    logs = _as_list(asked["log"])
    if logs:
        changed["log"] = without_log_targets(logs, logs)
    model, data_root = asked["model"], asked["data_root"]
    asked |= {
        "tasks": _as_list(asked.pop("task")),
        "model": [model] if callable(model) else _as_list(model or ()),
        "kinds": _as_list(asked.pop("kind")),
        "exclude": _as_list(asked["exclude"]),
        "seeds": _seeds_text(asked["seeds"]),
        "device": _as_list(asked["device"]),
        "data_root": Path(data_root) if data_root else None,
        "settings": asked.pop("recipe") or {},
        "compiled": asked.pop("compile"),
        "weights": str(asked["weights"]),
        "log": logs,
        "allow_many": asked.pop("yes"),
    }
    return request_from(registry, asked, command=_command_text(changed), dashes="")


def _as_list(value: Any) -> list[Any]:
    """Return several values as a list, and one text as a list of it; "" is no value."""
    return ([value] if value else []) if isinstance(value, str) else list(value)


def list_tasks(pattern: str = "*") -> TableView:
    """List the tasks of the installed plugins whose names match, as `zoo list` does."""
    return _list(Listing.tasks, pattern)


def list_models(pattern: str = "*") -> TableView:
    """List the models whose names match. A pattern such as `timm/resnet*` lists the members of a model family."""
    return _list(Listing.models, pattern)


def list_datasets(pattern: str = "*") -> TableView:
    """List the data sets of the installed plugins whose names match."""
    return _list(Listing.datasets, pattern)


def _list(listing: Listing, pattern: str) -> TableView:
    registry = Registry.load()
    print_failed_plugins(registry.failed)
    return TableView(rows_of(listing, registry, pattern))


_DEFAULTS: dict[str, Any] = {"task": "", **(bench.__kwdefaults__ or {})}


def _seeds_text(seeds: int | str | Sequence[int]) -> str:
    """Return seeds as `--seeds` takes them."""
    return str(seeds) if isinstance(seeds, int | str) else ",".join(map(str, seeds)) + ","


def _command_text(arguments: Mapping[str, Any]) -> str:
    """Write the call of `bench` as source text for the record. Classes and functions appear by name."""

    def source_of(value: Any) -> str:
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(source_of, value))}]"
        if isinstance(value, Path):
            return repr(str(value))
        return str(getattr(value, "__name__", type(value).__name__)) if callable(value) else repr(value)

    parts = [source_of(value) if key == "task" else f"{key}={source_of(value)}" for key, value in arguments.items()]
    return f"zoo.bench({', '.join(parts)})"


def _make_listener(progress: bool) -> AbstractContextManager[Listener]:
    if not progress:
        return nullcontext(NoDisplay())
    return NotebookDisplay() if is_notebook() else make_display(messages())


def _record_row(record: Record) -> dict[str, Any]:
    """Return the numbers and words of a record, under the column names of the leaderboard's export."""
    measured, target = record.measured, record.measured.time_to_target
    return {
        "task": record.task.name,
        "dataset": record.dataset.name,
        "model": record.model.name,
        "device": record.device.kind,
        "seed": record.seed,
        "status": record.status,
        "reason": record.reason,
        "metric": record.task.metric,
        "score": record.score,
        "target_s": target.seconds if target else None,
        "train_s": measured.train_s,
        "throughput": measured.throughput,
        "latency_ms": measured.latency.median_ms if measured.latency else None,
        "peak_memory_mib": measured.peak_memory_mib,
        "parameters": record.model.parameters,
        "recipe_class": record.recipe_class,
        "started_at": record.started_at,
        "id": record.id,
    }


def _to_dataframe(rows: list[dict[str, Any]]) -> Any:
    try:
        import pandas as pd
    except ImportError:
        raise UsageError("pandas is not installed: pip install 'zoo-core[notebook]'") from None
    return pd.DataFrame(rows)
