"""Receives the messages of a worker without ever waiting for the rest of one, and without believing announced sizes.

A message is what `multiprocessing.connection.Connection.send_bytes` writes: its size in 4 bytes, or -1 and its size in
8 bytes, then the content.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait

MAX_MESSAGE_MIB = 128
MAX_MESSAGE_BYTES = MAX_MESSAGE_MIB << 20
CHUNK_BYTES = 1 << 16  # read at once; between two reads the caller looks at the time
SIZE, LONG_SIZE = struct.Struct("!i"), struct.Struct("!Q")


class MessageError(ValueError):
    """The bytes on a pipe are no message, or a message that is too long."""


class Inbox:
    """The receiving end of a worker's pipe. `closed`: nothing more will come."""

    def __init__(self, receiver: Connection) -> None:
        self._receiver = receiver
        self._buffer = bytearray()
        self.closed = False
        if sys.platform != "win32":  # pipes of Windows deliver whole messages
            os.set_blocking(receiver.fileno(), False)

    def receive(self, timeout_s: float) -> list[bytes]:
        """Wait up to `timeout_s` for bytes, and return the messages that are complete. Raises MessageError."""
        if self.closed or not wait([self._receiver], max(0.0, timeout_s)):
            return []
        try:
            if sys.platform == "win32":
                return [self._receiver.recv_bytes(MAX_MESSAGE_BYTES)]
            chunk = os.read(self._receiver.fileno(), CHUNK_BYTES)
        except BlockingIOError:
            return []
        except (EOFError, OSError):
            chunk = b""
        self.closed = not chunk
        self._buffer += chunk
        return list(self._complete())

    def close(self) -> None:
        self.closed = True
        self._receiver.close()

    def _complete(self) -> Iterator[bytes]:
        while (bounds := self._bounds()) is not None and bounds[1] <= len(self._buffer):
            begin, end = bounds
            yield bytes(self._buffer[begin:end])
            del self._buffer[:end]

    def _bounds(self) -> tuple[int, int] | None:
        """Return where the content of the first message begins and ends; None if its size is not known yet."""
        if len(self._buffer) < SIZE.size:
            return None
        (size,), begin = SIZE.unpack_from(self._buffer), SIZE.size
        if size == -1:
            begin += LONG_SIZE.size
            if len(self._buffer) < begin:
                return None
            (size,) = LONG_SIZE.unpack_from(self._buffer, SIZE.size)
        if not 0 <= size <= MAX_MESSAGE_BYTES:
            raise MessageError(f"a message announces {size:,} bytes; at most {MAX_MESSAGE_BYTES:,} are allowed")
        return begin, begin + size
