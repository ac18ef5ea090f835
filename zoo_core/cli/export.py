"""`zoo export`: writes a saved model into a file that other programs run, if the file computes the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from zoo_core.cli.ask import ask_worker
from zoo_core.cli.options import DATA_ROOT, JSON, NO_NETWORK
from zoo_core.cli.reuse import CHECKPOINT, DATASET, MODEL, absolute_file, model_address
from zoo_core.errors import FAILURE, UnknownNameError, UsageError
from zoo_core.export import SUFFIXES, TOLERANCE, require_packages
from zoo_core.ui.console import complain, print_json, say


def export_command(
    checkpoint: Annotated[Path, CHECKPOINT],
    form: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="onnx and torch-export: the model with its preprocessing; safetensors: the weights alone.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write. Default: named by model and task, in this folder."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    opset: Annotated[
        int, typer.Option("--opset", min=0, help="Version of ONNX's operators. 0: the exporter's choice.")
    ] = 0,
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance",
            min=0.0,
            help="Largest difference between the file and torch, as a share of the largest output. Beyond it, no file "
            "is kept.",
        ),
    ] = TOLERANCE,
    dataset: Annotated[str, DATASET] = "",
    data_root: Annotated[Path | None, DATA_ROOT] = None,
    offline: Annotated[bool, NO_NETWORK] = False,
    model: Annotated[str, MODEL] = "",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Write a saved model into a file of another format. The file is compared with torch on examples of test."""
    from zoo_core.runner.events import ExportJob
    from zoo_core.runner.executor import LocalExecutor

    if form not in SUFFIXES:
        raise UnknownNameError("format", form, list(SUFFIXES))
    if opset and form != "onnx":
        raise UsageError(f"--opset goes with --to onnx: {form} has no opset")
    require_packages(form)
    job = ExportJob(
        checkpoint=absolute_file(checkpoint),
        form=form,
        out=str(_target(out, checkpoint)) if out else "",
        folder=str(Path.cwd()),
        force=force,
        opset=opset,
        tolerance=tolerance,
        dataset=dataset,
        data_root=str(data_root.expanduser().absolute()) if data_root else None,
        offline=offline,
        model=model_address(model),
    )
    result: Any = ask_worker(LocalExecutor(), job)
    if as_json:
        print_json(result)
    else:
        for line in report_lines(result, shown=str(out or Path(result["file"]).name)):
            say(line)
    _require_written(result, tolerance)


def _require_written(result: dict[str, Any], tolerance: float) -> None:
    """End the command with FAILURE if the file differs too much from the model and was not kept."""
    if not result["written"]:
        difference = _number(result["relative_difference"])
        complain(
            f"the file was not kept: it differs by {difference} of the largest output, more than --tolerance "
            f"{tolerance:g}"
        )
        raise typer.Exit(FAILURE)


def _target(out: Path, checkpoint: Path) -> Path:
    """Return the full path of the file to write. Raises UsageError for a folder, and for the checkpoint itself."""
    path = out.expanduser().absolute()
    if path.is_dir():
        raise UsageError(f"--out {out} is a folder: give a file")
    if path.exists() and checkpoint.exists() and path.samefile(checkpoint):
        raise UsageError(f"--out {out} is the checkpoint itself: give another file")
    return path


def report_lines(result: dict[str, Any], shown: str) -> list[str]:
    """Say what was written and how it compares. shown: the file, as the person named it."""
    opset = f", opset {result['opset']}" if "opset" in result else ""
    written = "replaced" if result["replaced"] else "wrote" if result["written"] else "did not keep"
    lines = [f"{written} {shown}: {result['model']} of {result['task']}, {result['bytes'] / 2**20:.2f} MiB{opset}"]
    difference = f"{_number(result['largest_difference'])}, {_number(result['relative_difference'])} of the largest"
    if "tensors" in result:
        return [*lines, f"{result['tensors']} tensors, read back; largest difference {difference}"]
    lines.append(f"takes {'; '.join(result['inputs'])}; returns {result['output']}")
    lines.append(f"{result['examples']} test examples of {result['dataset']}: largest difference {difference} output")
    lines.append(f"{'; '.join(map(_speed_text, result['speed']))} ({_threads(result['threads'])})")
    if not result["same_data"]:
        lines.append("other data than it was saved with")
    if not result["same_code"]:
        lines.append("the code of the model or the task has changed since the model was saved")
    return lines


def _number(value: float | None) -> str:
    return "an infinite number" if value is None else f"{value:.2g}"


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _speed_text(speed: dict[str, Any]) -> str:
    """Compare the two times, such as `batch 1: torch 2 ms, onnxruntime 1 ms, 2.0 times as fast`."""
    ratio = speed["torch_ms"] / speed["runtime_ms"] if speed["runtime_ms"] else float("nan")
    return (
        f"batch {speed['batch']}: torch {speed['torch_ms']:.3g} ms, {speed['runtime']} {speed['runtime_ms']:.3g} ms, "
        f"{ratio:.2g} times as fast"
    )
