"""Parses text from the command line and the API: durations, memory, seeds, dtypes, `key=value` settings."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Literal

from zoo_core.errors import UsageError, did_you_mean

MAX_SEEDS = 100_000
_SECONDS_PER_UNIT = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|)")
_MIB_PER_UNIT = {"m": 1.0, "g": 1024.0, "t": 1024.0**2}
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([mgt])(?:i?b)?")
MAX_MIB = 1 << 40
DTYPES = {"float32": "float32", "fp32": "float32", "bfloat16": "bfloat16", "bf16": "bfloat16"}


def parse_duration(option: str, text: str) -> float:
    """Parse `60s`, `10m`, `1.5h` or a plain number of seconds. Raises UsageError, which names the option."""
    found = _DURATION.fullmatch(text.strip().lower())
    seconds = float(found[1]) * _SECONDS_PER_UNIT[found[2]] if found else 0.0
    if not 0 < seconds < math.inf:
        raise UsageError(f"{option} {text!r} is not a duration: write 60s, 10m or 1.5h")
    return seconds


def parse_memory(option: str, text: str) -> int:
    """Parse `4g`, `500m` or `4GiB` into MiB; "" gives 0, for no limit. Raises UsageError, which names the option."""
    if not text.strip():
        return 0
    found = _MEMORY.fullmatch(text.strip().lower())
    mib = round(float(found[1]) * _MIB_PER_UNIT[found[2]]) if found else 0
    if not 0 < mib < MAX_MIB:
        raise UsageError(f"{option} {text!r} is not an amount of memory: write 4g or 500m")
    return mib


def parse_seeds(text: str) -> list[int]:
    """Parse a count or a list: `3` gives 0, 1, 2; `0,3,7` gives these seeds; `7,` gives 7. Raises UsageError."""
    try:
        listed = [int(part) for part in text.split(",") if part.strip()]
        count = listed[0] if listed else 0
        seeds = listed if "," in text else list(range(count if count <= MAX_SEEDS else 0))
    except ValueError:
        seeds = []
    if not seeds or min(seeds) < 0 or max(seeds) >= 2**63:
        raise UsageError(f"--seeds {text!r}: give how many (3) or which (0,3,7)")
    return list(dict.fromkeys(seeds))


def parse_settings(settings: Iterable[str]) -> dict[str, str]:
    """Parse `key=value` texts into a dict; the last value of a key counts. Raises UsageError."""
    values: dict[str, str] = {}
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not separator or not key.strip():
            raise UsageError(f"--set {setting!r}: write key=value, such as --set lr=0.1")
        values[key.strip()] = value.strip()
    return values


def parse_dtype(text: str) -> str:
    """Parse a dtype for autocast into torch's name for it. Raises UsageError."""
    if text.lower() not in DTYPES:
        near = did_you_mean(text, DTYPES)
        raise UsageError(f"--dtype {text!r} is not one of {', '.join(DTYPES)}{near and f': {near}'}")
    return DTYPES[text.lower()]


def parse_profile(text: str) -> Literal["", "time", "memory"]:
    """Parse what to profile; "" for nothing. Raises UsageError."""
    known: dict[str, Literal["", "time", "memory"]] = {"": "", "time": "time", "memory": "memory"}
    if text not in known:
        raise UsageError(f"--profile {text!r} is unknown: give time or memory")
    return known[text]
