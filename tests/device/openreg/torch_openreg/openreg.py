"""The functions that torch looks up in the module of a device type, here `torch.openreg`."""

from __future__ import annotations

from typing import Any

import torch

from torch_openreg import _C

_started = False


def is_available() -> bool:
    return _C.device_count() > 0


def device_count() -> int:
    return _C.device_count()


def _is_in_bad_fork() -> bool:
    return _C.is_in_bad_fork()


def is_initialized() -> bool:
    return _started and not _C.is_in_bad_fork()


def _lazy_init() -> None:
    """Start the device at its first use. Like CUDA, it refuses a process that was forked after it had started."""
    global _started
    if _C.is_in_bad_fork():
        raise RuntimeError("openreg was started before this process was forked: use the start method 'spawn'")
    if not _started:
        _started = True
        _C.start()


init = _lazy_init


def current_device() -> int:
    _lazy_init()
    return _C.current_device()


def set_device(which: Any) -> None:
    _lazy_init()
    _C.exchange_device(_index(which))


class device:  # noqa: N801 - torch wants this name
    """Makes a device the current one inside a `with` block."""

    def __init__(self, which: Any) -> None:
        self._index, self._before = _index(which), -1

    def __enter__(self) -> None:
        self._before = _C.exchange_device(self._index)

    def __exit__(self, *_: object) -> None:
        _C.exchange_device(self._before)


def get_amp_supported_dtype() -> list[torch.dtype]:
    return [torch.float16, torch.bfloat16]


def manual_seed_all(seed: int) -> None:
    _C.seed_all(seed)


manual_seed = manual_seed_all


def get_rng_state(which: Any = "openreg") -> torch.Tensor:
    return _C.default_generator(max(0, _index(which))).get_state()


def set_rng_state(state: torch.Tensor, which: Any = "openreg") -> None:
    _C.default_generator(max(0, _index(which))).set_state(state)


def _index(which: Any) -> int:
    """Return the number of a device that is given as a number, a name or a torch.device; -1 for the current one."""
    if isinstance(which, int):
        return which
    index = torch.device(which).index
    return -1 if index is None else index
