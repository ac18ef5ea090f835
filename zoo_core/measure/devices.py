"""The devices that torch can use here, from any maker, and autocast on them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from zoo_core.measure.environment import Device

INDEXED = ("cuda", "xpu")


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
        devices.append(
            Device(
                spelling=f"{accelerator.type}:{index}", kind=accelerator.type, name=name, index=index, memory_mib=memory
            )
        )
    return devices


def autocast(device: str, dtype: str) -> AbstractContextManager[Any]:
    """Return a context for autocast to `dtype`, such as `bfloat16`, on a device; `float32` means no autocast."""
    if dtype == "float32":
        return nullcontext()
    return torch.autocast(torch.device(device).type, getattr(torch, dtype))
