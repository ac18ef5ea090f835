"""Makes text of plugins and trials harmless for a terminal: no escape sequences, no control characters."""

from __future__ import annotations

import json
import re
import unicodedata

from zoo_core.entries.naming import JOINERS

# ECMA-48: control sequences, strings such as a window title (up to BEL or ST), other escapes; each also as one byte.
ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\n]*?(?:\x07|\x1b\\|\x9c|(?=\n)|$)"
    r"|\x1b[ -/]*[0-~]?"
)


def harmless(text: str) -> str:
    """Remove escape sequences, and replace other characters that do not print by `?`, except line ends and tabs.

    >>> harmless("\\x1b[31mred\\x1b[0m\\a")
    'red?'
    """
    if text.isprintable():
        return text
    return "".join(character if _is_harmless(character) else "?" for character in ESCAPES.sub("", text))


def harmless_json(text: str) -> str:
    """Write each character of a JSON text that does not print as an escape sequence of JSON; the value is the same."""
    return "".join(character if _is_harmless(character) else json.dumps(character)[1:-1] for character in text)


def _is_harmless(character: str) -> bool:
    """Return whether a character prints, is a space of any width, a line end or a tab, or joins letters of a word."""
    return character.isprintable() or character in f"\n\t{JOINERS}" or unicodedata.category(character) == "Zs"


def final_lines(text: str) -> list[str]:
    """Return the lines as a terminal shows them at the end: a carriage return begins its line again.

    Lines that are empty then are left out, as are those of `faulthandler` about a crash.

    >>> final_lines("50 %\\r100 %\\r\\n\\ndone")
    ['100 %', 'done']
    """
    printed = text.partition("Fatal Python error: ")[0]
    lines = [line.rstrip().rpartition("\r")[2] for line in ESCAPES.sub("", printed).split("\n")]
    return [shown for line in lines if (shown := harmless(line.expandtabs(4)).rstrip())]
