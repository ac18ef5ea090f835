"""The machine and the software, as a record keeps them; torch is asked for its version without importing it."""

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

from zoo_core.results.records import JsonStruct

DISTRIBUTIONS = ("zoo-core", "torch", "torchvision", "timm", "numpy", "scikit-learn")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "MKL_NUM_THREADS", "THP_MEM_ALLOC_ENABLE", "KMP_BLOCKTIME")


class Device(JsonStruct, frozen=True, kw_only=True):
    """An accelerator as a person names it (`cuda:1`), and what it is."""

    spelling: str
    kind: str
    name: str
    index: int
    memory_mib: int | None = None


def describe(plugins: Mapping[str, str]) -> dict[str, Any]:
    """CPU, cores, memory, operating system, versions, commit: JSON values, no name or path of the person's.

    `plugins`: the version of each loaded plugin, by name.
    """
    return {
        "machine": machine_id(),
        "cpu": cpu_name(),
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
    """Eight hexadecimal digits that tell machines apart and name none."""
    return hashlib.sha256(f"{platform.node()}\0{cpu_name()}\0{psutil.cpu_count()}".encode()).hexdigest()[:8]


def usable_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count() or 1


def cpu_name() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.lower().startswith(("model name", "hardware")):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin":
        found = _output("sysctl", "-n", "machdep.cpu.brand_string")
        if found:
            return found
    return platform.processor() or platform.machine()


def installed_version(distribution: str) -> str:
    """The installed version, empty where there is none."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def commit() -> str:
    """The zoo's commit where it runs from a checkout, with `+` where files differ from it; else empty."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return ""
    name = _output("git", "-C", str(here), "rev-parse", "--short=12", "HEAD")
    changed = _output("git", "-C", str(here), "status", "--porcelain", "--untracked-files=no")
    return name + ("+" if name and changed else "")


def nvidia_driver() -> str:
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
