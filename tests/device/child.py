"""Runs in a process that has the test accelerator: `python child.py FUNCTION ARGUMENTS` prints its result as JSON."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch_openreg import trace

STEPS = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu" / "steps.py"
DEVICE = "openreg"


def error_of(call: Callable[[], object]) -> str:
    """The class and message of what a call raises; "" if it raises nothing."""
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def forked(call: Callable[[], object]) -> str:
    """`error_of` in a forked process."""
    reader, writer = os.pipe()
    if not (pid := os.fork()):
        os.write(writer, error_of(call).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    with os.fdopen(reader) as text:
        return text.read()


def refusals() -> dict[str, str]:
    """What the device answers to mistakes, by name; and to what is no mistake."""

    def first_use() -> object:
        return torch.zeros(2, device=DEVICE) + 1

    before = forked(first_use)
    x, on_cpu = torch.arange(6.0, device=DEVICE).view(2, 3), torch.ones(2, 3)
    return {
        "a fork before the first use": before,
        "a fork after it": forked(first_use),
        "two devices": error_of(lambda: x + on_cpu),
        "two accelerators": error_of(lambda: x + x.to("openreg:1")),
        "a number of the CPU": error_of(lambda: x + torch.tensor(2.0)),
        "a generator of the CPU": error_of(lambda: torch.rand(2, device=DEVICE, generator=torch.Generator())),
        "a generator of the device": error_of(lambda: torch.rand(2, device=DEVICE, generator=torch.Generator(DEVICE))),
        "too much memory": error_of(lambda: torch.empty(1 << 40, device=DEVICE)),
    }


def waits() -> dict[str, int]:
    """How often Python waits for the device, by what it does."""
    x = torch.arange(6.0, device=DEVICE).view(2, 3)
    index = torch.tensor([2, 0], device=DEVICE)
    calls: dict[str, Callable[[], object]] = {
        "arithmetic": lambda: (x * 2 + 1).sum(),
        "an index on the device": lambda: x[:, index],
        "a list as an index": lambda: x[:, [2, 0]],
        "a mask": lambda: x[x > 1],
        "item": lambda: x.sum().item(),
        "a tensor made of a list": lambda: torch.tensor([1.0, 2.0], device=DEVICE),
        "a constant": lambda: torch.full((2,), 1.5, device=DEVICE),
        "a copy to the CPU": lambda: x.cpu(),
        "a copy that does not block": lambda: torch.ones(2).to(DEVICE, non_blocking=True),
    }
    found = {}
    for name, call in calls.items():
        with trace.counting() as reports:
            call()
        found[name] = sum(count for (kind, _, _), count in reports.items() if kind in trace.WAITS)
    return found


def import_steps() -> Any:
    spec = importlib.util.spec_from_file_location("zoo_gpu_steps", STEPS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def steps(pairs: list[list[Any]]) -> list[dict[str, Any]]:
    """Train cases, each [task, model] or [task, model, settings], for a few steps."""
    module = import_steps()
    cases = [module.Case(task, model, settings=dict(*settings), small=True) for task, model, *settings in pairs]
    return module.run(cases, f"{DEVICE}:0", float("inf"), lambda text: None)


def everything(pairs: list[list[Any]]) -> dict[str, Any]:
    """All of the above in one process, because the import of torch takes longer."""
    return {"refusals": refusals(), "waits": waits(), "steps": steps(pairs)}


if __name__ == "__main__":
    result = globals()[sys.argv[1]](*map(json.loads, sys.argv[2:]))
    sys.stdout.write(f"\n{json.dumps(result)}\n")
