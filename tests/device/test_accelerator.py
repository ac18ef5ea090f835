"""The zoo on a device that is not the CPU, without a GPU: on the test accelerator, which refuses what a GPU refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from zoo_core.registry import Registry

# One of each kind and augmentation, of the quickest.
FEW: list[list[Any]] = [
    ["cosine", "mlp"],
    ["mnist", "zoo-mnist:cnn-fast", {"crop": 1, "rotate": 9.0, "zoom": 0.1, "shear": 5.0, "contrast": 0.2}],
    ["mnist", "zoo-mnist:mlp-3", {"mixup": 0.5, "ema": 0.9, "accumulate": 2, "loss": "focal", "blur": 0.5}],
    ["mnist", "zoo-mnist:mlp-3", {"cutmix": 0.5, "brightness": 0.2, "flip": True}],
    ["motion", "lstm"],
    ["gan-curve", "wgan-gp"],
]


NOT_HERE = {"zoo-basics:torch-compile"}  # the accelerator has no backend for torch.compile


@pytest.fixture(scope="module")
def found(call_child: Callable[..., Any]) -> dict[str, Any]:
    return call_child("everything", FEW)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ("two devices", "same device"),
        ("two accelerators", "same device"),
        ("a generator of the CPU", "device type for generator"),
        ("too much memory", "OutOfMemoryError"),
        ("a fork after it", "forked"),
    ],
)
def test_the_device_refuses_what_a_gpu_refuses(found: dict[str, Any], mistake: str, words: str) -> None:
    assert words in found["refusals"][mistake]


@pytest.mark.parametrize("way", ["a fork before the first use", "a number of the CPU", "a generator of the device"])
def test_the_device_takes_what_a_gpu_takes(found: dict[str, Any], way: str) -> None:
    assert found["refusals"][way] == ""


@pytest.mark.parametrize(
    ("way", "waits"),
    [
        ("arithmetic", 0),
        ("an index on the device", 0),
        ("a constant", 0),
        ("a copy that does not block", 0),
        ("a list as an index", 1),
        ("a mask", 1),
        ("item", 1),
        ("a tensor made of a list", 1),
        ("a copy to the CPU", 1),
    ],
)
def test_a_wait_of_python_for_the_device_is_reported(found: dict[str, Any], way: str, waits: int) -> None:
    assert found["waits"][way] == waits


@pytest.mark.parametrize("number", range(len(FEW)), ids=lambda number: " ".join(map(str, FEW[number])))
def test_a_step_neither_mixes_devices_nor_waits_for_one(found: dict[str, Any], number: int) -> None:
    require_smooth(found["steps"][number])


@pytest.mark.nightly
def test_no_step_of_any_shipped_pair_mixes_devices_or_waits_for_one(call_child: Callable[..., Any]) -> None:
    names = [[pair.task.qualified, pair.model.qualified] for pair in Registry.load().pairs()]
    pairs = [pair for pair in names if pair[1] not in NOT_HERE]
    rows = call_child("steps", pairs)
    assert len(rows) > 30
    for row in rows:
        require_smooth(row)


def require_smooth(row: dict[str, Any]) -> None:
    assert "error" not in row, f"{row['case']}: {row['error']} {row.get('where', '')}"
    assert row["steps"] == 0 or row["operators"] > 0
