"""Limits what an archive may unpack to, counted while it is read: a few bytes can claim and hold more than any disk."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import IO, NoReturn

from zoo_core.errors import DamagedDataError

# Deflate reaches 1,032 bytes a byte, bzip2 far more; pictures, tables and texts of real data stay below 50.
FREE_BYTES, MAX_RATIO = 1 << 30, 200
FREE_MEMBERS, MIN_MEMBER_BYTES = 100_000, 100
# Of a tar: the bytes of headers that one member, and each one on average, may have. Longer ones are kept in memory.
FREE_HEADER_BYTES, MEAN_HEADER_BYTES = 1 << 20, 1 << 14
BLOCK = 1 << 20  # bytes that are read at once


class Budget:
    """What may still be unpacked from an archive: its members, and their bytes."""

    def __init__(self, archive: Path) -> None:
        self._archive, size = archive, archive.stat().st_size
        self.max_bytes = FREE_BYTES + MAX_RATIO * size
        self._left_bytes, self._left_members = self.max_bytes, FREE_MEMBERS + size // MIN_MEMBER_BYTES

    def take_member(self, stated_bytes: int) -> None:
        """Count a member. Raises DamagedDataError if there are too many, or it states more bytes than are left."""
        self._left_members -= 1
        if self._left_members < 0:
            raise DamagedDataError(
                f"archive {self._archive} holds far more files than its size allows: it is damaged or made to fill "
                "memory; unpack it yourself if you trust it, and give --data-root the folder"
            )
        if stated_bytes > self._left_bytes:
            self.refuse(stated_bytes)

    def take_bytes(self, count: int) -> None:
        """Count bytes that were unpacked. Raises DamagedDataError if they are too many."""
        self._left_bytes -= count
        if self._left_bytes < 0:
            self.refuse(self.max_bytes - self._left_bytes)

    def refuse(self, count: int) -> NoReturn:
        """Raise DamagedDataError for an archive of `count` bytes or more."""
        raise DamagedDataError(
            f"archive {self._archive} unpacks to {count / (1 << 30):,.1f} GiB or more, {MAX_RATIO} times its size: it "
            "is damaged or made to fill the disk; unpack it yourself if you trust it, and give --data-root the folder"
        )


class Counted(io.RawIOBase):
    """The content of a member, or a compressed tar, whose bytes are counted as they are read."""

    def __init__(self, content: IO[bytes], budget: Budget) -> None:
        self._content, self._budget = content, budget

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(BLOCK), b""))
        block = self._content.read(size)
        self._budget.take_bytes(len(block))
        return block

    def seekable(self) -> bool:
        return True

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        """Go forward by reading, so that this counts, too; backward as the content does."""
        while whence == io.SEEK_SET and place > self._content.tell():
            if not Counted.read(self, min(place - self._content.tell(), BLOCK)):
                break
        return self._content.seek(place, whence)

    def tell(self) -> int:
        return self._content.tell()


class TarStream(Counted):
    """A tar, decompressed, whose headers are limited: tarfile keeps them in memory, and some of them never end.

    in_content: whether the content of a member is read now. members: how many were found so far.
    """

    def __init__(self, content: IO[bytes], budget: Budget) -> None:
        super().__init__(content, budget)
        self.in_content, self.members = False, 0
        self._header_bytes = 0

    def read(self, size: int = -1) -> bytes:
        if not self.in_content:
            self._header_bytes += max(size, 0)
            if self._header_bytes > FREE_HEADER_BYTES + MEAN_HEADER_BYTES * self.members:
                raise tarfile.ReadError("its headers do not end")
        return super().read(size)
