"""Checks PNG files from records, and keeps of each only what a browser draws."""

from __future__ import annotations

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PIXELS = 2**24  # 64 MiB once decoded; a small file can claim gigabytes
# The image itself, and its colours. Texts, EXIF data, animations and whatever follows the end are not copied.
KEPT_CHUNKS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT"})


def clean_png(content: bytes) -> bytes | str:
    """Return the PNG file without everything that is not drawn, or the reason why it is not one.

    Structure of the file: https://www.w3.org/TR/png-3/#5DataRep
    """
    if not content.startswith(SIGNATURE):
        return "not a PNG file"
    kept, at = [SIGNATURE], len(SIGNATURE)
    while at + 12 <= len(content):
        (size,) = struct.unpack_from(">I", content, at)
        kind, end = content[at + 4 : at + 8], at + 12 + size
        if end > len(content) or zlib.crc32(content[at + 4 : end - 4]) != struct.unpack_from(">I", content, end - 4)[0]:
            return "a damaged PNG file"
        if (len(kept) == 1) != (kind == b"IHDR"):
            return "a damaged PNG file"
        if kind == b"IHDR" and (reason := _refuse_size(content[at + 8 : end - 4])):
            return reason
        if kind in KEPT_CHUNKS:
            kept.append(content[at:end])
        if kind == b"IEND":
            return b"".join(kept)
        at = end
    return "a damaged PNG file"


def _refuse_size(header: bytes) -> str:
    """Say why a picture with this header is refused; empty if it is not."""
    if len(header) != 13:
        return "a damaged PNG file"
    width, height = struct.unpack_from(">II", header)
    if not 0 < width * height <= MAX_PIXELS:
        return f"{width} x {height} pixels, more than {MAX_PIXELS // 10**6} million" if width * height else "empty"
    return ""
