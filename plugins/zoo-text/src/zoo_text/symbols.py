"""The symbols of a language model: characters or bytes, numbered from 1; symbol 0 is any other character.

Symbol 0, `unknown`, stands for characters that are rare or missing in train, and for the start of a text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo_core import Signature
from zoo_core.data.columns import Array

UNKNOWN, UNKNOWN_NAME = 0, "unknown"
CHARACTERS, BYTES = "characters", "bytes"
CODE_POINTS = 0x110000
UNICODE = CODE_POINTS - 0x800  # characters of Unicode: all code points without the surrogates
BYTE_NAMES = tuple(f"byte {value:02X}" for value in range(256))


def class_name(character: str) -> str:
    """Name a character for signatures: itself, or its number if it is invisible.

    >>> class_name("ж"), class_name(" ")
    ('ж', 'U+0020')
    """
    return character if character.isprintable() and not character.isspace() else f"U+{ord(character):04X}"


def character_of(name: str) -> str:
    """Return the character that `class_name` named; "" for any other name, because a checkpoint may hold any.

    >>> character_of("U+000A"), character_of("word")
    ('\\n', '')
    """
    if len(name) == 1:
        return name
    try:
        return chr(int(name[2:], 16)) if name.startswith("U+") else ""
    except (ValueError, OverflowError):
        return ""


@dataclass(frozen=True, slots=True)
class Symbols:
    """The symbols of a signature. characters: those of the symbols 1, 2, ...; empty if the symbols are bytes.

    >>> symbols = Symbols(("a", "b"))
    >>> symbols.encode("abc").tolist(), symbols.decode([2, 1, 0])
    ([1, 2, 0], 'ba\ufffd')
    """

    characters: tuple[str, ...] = ()

    @classmethod
    def of(cls, signature: Signature) -> Symbols:
        """Return the symbols that the classes of a signature name."""
        if signature.extra.get("symbols") == BYTES:
            return cls()
        return cls(tuple(map(character_of, signature.classes[1:])))

    @property
    def names(self) -> tuple[str, ...]:
        """The classes of a signature."""
        return (UNKNOWN_NAME, *(map(class_name, self.characters) if self.characters else BYTE_NAMES))

    def __len__(self) -> int:
        return 1 + (len(self.characters) or len(BYTE_NAMES))

    def encode(self, text: str) -> Array:
        """Return the symbols of a text, int64 (symbols,)."""
        if not self.characters:
            return np.frombuffer(text.encode("utf-8", "replace"), np.uint8).astype(np.int64) + 1
        points = np.frombuffer(text.encode("utf-32-le", "replace"), "<u4")
        table = np.full(CODE_POINTS, UNKNOWN, np.int64)
        for number, character in enumerate(self.characters, 1):
            if character:
                table[ord(character)] = number
        found: Array = table[points]
        return found

    def decode(self, numbers: Sequence[int] | Array) -> str:
        """Return the text of symbols; what is no character becomes U+FFFD."""
        chosen = np.asarray(numbers, np.int64)
        if not self.characters:
            return (chosen[chosen > 0] - 1).astype(np.uint8).tobytes().decode("utf-8", "replace")
        points = np.array([0xFFFD, *(ord(character or "\ufffd") for character in self.characters)], "<u4")
        return points[chosen].tobytes().decode("utf-32-le", "replace")

    def decode_each(self, numbers: Array) -> list[str]:
        """Return the character of each symbol; of bytes, only those of ASCII are characters alone."""
        table = ["\ufffd", *(self.characters or map(chr, range(128)))]
        return [table[number] if number < len(table) else "\ufffd" for number in numbers.tolist()]

    def begins_character(self, numbers: Array) -> Array:
        """Return for each symbol whether a character begins with it: bool (n,)."""
        if self.characters:
            return np.ones(len(numbers), bool)
        continuing: Array = (numbers.astype(np.int64) - 1) & 0xC0 == 0x80
        return ~continuing

    @property
    def unknown_bits(self) -> float:
        """Bits that name an unknown character among all of Unicode's that are no symbol, on top of symbol 0's own."""
        return math.log2(UNICODE - len(self.characters)) if self.characters else 0.0
