"""Resolves the values of `--device` to the devices that torch sees."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from zoo_core.errors import DeviceError
from zoo_core.measure.environment import Device, cpu_name
from zoo_core.runner.events import DevicesJob
from zoo_core.runner.executor import LocalExecutor

LIST_LIMIT_S = 120.0  # for the drivers of all accelerators to answer


def find_devices(names: Sequence[str], executor: LocalExecutor) -> dict[str, str]:
    """Return the named devices, as torch spells them, with their product names. Raises DeviceError.

    `auto` is the first accelerator, or the CPU.
    """
    if all(name == "cpu" for name in names):
        return {"cpu": cpu_name()}
    accelerators = list_accelerators(executor)
    product_names = {"cpu": cpu_name(), **{device.spelling: device.name for device in accelerators}}
    found = [_find_device(name, accelerators) for name in names]
    return {device: product_names[device] for device in found}


def list_accelerators(executor: LocalExecutor) -> list[Device]:
    """List the accelerators that torch sees in a worker process. Raises DeviceError if a driver hangs or crashes."""
    try:
        return msgspec.convert(executor.ask(DevicesJob(), LIST_LIMIT_S), list[Device])
    except RuntimeError as error:
        raise DeviceError(f"the accelerators cannot be listed ({error}): --device cpu needs none") from error


def _find_device(name: str, accelerators: Sequence[Device]) -> str:
    if name == "cpu":
        return name
    if name == "auto":
        return accelerators[0].spelling if accelerators else "cpu"
    for device in accelerators:
        if name in (device.kind, device.spelling):
            return device.spelling
    available = ", ".join(["cpu", *(device.spelling for device in accelerators)])
    raise DeviceError(
        f"device {name!r} is not available: torch sees {available}. Name one of these, or install a torch build for "
        "that device; `zoo doctor` shows the devices that torch sees"
    )
