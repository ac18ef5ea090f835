"""Describes machine and software for records; the version of torch is read without importing it."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from zoo_core.measure.processor import describe_cpu
from zoo_core.results.records import JsonStruct

DISTRIBUTIONS = ("zoo-core", "torch", "torchvision", "timm", "numpy", "scikit-learn")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "MKL_NUM_THREADS", "THP_MEM_ALLOC_ENABLE", "KMP_BLOCKTIME")


class Device(JsonStruct, frozen=True, kw_only=True):
    """An accelerator: the name for `--device` (`spelling`, such as `cuda:1`) and its properties."""

    spelling: str
    kind: str
    name: str
    index: int
    memory_mib: int | None = None


def describe(plugins: Mapping[str, str]) -> dict[str, Any]:
    """Describe CPU, cores, memory, system, versions and commit as JSON values, without personal names or paths.

    plugins: the version of each loaded plugin, by name.
    """
    return {
        "machine": machine_id(),
        "cpu": cpu_name(),
        **describe_cpu(),
        "physical_cores": psutil.cpu_count(logical=False),
        "logical_cores": psutil.cpu_count(),
        "usable_cores": usable_cores(),
        "memory_mib": psutil.virtual_memory().total >> 20,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: installed for name in DISTRIBUTIONS if (installed := installed_version(name))},
        "plugins": dict(plugins),
        "commit": commit(),
        "driver": nvidia_driver(),
        "threads": {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
    }


def machine_id() -> str:
    """Return eight hexadecimal digits that differ between machines and do not reveal the machine's name."""
    return hashlib.sha256(f"{platform.node()}\0{cpu_name()}\0{psutil.cpu_count()}".encode()).hexdigest()[:8]


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count() or 1


def cpu_name() -> str:
    """Return the product name of the CPU."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.lower().startswith(("model name", "hardware")):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin":
        name = _output("sysctl", "-n", "machdep.cpu.brand_string")
        if name:
            return name
    return platform.processor() or platform.machine()


def installed_version(distribution: str) -> str:
    """Return the version of an installed distribution, or ""."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def commit() -> str:
    """Return the commit if the zoo runs from a checkout, with `+` if files have changed; else ""."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return ""
    name = _output("git", "-C", str(here), "rev-parse", "--short=12", "HEAD")
    changed = _output("git", "-C", str(here), "status", "--porcelain", "--untracked-files=no")
    return name + ("+" if name and changed else "")


def nvidia_driver() -> str:
    """Return the version line of the NVIDIA driver, or ""."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text(errors="replace")
    except OSError:
        return ""
    return text.partition("\n")[0].strip()


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
