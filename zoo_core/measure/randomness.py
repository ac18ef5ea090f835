"""Seeds random number generators, and evaluates a model without changing its training."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn


def seed_everything(seed: int, device: str) -> torch.Generator:
    """Seed Python, numpy and torch, and return a generator on the device with the same seed.

    A trial on the CPU seeds no accelerator: torch would note the seed for their drivers with a traceback, which takes
    4 ms in a new process.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    seed_torch = torch.default_generator.manual_seed if torch.device(device).type == "cpu" else torch.manual_seed
    seed_torch(seed)
    return torch.Generator(device).manual_seed(seed)


@contextlib.contextmanager
def evaluation_mode(model: nn.Module, generator: torch.Generator | None, device: str) -> Iterator[None]:
    """Put the model into evaluation mode without gradients; restore all random states and module modes afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    python_state, numpy_state = random.getstate(), np.random.get_state()
    generator_state = generator.get_state() if generator else None
    accelerators = [torch.device(device)] if torch.device(device).type != "cpu" else []
    try:
        with torch.random.fork_rng(accelerators, device_type=torch.device(device).type), torch.no_grad():
            model.eval()
            yield
    finally:
        for module, training in modes:
            module.training = training
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        if generator is not None and generator_state is not None:
            generator.set_state(generator_state)
