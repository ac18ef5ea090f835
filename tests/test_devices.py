"""What a device tells about itself, and what a trial does if it does not tell: with stubs for MPS, XPU and errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from zoo_core.measure import devices, processor
from zoo_core.measure.environment import describe
from zoo_core.measure.memory import PeakMemory
from zoo_core.memory_limit import is_out_of_memory

MPS, XPU = torch.device("mps"), torch.device("xpu:0")


@pytest.fixture
def accelerator(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let torch say that it has one accelerator of a kind: `accelerator("mps")`."""

    def pretend(kind: str) -> None:
        monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
        monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available=False: torch.device(kind))
        monkeypatch.setattr(torch.accelerator, "device_count", lambda: 1)

    return pretend


# The CPU


INTEL = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 143
model name\t: Intel Xeon Processor
stepping\t: 8
flags\t\t: fpu sse2 avx2 avx512f avx512_bf16 amx_tile amx_bf16
"""
ARM = "processor\t: 0\nFeatures\t: fp asimd bf16 sve\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n"


@pytest.mark.parametrize(
    ("text", "model", "features"),
    [
        (INTEL, "GenuineIntel family 6 model 143 stepping 8", ["AVX2", "AVX-512", "AVX-512 BF16", "AMX"]),
        (ARM, "implementer 0x41 part 0xd40", ["NEON", "SVE", "BF16"]),
        ("processor : 0\n", "", []),
    ],
)
def test_model_and_instruction_sets_are_those_of_the_system_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, model: str, features: list[str]
) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(text)
    monkeypatch.setattr(processor, "CPUINFO", path)
    found = processor.describe_cpu()
    assert (found["cpu_model"], found["cpu_features"]) == (model, features)


def test_a_mac_tells_its_instruction_sets_one_by_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "hw.optional.arm.FEAT_BF16: 1\nhw.optional.arm.FEAT_SME: 0\nhw.optional.AdvSIMD: 1\n"
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "none")
    monkeypatch.setattr(processor.sys, "platform", "darwin")
    monkeypatch.setattr(processor.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=text))
    assert processor.describe_cpu()["cpu_features"] == ["NEON", "BF16"]


def test_the_sizes_of_caches_are_by_level(tmp_path: Path) -> None:
    for number, (level, kind, size) in enumerate(
        [("1", "Data", "48K"), ("1", "Instruction", "32K"), ("2", "Unified", "2048K")]
    ):
        folder = tmp_path / f"index{number}"
        folder.mkdir()
        for name, value in (("level", level), ("type", kind), ("size", size)):
            (folder / name).write_text(f"{value}\n")
    (tmp_path / "index3").mkdir()  # hidden by a virtual machine
    assert processor.cache_sizes_kib(tmp_path) == {"L1d": 48, "L1i": 32, "L2": 2048}


def test_every_record_says_what_the_cpu_can_do() -> None:
    assert {"cpu", "cpu_model", "cpu_features", "cpu_caches_kib", "physical_cores"} <= set(describe({}))


# Memory


MISSING = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.1 GiB"),
    torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"),
    RuntimeError("HIP out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 4398046511104 bytes."),
    RuntimeError(
        "MPS backend out of memory (MPS allocated: 17.00 GB, other allocations: 1.00 GB, max allowed: 18.13 GB)"
    ),
    RuntimeError("XPU out of memory. Tried to allocate 1.00 GiB (GPU 0; 15.56 GiB total capacity)"),
    RuntimeError("level_zero backend failed with error: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)"),
    RuntimeError("UR backend failed. UR backend returns:40 (UR_RESULT_ERROR_OUT_OF_RESOURCES)"),
    RuntimeError("std::bad_alloc"),
]
OTHERS = [
    RuntimeError("CUDA error: device-side assert triggered"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED"),
    ValueError("the text says: out of memory"),
    RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"),
]


@pytest.mark.parametrize("error", MISSING, ids=lambda error: f"{type(error).__name__} {error}"[:60])
def test_missing_memory_is_known_by_the_words_of_every_library(error: Exception) -> None:
    assert is_out_of_memory(error)
    wrapped = ValueError("the layer failed")
    wrapped.__cause__ = error
    assert is_out_of_memory(wrapped)


@pytest.mark.parametrize("error", OTHERS, ids=str)
def test_other_errors_are_not_taken_for_missing_memory(error: Exception) -> None:
    assert not is_out_of_memory(error)


def test_a_chain_of_causes_that_is_a_circle_ends() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert not is_out_of_memory(first)


def test_the_peak_of_an_accelerator_is_that_of_tensors_and_that_of_the_allocator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.accelerator, "reset_peak_memory_stats", lambda device: None)
    monkeypatch.setattr(torch.accelerator, "max_memory_allocated", lambda device: 3 << 20)
    monkeypatch.setattr(torch.accelerator, "max_memory_reserved", lambda device: 5 << 20)
    memory = PeakMemory("cuda:0")
    assert (memory.mib(), memory.reserved_mib(), memory.unknown_because) == (3.0, 5.0, "")


def test_on_the_cpu_nothing_is_reserved() -> None:
    memory = PeakMemory("cpu")
    assert memory.reserved_mib() is None
    assert memory.mib() is not None


def test_a_device_without_counts_of_memory_costs_the_figure_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(device: torch.device) -> None:
        raise RuntimeError("Allocator for mps is not a DeviceAllocator.\nException raised from ...")

    monkeypatch.setattr(torch.accelerator, "reset_peak_memory_stats", refuse)
    memory = PeakMemory("mps")
    assert (memory.mib(), memory.reserved_mib()) == (None, None)
    assert memory.unknown_because == (
        "mps does not tell how much memory was taken: Allocator for mps is not a DeviceAllocator."
    )


def test_a_device_that_broke_during_the_trial_costs_the_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(device: torch.device) -> int:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(torch.accelerator, "reset_peak_memory_stats", lambda device: None)
    monkeypatch.setattr(torch.accelerator, "max_memory_allocated", broken)
    memory = PeakMemory("cuda:0")
    assert memory.mib() is None
    assert "device-side assert" in memory.unknown_because


# MPS and XPU, by their documentation


def test_an_mps_device_has_the_name_and_the_memory_that_metal_gives(
    accelerator: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    accelerator("mps")
    monkeypatch.setattr(torch.backends.mps, "get_name", lambda: "Apple M4 Max")
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 48 << 30)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 8 << 30)
    (device,) = devices.accelerators()
    assert (device.spelling, device.name, device.memory_mib) == ("mps:0", "Apple M4 Max", 48 << 10)
    assert devices.free_bytes(MPS) == 40 << 30


@pytest.mark.parametrize("has_fp64", [True, False])
def test_an_xpu_says_whether_it_has_float64(
    accelerator: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, has_fp64: bool
) -> None:
    accelerator("xpu")
    properties = SimpleNamespace(name="Intel Arc B580", total_memory=12 << 30, has_fp64=has_fp64)
    monkeypatch.setattr(torch.xpu, "get_device_properties", lambda device=None: properties)
    (device,) = devices.accelerators()
    assert (device.spelling, device.name, device.memory_mib) == ("xpu:0", "Intel Arc B580", 12 << 10)
    assert devices.has_float64(XPU) is has_fp64


def test_mps_has_no_float64_and_cpu_and_cuda_have_it() -> None:
    known = {name: devices.has_float64(torch.device(name)) for name in ("mps", "cpu", "cuda")}
    assert known == {"mps": False, "cpu": True, "cuda": True}


def test_the_free_memory_of_a_device_that_does_not_tell_is_assumed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(device: Any) -> None:
        raise RuntimeError("no such count")

    monkeypatch.setattr(torch.accelerator, "get_memory_info", refuse)
    assert devices.free_bytes(XPU) == devices.ASSUMED_FREE_BYTES
    assert devices.free_bytes(torch.device("cpu")) == float("inf")


@pytest.mark.parametrize("kind", ["mps", "xpu", "cuda"])
def test_autocast_to_bfloat16_is_asked_of_the_device_itself(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    asked: list[tuple[str, torch.dtype]] = []
    monkeypatch.setattr(torch, "autocast", lambda device, dtype: asked.append((device, dtype)))
    devices.autocast(f"{kind}:0", "bfloat16")
    assert asked == [(kind, torch.bfloat16)]
