"""Numbers and names as the pages show them. None and NaN are a dash: not known."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

DASH = "\N{EN DASH}"
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LINK = re.compile(r"https?://[^\s<>\"']{1,2000}")


def known(value: Any) -> bool:
    """Whether a cell holds something."""
    if isinstance(value, float):
        return not math.isnan(value)
    return value is not None and type(value).__name__ != "NAType"


def score(value: Any) -> str:
    """A score: four decimals, or three digits with an exponent where it is small or large."""
    if not known(value):
        return DASH
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.2e}"


def plain(value: Any) -> str:
    """A number that somebody chose, such as a target, without more digits than it has."""
    return f"{value:g}" if known(value) else DASH


def seconds(value: Any) -> str:
    """Seconds as a person says them."""
    if not known(value):
        return DASH
    if value < 100:
        return f"{value:.3g} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def number(value: Any) -> str:
    """A measured number: three digits, thousands apart."""
    if not known(value):
        return DASH
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def count(value: Any) -> str:
    """A count, thousands apart."""
    return f"{int(value):,}" if known(value) else DASH


def counted(number: int, noun: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def large(value: Any) -> str:
    """A count with a prefix: 8.45 k, 1.82 G."""
    if not known(value):
        return DASH
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {prefix}"
    return str(value)


def statuses(counts: Mapping[str, int]) -> str:
    """`ok 3, error 1`."""
    return ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in counts.items())


def clip(text: Any, most: int = 120) -> str:
    """`text`, cut where it is too long to read; the data beside the page have all of it."""
    words = printable(str(text)) if known(text) else ""
    return words if len(words) <= most else words[: most - 1] + "…"


def printable(text: str) -> str:
    """`text` without the characters that XML refuses, and those that turn the direction of writing to disguise it."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_trick(char) else char for char in text)


def _is_trick(char: str) -> bool:
    return char in _TURNING or (unicodedata.category(char) in ("Cc", "Cn", "Cs") and char not in "\n\t")


def bare(name: str) -> str:
    """`mlp` of `zoo-cosine:mlp`."""
    return name.partition(":")[2] or name


def plugin(name: str) -> str:
    """`zoo-cosine` of `zoo-cosine:mlp`."""
    return name.partition(":")[0] if name.partition(":")[2] else ""


def is_link(text: Any) -> bool:
    """Whether a text is a web address that may be linked: `javascript:` and the like are not."""
    return isinstance(text, str) and _LINK.fullmatch(text) is not None


def day(moment: str) -> str:
    """The day of an ISO time."""
    return moment[:10]


def percent(value: Any) -> str:
    """A share as a percentage with its sign."""
    return f"{100 * value:+.1f} %" if known(value) and math.isfinite(value) else DASH


def heat(value: Any, whole: float) -> int:
    """How dark a cell of a heat map is, 0 to 9, from its share of the row's sum."""
    share = float(value) / whole if isinstance(value, int | float) and whole > 0 else 0.0
    return min(9, max(0, round(9 * math.sqrt(share)))) if math.isfinite(share) else 0


def cell(value: Any) -> str:
    """A cell of a record's own table: a number with five digits, anything else as a clipped text."""
    if isinstance(value, float):
        return f"{value:.5g}"
    return DASH if value is None else clip(value, 200)
