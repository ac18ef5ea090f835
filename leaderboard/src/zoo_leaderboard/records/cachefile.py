"""Files of the leaderboard's cache. One that is damaged, cut or of other code counts as missing, so it is made again.

Each file begins with a hash of its content and of the code that made it. Nothing of a file with another hash is used:
zeros or flipped bits may well decode, as other numbers.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from zoo_core.files import read_regular, write_atomically

MAX_CACHE_BYTES = 4 * 2**30  # an index of 100,000 records has 0.3 GiB
DIGEST_BYTES = hashlib.sha256().digest_size

T = TypeVar("T")


def read_cached(path: Path, form: type[T], code: str) -> T | None:
    """Return the value in a file of the cache; None if there is none that this code wrote as a whole.

    code: names the version of the code that makes the values.
    """
    try:
        content = memoryview(read_regular(path, MAX_CACHE_BYTES))
        digest, payload = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
        return msgspec.msgpack.decode(payload, type=form) if digest == _digest(payload, code) else None
    except (OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None


def write_cached(path: Path, value: Any, code: str) -> None:
    """Write a value to the cache. Errors are ignored, because the cache only saves time."""
    with contextlib.suppress(OSError, ValueError, OverflowError):  # a disk without space; names that are not UTF-8
        payload = msgspec.msgpack.encode(value)
        write_atomically(path, _digest(payload, code) + payload)


def _digest(payload: bytes | memoryview, code: str) -> bytes:
    found = hashlib.sha256(code.encode())
    found.update(payload)
    return found.digest()
