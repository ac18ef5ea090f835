"""`zoo eval` and `zoo predict`: what a saved model does in a new process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from zoo_core.cli import completion
from zoo_core.cli.options import DATA_ROOT
from zoo_core.entries import model_of_path, names_file
from zoo_core.entries.unpackaged import address
from zoo_core.errors import FAILURE, UsageError
from zoo_core.ui.console import complain, output, print_json, print_table, score_text

CHECKPOINT = typer.Argument(help="The file that `zoo bench --save` wrote.")
DEVICE = typer.Option("--device", help="cpu, cuda, cuda:1 ..., auto.")
MODEL = typer.Option("--model", "-m", metavar="FILE.py:NAME", help="Where a model without a package is.")
JSON = typer.Option("--json", help="Print JSON.")


def eval_command(
    checkpoint: Annotated[Path, CHECKPOINT],
    dataset: Annotated[
        str,
        typer.Option("--dataset", "-d", help="Instead of its own.", autocompletion=completion.complete_dataset),
    ] = "",
    data_root: Annotated[Path | None, DATA_ROOT] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not use the network.")] = False,
    device: Annotated[str, DEVICE] = "auto",
    model: Annotated[str, MODEL] = "",
    threads: Annotated[int, typer.Option("--threads", min=0, help="CPU threads; 0: as many as it had.")] = 0,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Score a model that `zoo bench --save` kept again, on the test split."""
    from zoo_core.runner.events import EvaluateJob

    found = _ask(
        device,
        lambda spelling: EvaluateJob(
            checkpoint=_file(checkpoint),
            dataset=dataset,
            data_root=str(data_root.expanduser().absolute()) if data_root else None,
            offline=offline,
            device=spelling,
            threads=threads,
            model=_model(model),
        ),
    )
    if as_json:
        print_json(found)
        return
    saved = found["saved_scores"]
    rows = [[name, score_text(score), score_text(saved.get(name))] for name, score in found["scores"].items()]
    print_table(["score", "now", "when saved"], rows, title=f"{found['model']} on test of {found['dataset']}")
    if not found["same_data"]:
        output().print("other data than it was saved with: the two columns need not agree")
    if not found["same_code"]:
        output().print("the code of the model or the task has changed since it was saved")


def predict_command(
    checkpoint: Annotated[Path, CHECKPOINT],
    files: Annotated[list[Path], typer.Argument(help="What it shall answer, such as pictures.")],
    top: Annotated[int, typer.Option("--top", min=1, help="Answers for each file, most probable first.")] = 1,
    device: Annotated[str, DEVICE] = "auto",
    model: Annotated[str, MODEL] = "",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Let a model that `zoo bench --save` kept answer files, such as pictures."""
    from zoo_core.runner.events import PredictJob

    table = _ask(
        device,
        lambda spelling: PredictJob(
            checkpoint=_file(checkpoint),
            files=[_file(path) for path in files],
            top=top,
            device=spelling,
            model=_model(model),
        ),
    )
    columns, rows = table["columns"], table["rows"]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, [[score_text(cell) if isinstance(cell, float) else cell for cell in row] for row in rows])


def _file(path: Path) -> str:
    if not path.expanduser().is_file():
        raise UsageError(f"there is no file {path}")
    return str(path.expanduser().absolute())


def _model(name: str) -> str:
    """The file with its path, so that a worker finds it. Raises UsageError where it holds no such model."""
    if name and not names_file(name):
        raise UsageError(f"--model {name!r}: name a file with what builds the model in it, ./FILE.py:NAME")
    return address(model_of_path(name)) if name else ""


def _ask(device: str, make_job: Any) -> Any:
    """Run a job on the device of that name and return its answer."""
    from zoo_core.runner.executor import LocalExecutor
    from zoo_core.runner.run import find_devices

    executor = LocalExecutor()
    try:
        return executor.ask(make_job(find_devices([device], executor)[0]))
    except RuntimeError as error:  # the plugin's code raised, or the process died: the worker's own words
        complain(str(error).strip())
        raise typer.Exit(FAILURE) from error
