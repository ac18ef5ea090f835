"""Shortens the texts that messages quote: what a file or a plugin says may have any length."""

from __future__ import annotations

import re

LOGIN = re.compile(r"//[^/\s]*@")  # name and password in an address
MAX_SHOWN = 200  # characters of a file's content in an error


def brief(text: object, max_chars: int = 300) -> str:
    """Return the beginning of a text.

    >>> brief("x" * 12, 4)
    'xxx…'
    """
    words = str(text)
    return words if len(words) <= max_chars else f"{words[: max_chars - 1]}…"


def one_line(text: object, max_chars: int = MAX_SHOWN) -> str:
    """Return the beginning of a text, with escapes if it has line breaks or other characters that do not print.

    >>> one_line("two\nlines")
    "'two\\nlines'"
    """
    short = brief(text, max_chars)
    return short if short.isprintable() else repr(short)


def shorten(text: str, max_chars: int = MAX_SHOWN) -> str:
    """Return a text without its middle if it is long.

    >>> len(shorten("a" * 5000))
    205
    """
    half = max_chars // 2
    return text if len(text) <= max_chars else f"{text[:half]} ... {text[-half:]}"


def without_login(text: str) -> str:
    """Return a text without the names and passwords in its addresses.

    >>> without_login("no answer from http://me:p@ss@example.org/x")
    'no answer from http://example.org/x'
    """
    return LOGIN.sub("//", text)
