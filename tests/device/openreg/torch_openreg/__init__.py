"""Registers the device `openreg` with torch, which imports this package by its entry point in `torch.backends`."""

from __future__ import annotations

import os

import torch

from torch_openreg import _C  # noqa: F401 - its import registers memory, operators and generators
from torch_openreg import openreg as device_module

torch.utils.rename_privateuse1_backend("openreg")
torch._register_device_module("openreg", device_module)
torch.utils.generate_methods_for_privateuse1_backend(for_storage=True)

if folder := os.environ.get("OPENREG_TRACE"):
    from torch_openreg import trace

    trace.start(folder)


def autoload() -> None:
    """Do nothing: importing the module is enough."""
