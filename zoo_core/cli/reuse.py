"""`zoo eval` and `zoo predict`: use a saved model in a new process."""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo_core.cli import completion
from zoo_core.cli.ask import ask_worker
from zoo_core.cli.options import DATA_ROOT, JSON, NO_NETWORK
from zoo_core.entries import model_of_path, names_file
from zoo_core.entries.unpackaged import address
from zoo_core.errors import UsageError
from zoo_core.ui.console import output, print_json, print_table
from zoo_core.ui.formats import format_score
from zoo_core.ui.harmless import harmless

CHECKPOINT = typer.Argument(help="File that `zoo bench --save` wrote.")
DATASET = typer.Option(
    "--dataset",
    "-d",
    help="Data set whose test split is used. Default: that of the training.",
    autocompletion=completion.complete_dataset,
)
DEVICE = typer.Option("--device", help="cpu, cuda, cuda:1 ..., or auto for the first accelerator.")
MODEL = typer.Option("--model", "-m", metavar="FILE.py:NAME", help="Source of a model that is not in a plugin.")


def eval_command(
    checkpoint: Annotated[Path, CHECKPOINT],
    dataset: Annotated[str, DATASET] = "",
    data_root: Annotated[Path | None, DATA_ROOT] = None,
    offline: Annotated[bool, NO_NETWORK] = False,
    device: Annotated[str, DEVICE] = "auto",
    model: Annotated[str, MODEL] = "",
    threads: Annotated[int, typer.Option("--threads", min=0, help="CPU threads. 0: as many as in training.")] = 0,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Score a saved model on the test split, next to the scores at the time of saving."""
    from zoo_core.runner.events import EvaluateJob

    result = run_job(
        device,
        lambda device_name: EvaluateJob(
            checkpoint=absolute_file(checkpoint),
            dataset=dataset,
            data_root=str(data_root.expanduser().absolute()) if data_root else None,
            offline=offline,
            device=device_name,
            threads=threads,
            model=model_address(model),
        ),
    )
    if as_json:
        print_json(result)
        return
    saved = result["saved_scores"]
    rows = [[name, format_score(score), format_score(saved.get(name))] for name, score in result["scores"].items()]
    print_table(
        ["score", "now", "when saved"], rows, title=harmless(f"{result['model']} on test of {result['dataset']}")
    )
    if not result["same_data"]:
        output().print("other data than it was saved with: the two columns may differ")
    if not result["same_code"]:
        output().print("the code of the model or the task has changed since the model was saved")


def predict_command(
    checkpoint: Annotated[Path, CHECKPOINT],
    files: Annotated[list[Path] | None, typer.Argument(help="Input files, such as images or texts.")] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="TEXT", help="A text to continue, in place of a file.")
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            min=1,
            help="Predictions per file, best first. Default: as many as suit the task, such as one class, or all "
            "boxes that are likely.",
        ),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            "--pictures",
            metavar="DIR",
            file_okay=False,
            help="Folder for pictures of the files with the predictions drawn in. No file is overwritten.",
        ),
    ] = None,
    device: Annotated[str, DEVICE] = "auto",
    model: Annotated[str, MODEL] = "",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Run a saved model on files, such as images, and print its predictions. Models of texts continue a prompt."""
    from zoo_core.runner.events import PredictJob

    with _inputs(files or [], prompt) as paths:
        drawn = _new_pictures(pictures, paths) if pictures else []
        table = run_job(
            device,
            lambda device_name: PredictJob(
                checkpoint=absolute_file(checkpoint),
                files=[absolute_file(path) for path in paths],
                top=top or 0,
                device=device_name,
                model=model_address(model),
                pictures=drawn,
            ),
        )
        prompts = {str(path): "prompt" for path in paths if prompt is not None}
    columns = table["columns"]
    rows = [[prompts.get(cell, cell) if isinstance(cell, str) else cell for cell in row] for row in table["rows"]]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        _print_predictions(
            columns, [[format_score(cell) if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
        )
        if drawn:
            output().print(harmless(f"{len(drawn)} {'picture' if len(drawn) == 1 else 'pictures'} in {pictures}"))


@contextlib.contextmanager
def _inputs(files: Sequence[Path], prompt: str | None) -> Iterator[Sequence[Path]]:
    """Yield the files, or a file with the prompt. Raises UsageError unless exactly one of both is given."""
    if bool(files) == (prompt is not None):
        raise UsageError("give files or --prompt, not both" if files else "give files, or a text with --prompt")
    if prompt is not None and not prompt.replace("\0", ""):
        raise UsageError("--prompt is empty: give the text to continue")
    if prompt is None:
        yield files
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "prompt.txt")
        path.write_text(prompt, encoding="utf-8", errors="replace", newline="")
        yield [path]


def _print_predictions(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, or below a line for each row its texts if they have several lines."""
    if not any("\n" in cell for row in rows for cell in row):
        print_table(columns, rows)
        return
    for row in rows:
        named = list(zip(columns, row, strict=True))
        head = ", ".join(f"{name} {cell}" for name, cell in named if "\n" not in cell)
        texts = [cell for _, cell in named if "\n" in cell]
        output().print(harmless("\n".join([f"{head}:", *texts, ""])), markup=False, highlight=False, soft_wrap=True)


def _new_pictures(folder: Path, files: Sequence[Path]) -> list[str]:
    """Return a new path in the folder for the picture of each file, `NAME.png`, or `NAME-2.png` if two are alike.

    Raises UsageError if there is such a file already, or the folder is none.
    """
    home = folder.expanduser().absolute()
    if os.path.lexists(home) and not home.is_dir():
        raise UsageError(f"--pictures {folder} is a file: give a folder")
    paths: dict[str, Path] = {}  # by their names as systems compare them that ignore case
    for file in files:
        suffixes = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
        names = (f"{file.stem}{suffix}.png" for suffix in suffixes)
        name = next(name for name in names if name.casefold() not in paths)
        paths[name.casefold()] = home / name
    for path in paths.values():
        if os.path.lexists(path):
            raise UsageError(f"{path} exists, and no file is overwritten: give another folder to --pictures")
    return [str(path) for path in paths.values()]


def absolute_file(path: Path) -> str:
    """Return the full path of a regular file, not of a FIFO or a device, for the worker. Raises UsageError."""
    whole = path.expanduser()
    if not whole.is_file():
        raise UsageError(f"{path} is not a regular file" if os.path.lexists(whole) else f"there is no file {path}")
    return str(whole.absolute())


def model_address(name: str) -> str:
    """Return the model's file with its full path for the worker. Raises UsageError if the file has no such model."""
    if name and not names_file(name):
        raise UsageError(
            f"--model {name!r}: give the file and the function or class that builds the model, ./FILE.py:NAME"
        )
    return address(model_of_path(name)) if name else ""


def run_job(device: str, make_job: Callable[[str], Any]) -> Any:
    """Make a job for the named device, run it in a worker and return its result."""
    from zoo_core.runner.devices import find_devices
    from zoo_core.runner.executor import LocalExecutor

    executor = LocalExecutor()
    return ask_worker(executor, make_job(next(iter(find_devices([device], executor)))))
