"""The EXIF orientation of pictures, read without their pixels where that is possible."""

from __future__ import annotations

import io

from PIL import Image, ImageFile

TAG, UPRIGHT = 0x0112, 1  # of EXIF
SIGNATURE_BYTES, FRAME_BYTES = 8, 12  # of a PNG file; of a chunk around its content: length, name and checksum
PIXELS, TEXTS = b"IDAT", (b"eXIf", b"tEXt", b"zTXt", b"iTXt")  # chunks; each of the four may hold EXIF
MAX_CHUNKS = 100_000  # more are not searched


def read_orientation(opened: ImageFile.ImageFile) -> int:
    """Return the orientation, 1 to 8, with which Pillow turns a picture that `open_picture` has opened.

    A PNG file may state it behind its pixels: such a file is decoded. Raises one of `zoo_core.data.images.UNREADABLE`.
    """
    # The own method of PNG pictures decodes them.
    exif = opened.getexif() if _may_have_more(opened) else Image.Image.getexif(opened)
    tag = exif.get(TAG)
    return tag if isinstance(tag, int) and 2 <= tag <= 8 else UPRIGHT


def _may_have_more(opened: ImageFile.ImageFile) -> bool:
    """Return whether a PNG file has a chunk behind its pixels that may hold EXIF."""
    if opened.format != "PNG":
        return False
    if not isinstance(opened.fp, io.BytesIO):
        return True
    with opened.fp.getbuffer() as content:
        place, behind = SIGNATURE_BYTES, False
        for _ in range(MAX_CHUNKS):
            name = bytes(content[place + 4 : place + 8])
            if not name:
                return False
            if behind and name in TEXTS:
                return True
            behind = behind or name == PIXELS
            place += FRAME_BYTES + int.from_bytes(content[place : place + 4], "big")
    return True
