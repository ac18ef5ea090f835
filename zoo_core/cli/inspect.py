"""`zoo inspect`: pictures of what a saved model does inside, layer by layer."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo_core.cli.options import DATA_ROOT, JSON, NO_NETWORK
from zoo_core.cli.reuse import CHECKPOINT, DATASET, DEVICE, MODEL, absolute_file, model_address, run_job
from zoo_core.errors import UsageError
from zoo_core.inside import require_captum
from zoo_core.ui.console import print_json, print_table
from zoo_core.ui.formats import format_count

MAX_FILES = 48  # on one sheet
SAVED_AS = "checkpoint.safetensors"  # by `zoo bench --save`, in a folder with the id of the record
DIGITS = 16  # of this id in the name of the folder


def inspect_command(
    checkpoint: Annotated[Path, CHECKPOINT],
    files: Annotated[
        list[Path] | None, typer.Argument(help="Images to look at. Default: images of the test split.")
    ] = None,
    layer: Annotated[str, typer.Option("--layer", help="Name of a layer. Default: the last convolution.")] = "",
    layers: Annotated[bool, typer.Option("--layers", help="List the layers with their shapes, and exit.")] = False,
    of_class: Annotated[
        str, typer.Option("--class", help="The class that Grad-CAM explains. Default: the predicted one of each image.")
    ] = "",
    channels: Annotated[
        str,
        typer.Option(
            "--channels", metavar="0,5,...", help="Channels to show. Default: those that differ most between images."
        ),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            file_okay=False,
            help="Folder for the pictures. Default: inspected-ID in the current folder. No file is overwritten.",
        ),
    ] = None,
    dataset: Annotated[str, DATASET] = "",
    data_root: Annotated[Path | None, DATA_ROOT] = None,
    offline: Annotated[bool, NO_NETWORK] = False,
    device: Annotated[str, DEVICE] = "auto",
    model: Annotated[str, MODEL] = "",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Draw what a layer of a saved model does: Grad-CAM, feature maps, and the test images that most activate it."""
    from zoo_core.runner.events import InspectJob

    if not layers:
        require_captum()
    numbers, folder = _parse_channels(channels), _folder(out, checkpoint)
    if len(files or []) > MAX_FILES:
        raise UsageError(f"{len(files or [])} files are too many for one picture: give up to {MAX_FILES}")
    found = run_job(
        device,
        lambda device_name: InspectJob(
            checkpoint=absolute_file(checkpoint),
            files=[absolute_file(path) for path in files or []],
            dataset=dataset,
            data_root=str(data_root.expanduser().absolute()) if data_root else None,
            offline=offline,
            device=device_name,
            layer=layer,
            of_class=of_class,
            channels=numbers,
            folder="" if layers else str(folder.expanduser().absolute()),
            model=model_address(model),
        ),
    )
    if as_json:
        print_json(found["layers" if layers else "pictures"])
    elif layers:
        _print_layers(found["layers"])
    else:
        rows = found["pictures"]
        print_table(["picture", "layer", "shows"], [[row["picture"], row["layer"], row["shows"]] for row in rows])
        typer.echo(f"{format_count(len(rows), 'picture')} in {folder}")


def _print_layers(rows: Sequence[Mapping[str, Any]]) -> None:
    columns = ["layer", "type", "output of one image", "parameters"]
    print_table(columns, [[row["layer"], row["type"], _times(row["shape"]), row["parameters"]] for row in rows])


def _parse_channels(text: str) -> list[int]:
    """Return the numbers in `0,5`. Raises UsageError for anything else."""
    try:
        return [int(word) for word in text.split(",")] if text else []
    except ValueError:
        raise UsageError(f"--channels {text!r}: give numbers with commas, such as 0,5,12") from None


def _folder(out: Path | None, checkpoint: Path) -> Path:
    """Return the folder for the pictures, by default one that is named after the record or the file.

    Raises UsageError if the default is a file.
    """
    own = checkpoint.parent.name[:DIGITS] if checkpoint.name == SAVED_AS else checkpoint.stem
    folder = out or Path(f"inspected-{own}")
    if os.path.lexists(folder) and not folder.is_dir():
        raise UsageError(f"{folder} is a file: give a folder to --out")
    return folder


def _times(shape: list[int]) -> str:
    return " x ".join(map(str, shape))
