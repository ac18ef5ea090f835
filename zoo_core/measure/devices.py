"""The devices that torch can use here, from any maker: their names, their free memory, and autocast on them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from zoo_core.measure.environment import Device

INDEXED = ("cuda", "xpu")
ASSUMED_FREE_BYTES = 1 << 30  # on devices that do not tell their free memory


def accelerators() -> list[Device]:
    """List the accelerators that torch can use, in torch's order."""
    if not torch.accelerator.is_available():
        return []
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None:
        return []
    devices = []
    for index in range(torch.accelerator.device_count()):
        name, memory = accelerator.type, None
        if accelerator.type in INDEXED:
            properties = getattr(torch, accelerator.type).get_device_properties(index)
            name, memory = properties.name, properties.total_memory >> 20
        elif accelerator.type == "mps":
            name, memory = torch.backends.mps.get_name(), torch.mps.recommended_max_memory() >> 20
        devices.append(
            Device(
                spelling=f"{accelerator.type}:{index}", kind=accelerator.type, name=name, index=index, memory_mib=memory
            )
        )
    return devices


def free_bytes(device: torch.device) -> float:
    """Return the free memory of a device for copies of data; infinite on the CPU, where nothing is copied."""
    if device.type == "cpu":
        return float("inf")
    if device.type == "mps":  # shared with the CPU; Metal recommends how much to take
        return float(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    try:
        return float(torch.accelerator.get_memory_info(device)[0])
    except (RuntimeError, ValueError, AttributeError):  # another device than the current accelerator, or no such count
        return ASSUMED_FREE_BYTES


def has_float64(device: torch.device) -> bool:
    """Return whether a device computes in float64: MPS never does, and an XPU may not."""
    if device.type == "xpu":
        return bool(torch.xpu.get_device_properties(device).has_fp64)
    return device.type != "mps"


def autocast(device: str, dtype: str) -> AbstractContextManager[Any]:
    """Return a context for autocast to `dtype`, such as `bfloat16`, on a device; `float32` means no autocast."""
    if dtype == "float32":
        return nullcontext()
    return torch.autocast(torch.device(device).type, getattr(torch, dtype))
