"""Numbers and names as the pages show them. None and NaN (unknown) become a dash."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple

DASH = "\N{EN DASH}"
_ALLOWED = frozenset("\n\t\u200c\u200d")  # the last two join letters in the spelling of some languages
_LINK = re.compile(r"https?://[!#-&(-;=?-\[\]-~]{1,2000}")  # ASCII without space, quotes, <, >, backslash
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_USER = re.compile(r"https?://[^/?#]*@")  # `https://known.example@other.example` leads to the other one
_ARXIV = re.compile(r"arXiv:([0-9]{4}\.[0-9]{4,5}(?:v[0-9]{1,2})?)", re.IGNORECASE)
# Combining marks, which are drawn over the letter before: https://www.unicode.org/charts/nameslist/
_MARKS = r"[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_ACCENTS = re.compile(f"({_MARKS}{{4}}){_MARKS}+")


def known(value: Any) -> bool:
    """Whether a value is neither None, NaN nor pandas' NA."""
    if isinstance(value, float):
        return not math.isnan(value)
    return value is not None and type(value).__name__ != "NAType"


def score(value: Any) -> str:
    """A score with four decimals; a very small or large one with three digits and an exponent."""
    if not known(value):
        return DASH
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.2e}"


def spread(value: Any) -> str:
    """A standard deviation with two digits, as `zoo bench` prints it."""
    return f"{value:.2g}" if known(value) else DASH


def plain(value: Any) -> str:
    """A number from a specification, such as a target, without trailing zeros."""
    return f"{value:g}" if known(value) else DASH


def seconds(value: Any) -> str:
    """A duration: `0.02 ms`, `9.5 s`, `2 min 05 s`, `1 h 10 min`."""
    if not known(value):
        return DASH
    if 0 < value < 1e-3:
        return f"{1000 * value:.3g} ms"
    if value < 100:
        return f"{value:.3g} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def number(value: Any) -> str:
    """A measured number with three digits, or as a whole number with thousands separators."""
    if not known(value):
        return DASH
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def count(value: Any) -> str:
    """A count with thousands separators."""
    return f"{int(value):,}" if known(value) else DASH


def counted(number: int, noun: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


class TrialCounts(NamedTuple):
    """The numbers of trials that ran, of those of them that failed, and of skipped trials."""

    ran: int
    failed: int
    skipped: int

    @property
    def words(self) -> str:
        """`6 trials (1 failed), 3 skipped`; without trials that ran, only the skipped ones: `3 skipped trials`."""
        if not self.ran and self.skipped:
            return counted(self.skipped, "skipped trial")
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{counted(self.ran, 'trial')} ({self.failed} failed){skipped}"


def large(value: Any) -> str:
    """A count with an SI prefix: 8.45 k, 1.82 G."""
    if not known(value):
        return DASH
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {prefix}"
    return str(value)


def statuses(counts: Mapping[str, int]) -> str:
    """`ok 3, error 1`."""
    return ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in counts.items())


def clip(text: Any, max_chars: int = 120) -> str:
    """`text` cut to `max_chars`, without unprintable characters; empty if unknown."""
    words = str(text) if known(text) else ""
    if len(words) <= max_chars:
        return printable(words)
    return printable(words[: max_chars - 1]) + "…"  # cut first: a text may have megabytes


def printable(text: str) -> str:
    """`text` with replacement characters for what XML forbids, reverses the text direction or cannot be seen.

    Of accents on one letter, four are kept: more would cover the lines above and below.
    """
    if text.isascii() and text.isprintable():
        return text
    shown = "".join(char if _is_printable(char) else "\N{REPLACEMENT CHARACTER}" for char in text)
    return _ACCENTS.sub(r"\1", shown)


def _is_printable(char: str) -> bool:
    return char.isprintable() or char in _ALLOWED or unicodedata.category(char) == "Zs"


def bare(name: str) -> str:
    """`mlp` of `zoo-cosine:mlp`."""
    return name.partition(":")[2] or name


def plugin(name: str) -> str:
    """`zoo-cosine` of `zoo-cosine:mlp`."""
    return name.partition(":")[0] if name.partition(":")[2] else ""


def is_link(text: Any) -> bool:
    """Whether a text is a web address that is safe to link. `javascript:` is not, nor one with a user's name."""
    return isinstance(text, str) and _LINK.fullmatch(text) is not None and _USER.match(text) is None


def paper_link(text: Any) -> str:
    """The web address of a paper: the text itself, or that of `arXiv:1512.03385`; empty if it is neither."""
    if is_link(text):
        return str(text)
    number = _ARXIV.fullmatch(text) if isinstance(text, str) else None
    return f"https://arxiv.org/abs/{number[1]}" if number else ""


def day(moment: str) -> str:
    """The date of an ISO time."""
    return moment[:10]


def percent(value: Any) -> str:
    """A share as a percentage with a sign."""
    return f"{100 * value:+.1f} %" if known(value) and math.isfinite(value) else DASH


def moment(value: Any) -> str:
    """A moment of a record as RFC 3339 writes it; the beginning of 1970 if it is unknown."""
    return str(value) if known(value) and _MOMENT.fullmatch(str(value)) else "1970-01-01T00:00:00Z"


def heat(value: Any, row_sum: float) -> int:
    """The colour level of a heat map cell, 0 to 9: the square root of its share of the row's sum."""
    share = float(value) / row_sum if isinstance(value, int | float) and row_sum > 0 else 0.0
    return min(9, max(0, round(9 * math.sqrt(share)))) if math.isfinite(share) else 0


def cell(value: Any) -> str:
    """A cell of a table in a record: a number with five digits, anything else as clipped text."""
    if isinstance(value, float):
        return f"{value:.5g}"
    return DASH if value is None else clip(value, 200)
