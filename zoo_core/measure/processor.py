"""Describes the CPU: its model, instruction sets and caches. Names such as "Intel Xeon Processor" say little."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CPUINFO = Path("/proc/cpuinfo")
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
# What decides the speed of products of matrices: a flag of Linux or a name of macOS -> what people call it.
INSTRUCTION_SETS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_bf16": "AVX-512 BF16",
    "amx_tile": "AMX",
    "asimd": "NEON",
    "sve": "SVE",
    "bf16": "BF16",
    "hw.optional.avx2_0": "AVX2",
    "hw.optional.avx512f": "AVX-512",
    "hw.optional.AdvSIMD": "NEON",
    "hw.optional.arm.FEAT_BF16": "BF16",
    "hw.optional.arm.FEAT_SME": "SME",
}

# Those with instructions for products of bfloat16. With AMX, bf16 autocast trained cifar10's nets 1.3 to 2.4 times as
# fast as float32. Without either, on an AMD EPYC with AVX2, it took seven times as long.
FAST_BFLOAT16 = {"AMX", "AVX-512 BF16"}

SUFFIXES = {"Data": "d", "Instruction": "i"}  # of the first level, which has a cache for each


def describe_cpu() -> dict[str, Any]:
    """Return model, instruction sets and caches as JSON values; empty ones where the system does not tell.

    cpu_model: maker and numbers, which tell generations of one name apart. cpu_features: instruction sets.
    cpu_caches_kib: size by level, such as `L2`, of the caches that the first core uses.
    """
    text = _cpuinfo()
    return {
        "cpu_model": model_of(text),
        "cpu_features": instruction_sets(_flags(text)),
        "cpu_caches_kib": cache_sizes_kib(CACHES),
    }


@functools.cache  # reading takes milliseconds on a machine with many cores
def has_fast_bfloat16() -> bool:
    """Return whether this CPU trains faster in bfloat16 than in float32, by its instruction sets."""
    return not FAST_BFLOAT16.isdisjoint(instruction_sets(_flags(_cpuinfo())))


def model_of(cpuinfo: str) -> str:
    """Return maker, family, model and stepping of the first core in a text such as /proc/cpuinfo.

    >>> model_of("vendor_id\\t: GenuineIntel\\ncpu family\\t: 6\\nmodel\\t\\t: 143\\nmodel name\\t: Intel Xeon\\n")
    'GenuineIntel family 6 model 143'
    """
    names = {
        "vendor_id": "",
        "CPU implementer": "implementer ",
        "cpu family": "family ",
        "model": "model ",
        "CPU part": "part ",
        "stepping": "stepping ",
    }
    found = ((words, re.search(rf"^{name}[ \t]*:[ \t]*(\S+)", cpuinfo, re.M)) for name, words in names.items())
    return " ".join(f"{words}{match[1]}" for words, match in found if match)


def instruction_sets(flags: Iterable[str]) -> list[str]:
    """Return the known instruction sets among a CPU's flags.

    >>> instruction_sets(["fpu", "avx2", "avx512f", "amx_tile"])
    ['AVX2', 'AVX-512', 'AMX']
    """
    present = set(flags)
    return list(dict.fromkeys(name for flag, name in INSTRUCTION_SETS.items() if flag in present))


def cache_sizes_kib(folder: Path) -> dict[str, int]:
    """Return the size of each cache in a folder of Linux such as CACHES, by level: `L1d`, `L1i`, `L2`."""
    sizes = {}
    for cache in sorted(folder.glob("index*")):
        try:
            level, kind, size = ((cache / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:  # a virtual machine may hide some
            continue
        if match := re.fullmatch(r"(\d+)K", size):
            sizes[f"L{level}{SUFFIXES.get(kind, '')}"] = int(match[1])
    return sizes


def _cpuinfo() -> str:
    return CPUINFO.read_text(errors="replace") if CPUINFO.is_file() else ""


def _flags(cpuinfo: str) -> list[str]:
    """Return the flags of the first core: x86 calls them flags, ARM Features. macOS has one setting for each."""
    if match := re.search(r"^(?:flags|Features)[ \t]*:(.*)$", cpuinfo, re.M):
        return match[1].split()
    if sys.platform == "darwin":
        return re.findall(r"^(\S+): 1$", _settings_of_mac(), re.M)
    return []


def _settings_of_mac() -> str:
    try:
        done = subprocess.run(["sysctl", "hw.optional"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
