"""Every shipped model of a kind that can be exported is exported, or refused with the reason that is listed here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from zoo_core.errors import UsageError
from zoo_core.kinds import KINDS
from zoo_core.registry import Registry
from zoo_core.runner.events import ExportJob
from zoo_core.runner.exporting import export

OTHER_KINDS = (
    *("zoo-detection/detection", "zoo-pose/action", "zoo-pose/motion", "zoo-text/language-model"),
    *("zoo-basics/points", "zoo-sobel/filter"),
)
IN_PYTHON = "goes through pictures and boxes in Python"
REFUSED = {  # model -> a part of the reason
    **dict.fromkeys(("ssdlite", "faster-rcnn", "retinanet", "retinanet-small"), IN_PYTHON),
    "ngram": "its forward decides by the values of its inputs",
}


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def pairs() -> list[tuple[str, str]]:
    found = Registry.load().pairs()
    return [(pair.task.qualified, pair.model.qualified) for pair in found if pair.task.kind in (*KINDS, *OTHER_KINDS)]


# Of an untrained one all windows have the same score but for rounding, so the order of its detections is arbitrary.
NEEDS_TRAINING = ("zoo-detection:sliding-window",)


@pytest.mark.nightly
@pytest.mark.parametrize(("task", "model"), pairs())
def test_a_shipped_model_is_exported_or_refused_for_a_known_reason(
    task: str, model: str, save_untrained: Callable[..., Path], tmp_path: Path
) -> None:
    saved, out = save_untrained(tmp_path / "saved.safetensors", task, model), tmp_path / "model.onnx"
    job = ExportJob(
        **{"checkpoint": str(saved), "form": "onnx", "out": str(out), "folder": str(tmp_path), "force": False},
        **{"opset": 0, "tolerance": 1e-3, "dataset": "", "data_root": None, "offline": True},
    )
    reason = REFUSED.get(model.partition(":")[2])
    if reason is not None:
        with pytest.raises(UsageError, match=reason):
            export(job)
        assert not out.exists()
        return
    result = export(job)
    if model in NEEDS_TRAINING:
        return
    assert result["written"], result
    assert out.is_file()
