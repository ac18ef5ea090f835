"""`zoo data`: lists data sets, downloads them, and shows where their files are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from zoo_core.cli import completion
from zoo_core.cli.app import SuggestingGroup
from zoo_core.cli.ask import ask_worker
from zoo_core.cli.options import DATA_ROOT, JSON, NO_NETWORK
from zoo_core.registry import Registry
from zoo_core.results.records import LeftOut
from zoo_core.specs import DatasetSpec
from zoo_core.ui.console import complain, output, print_json, print_table

app = typer.Typer(cls=SuggestingGroup, no_args_is_help=True)


@app.command("list")
def list_data(
    data_root: Annotated[Path | None, DATA_ROOT] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """List the data sets, and whether their files are ready."""
    registry = Registry.load()
    several = len(registry.datasets) > 1
    rows = [_dataset_row(dataset, data_root, several=several) for dataset in registry.datasets]
    if as_json:
        print_json(rows)
    else:
        print_table(list(rows[0]) if rows else ["dataset"], [list(row.values()) for row in rows])


def _dataset_row(dataset: DatasetSpec, data_root: Path | None, *, several: bool) -> dict[str, Any]:
    from zoo_core.data.locate import dataset_root, state

    root = dataset_root(dataset, data_root, several=several)
    return {
        "dataset": dataset.name,
        "origin": dataset.origin,
        "offline": "yes" if dataset.offline else "no",
        "size": f"{dataset.size_mib:g} MiB" if dataset.size_mib else "-",
        "state": state(dataset, root),
        "plugin": dataset.plugin,
    }


@app.command("fetch")
def fetch_data(
    name: Annotated[str, typer.Argument(help="Name of the data set.", autocompletion=completion.complete_dataset)],
    data_root: Annotated[Path | None, DATA_ROOT] = None,
    offline: Annotated[bool, NO_NETWORK] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Download or read a data set, verify it and decode it, so that trials can start at once."""
    from zoo_core.data.accounting import describe
    from zoo_core.data.locate import dataset_root, fingerprint
    from zoo_core.files import require_writable_cache
    from zoo_core.runner.events import OpenJob
    from zoo_core.runner.executor import LocalExecutor

    dataset = Registry.load().dataset(name)
    root = dataset_root(dataset, data_root)
    require_writable_cache()
    identity = fingerprint(dataset, root)
    job = OpenJob(
        dataset=dataset.qualified, fingerprint=identity, data_root=str(root) if root else None, offline=offline
    )
    opened: Any = ask_worker(LocalExecutor(), job)
    for line in describe(dataset.qualified, msgspec.convert(opened["left_out"], list[LeftOut])):
        complain(line, "warning: ", "yellow")
    if as_json:
        print_json({"dataset": dataset.qualified, "fingerprint": identity, **opened})
        return
    sizes = ", ".join(f"{count} {split}" for split, count in opened["sizes"].items())
    output().print(f"{dataset.qualified}: {sizes}; fingerprint {identity}")


@app.command("where")
def where_data(
    name: Annotated[str, typer.Argument(help="Name of a data set.", autocompletion=completion.complete_dataset)] = "",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Print the cache folder. For a data set, also print its download folder and the layout that local files need."""
    from zoo_core.data.locate import download_folder
    from zoo_core.files import cache_dir

    places = {"cache": str(cache_dir())}
    if name:
        dataset = Registry.load().dataset(name)
        places["downloads"] = str(download_folder(dataset))
        places["files"] = ", ".join(item.name for item in dataset.downloads) or "no downloads"
        places["layout"] = dataset.layout or "needs no local files"
        places["homepage"] = dataset.homepage or "-"
    if as_json:
        print_json(places)
    else:
        print_table(["what", "where"], places.items())
