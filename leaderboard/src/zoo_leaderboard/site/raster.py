"""SVG documents as PNG."""

from __future__ import annotations

import re

_STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)


def as_png(svg: str, scale: float = 1.0) -> bytes:
    """Return a picture of an SVG document of this package on white, `scale` pixels for each of the document."""
    import vl_convert

    svg = _STYLE.sub("", svg)  # the colours of dark mode
    start = svg.index(">", svg.index("<svg")) + 1
    white = '<rect width="100%" height="100%" fill="#ffffff"/>'
    picture: bytes = vl_convert.svg_to_png(f"{svg[:start]}{white}{svg[start:]}", scale=scale)
    return picture
