"""The zoo in a notebook or a script: `import zoo_core as zoo; zoo.bench("mnist", model=MyNet, seeds=3)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from html import escape
from pathlib import Path
from typing import Any, TypeAlias

from zoo_core.entries.notebook import model_of_object
from zoo_core.errors import UsageError
from zoo_core.registry import Registry
from zoo_core.results.records import FAILED, Record
from zoo_core.results.store import Store
from zoo_core.runner.request import make_request, run_request
from zoo_core.runner.run import Listener, Silent
from zoo_core.specs import ModelSpec
from zoo_core.ui import parsing
from zoo_core.ui.console import messages, print_failed_plugins
from zoo_core.ui.listing import Listing, cell_text, rows_of
from zoo_core.ui.notebook import NotebookDisplay, is_notebook
from zoo_core.ui.progress import SUMMARY, ending_text, group, make_display, summary_rows

Model: TypeAlias = str | Callable[..., Any]


class TableView(list[dict[str, Any]]):
    """Rows that a notebook shows as a table."""

    def __repr__(self) -> str:
        columns = list(self[0]) if self else []
        return _text(columns, [list(row.values()) for row in self]) or "nothing"

    def _repr_html_(self) -> str:
        columns = list(self[0]) if self else []
        return _html(columns, [list(row.values()) for row in self])

    def to_dataframe(self) -> Any:
        """As a pandas DataFrame. Raises UsageError without pandas."""
        return _dataframe(list(self))


class BenchResult:
    """Listing a `bench` did: the records it asked for, those that were there already among them."""

    def __init__(self, records: Sequence[Record], folder: Path) -> None:
        self.records = list(records)
        self.folder = folder

    @property
    def failed(self) -> list[Record]:
        """The records of trials that ended otherwise than `ok` or `skipped`."""
        return [record for record in self.records if record.status in FAILED]

    def __repr__(self) -> str:
        return "\n".join([_text(SUMMARY, summary_rows(group(self.records))), *self._reasons()])

    def _repr_html_(self) -> str:
        reasons = "".join(f"<p>{escape(line)}</p>" for line in self._reasons())
        return _html(SUMMARY, summary_rows(group(self.records))) + reasons

    def _reasons(self) -> list[str]:
        return [
            f"{record.model.name} seed {record.seed}: {ending_text(record)}"
            for record in self.records
            if record.status != "ok"
        ]

    def to_dataframe(self) -> Any:
        """A row a trial, as a pandas DataFrame. Raises UsageError without pandas."""
        return _dataframe([_row(record) for record in self.records])


def bench(
    task: str,
    *,
    model: Model | Sequence[Model] | None = None,
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
    dtype: str = "float32",
    compile: bool = False,  # noqa: A002 - as the option is called
    threads: int = 0,
    weights: str | Path = "",
    save: bool = False,
    force: bool = False,
    retry_failed: bool = False,
    results: str | Path = "results",
    progress: bool = True,
) -> BenchResult:
    """Train and measure models on a task, as the command `zoo bench` does; what is recorded already is not run again.

    `model`: a name, a class or function that builds the model, or several of these; none: all of the task. What builds
    one is given the signature if its first parameter is called so or has no default; its other parameters with plain
    defaults are keys of the `recipe`. `seeds`: how many, or which. `progress`: show how it goes.
    Raises UsageError (a ZooError) for a mistake, with nothing run; a trial that fails is a record of the result.
    """
    called = {key: value for key, value in locals().items() if value != _DEFAULTS.get(key, ...)}
    registry, store = Registry.load(), Store(Path(results))
    models = [] if model is None else [model] if isinstance(model, str) or callable(model) else list(model)
    request = make_request(
        registry,
        task,
        _specs(registry, task, models),
        settings=recipe or {},
        epochs=epochs,
        max_steps=max_steps,
        weights=str(weights),
        seeds=_seeds(seeds),
        devices=[device] if isinstance(device, str) else list(device),
        dataset=dataset,
        offline=offline,
        data_root=Path(data_root) if data_root else None,
        quick=quick,
        budget_s=parsing.parse_duration("budget", str(budget)) if budget else None,
        timeout_s=parsing.parse_duration("timeout", str(timeout)) if timeout else None,
        dtype=parsing.parse_dtype(dtype),
        compiled=compile,
        threads=threads,
        force=force,
        retry_failed=retry_failed,
        save=save,
        command=_command(called),
    )
    _, outcome = run_request(request, registry, store, lambda: _display(progress))
    if outcome.interrupted:
        raise KeyboardInterrupt  # a script must not go on as if all were there; what was recorded stays
    return BenchResult(outcome.records, store.folder)


def list_tasks(pattern: str = "*") -> TableView:
    """The tasks that the installed plugins add, as `zoo list` shows them."""
    return _listing(Listing.tasks, pattern)


def list_models(pattern: str = "*") -> TableView:
    """The models whose names match; of a family, such as `timm/`, those that a pattern like `timm/resnet*` asks for."""
    return _listing(Listing.models, pattern)


def list_datasets(pattern: str = "*") -> TableView:
    """The data sets that the installed plugins add."""
    return _listing(Listing.datasets, pattern)


def _listing(listing: Listing, pattern: str) -> TableView:
    registry = Registry.load()
    print_failed_plugins(registry.failed)
    return TableView(rows_of(listing, registry, pattern))


_DEFAULTS: dict[str, Any] = dict(bench.__kwdefaults__ or {})


def _specs(registry: Registry, task: str, models: Sequence[Model]) -> list[str | ModelSpec]:
    spec = registry.task(task)
    return [model if isinstance(model, str) else model_of_object(model, spec) for model in models]


def _seeds(seeds: int | str | Sequence[int]) -> list[int]:
    if isinstance(seeds, int | str):
        return parsing.parse_seeds(str(seeds))
    return parsing.parse_seeds(",".join(map(str, seeds)) + ",")


def _command(called: Mapping[str, Any]) -> str:
    """The call as it would be typed; classes and functions by their names, tokens for nothing else."""

    def spelled(value: Any) -> str:
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(spelled, value))}]"
        if isinstance(value, Path):
            return repr(str(value))
        return str(getattr(value, "__name__", type(value).__name__)) if callable(value) else repr(value)

    words = [spelled(value) if key == "task" else f"{key}={spelled(value)}" for key, value in called.items()]
    return f"zoo.bench({', '.join(words)})"


def _display(progress: bool) -> AbstractContextManager[Listener]:
    if not progress:
        return nullcontext(Silent())
    return NotebookDisplay() if is_notebook() else make_display(messages())


def _row(record: Record) -> dict[str, Any]:
    """Listing of a record is one number or word, under the names that the board's data have."""
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


def _dataframe(rows: list[dict[str, Any]]) -> Any:
    try:
        import pandas as pd
    except ImportError:
        raise UsageError("pandas is not installed: pip install 'zoo-core[notebook]'") from None
    return pd.DataFrame(rows)


def _text(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Aligned columns."""
    lines = [list(columns), *([cell_text(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _html(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; names come from plugins and files, so nothing in a cell is markup."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell_text(value))}</td>" for value in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
