"""The data sets of the task `char-rnn`: texts from files, and sentences of a grammar, as columns of symbols.

Column: x (n,), uint8 or int16: the symbols of a text in order; see `zoo_text.symbols`. The last twentieth of the
text is test, the twentieth before it is val.
"""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from zoo_core import Context, DataUnavailableError, Signature, UnknownSplitError
from zoo_core.data.columns import Array
from zoo_text.grammar import Grammar, write_text
from zoo_text.reading import find_text, find_texts, read_blocks
from zoo_text.symbols import BYTES, CHARACTERS, CODE_POINTS, Symbols

Blocks = Callable[[], Iterator[str]]  # the text in blocks, read anew by each call

PARTS = 20  # of a text: the last is test, the one before it is val
MIN_CHARACTERS = 1000
MIN_COUNT = 2  # of a character in train: rarer ones are `unknown`, which so has examples to learn from
MAX_SYMBOLS = 8192  # the most frequent ones
SHAKESPEARE = ("input.txt", "tinyshakespeare.txt")


class Corpus:
    """A text as symbols. They lie in a temporary file, so that a text of gigabytes takes no memory.

    Raises DataUnavailableError for a text of less than 1,000 characters, and what `blocks` raises.
    """

    def __init__(self, ctx: Context, blocks: Blocks, kind: str = CHARACTERS, where: str = "the text") -> None:
        count = sum(map(len, blocks()))
        if count < MIN_CHARACTERS:
            raise DataUnavailableError(
                f"{where} has {count:,} characters: at least {MIN_CHARACTERS:,} are needed for train, val and test"
            )
        val, test = (count * part // PARTS for part in (PARTS - 2, PARTS - 1))
        symbols = Symbols() if kind == BYTES else Symbols(frequent_characters(first_characters(blocks(), val)))
        self._symbols = write_symbols(ctx.cache, blocks(), symbols)
        edges = [val, test] if symbols.characters else _byte_edges(blocks(), [val, test])
        self._places = {"train": slice(0, edges[0]), "val": slice(*edges), "test": slice(edges[1], None)}
        chance = math.log2(len(symbols)) * len(self._symbols) / count  # a guess among all symbols
        self.signature = Signature(
            input_shape=(),
            outputs=len(symbols),
            classes=symbols.names,
            extra={"symbols": kind, "train": edges[0], "chance": {"bits_per_char": chance}},
        )

    def load(self, split: str) -> dict[str, Array]:
        if split not in self._places:
            raise UnknownSplitError(f"a text has no split {split!r}, only {', '.join(self._places)}")
        return {"x": self._symbols[self._places[split]]}


def TinyShakespeare(ctx: Context) -> Corpus:
    """Tiny Shakespeare, or another edition of it: `input.txt`, `tinyshakespeare.txt`, or the file of the data root."""
    path = find_text(ctx, SHAKESPEARE)
    return Corpus(ctx, lambda: read_blocks(path), where=str(path))


def OwnText(ctx: Context) -> Corpus:
    """The user's texts in one stream, in natural order of their paths, as characters."""
    return _own(ctx, CHARACTERS)


def OwnBytes(ctx: Context) -> Corpus:
    """The user's texts in one stream, as the bytes of UTF-8."""
    return _own(ctx, BYTES)


def _own(ctx: Context, kind: str) -> Corpus:
    paths = find_texts(ctx)
    where = str(paths[0]) if len(paths) == 1 else f"the data root with {len(paths)} texts"
    return Corpus(ctx, lambda: gathered(joined_blocks(paths)), kind, where)


def GrammarText(ctx: Context) -> Corpus:
    """Half a million characters of the grammar; `extra["entropy"]` of the signature has the bits per character."""
    written = write_text(Grammar.standard())
    corpus = Corpus(ctx, lambda: iter([written.text]))
    count = len(written.text)
    edges = [0, *(count * part // PARTS for part in (PARTS - 2, PARTS - 1)), count]
    parts = zip(("train", "val", "test"), itertools.pairwise(edges), strict=True)
    entropy = {name: written.bits_per_character(start, stop) for name, (start, stop) in parts}
    entropy["rate"] = Grammar.standard().bits_per_character
    corpus.signature = replace(corpus.signature, extra={**corpus.signature.extra, "entropy": entropy})
    return corpus


def joined_blocks(paths: Sequence[Path]) -> Iterator[str]:
    """Yield the texts one after the other, each with a line end before the next."""
    for number, path in enumerate(paths):
        last = ""
        for block in read_blocks(path):
            last = block[-1:] or last
            yield block
        if number < len(paths) - 1 and last != "\n":
            yield "\n"


def gathered(blocks: Iterator[str], least: int = 1 << 20) -> Iterator[str]:
    """Join blocks until they have `least` characters: each block costs time, however short it is."""
    waiting, characters = [], 0
    for block in blocks:
        waiting.append(block)
        characters += len(block)
        if characters >= least:
            yield "".join(waiting)
            waiting, characters = [], 0
    if waiting:
        yield "".join(waiting)


def first_characters(blocks: Iterator[str], count: int) -> Iterator[str]:
    """Yield only the first `count` characters of the blocks."""
    for block in blocks:
        if count <= 0:
            return
        yield block[:count]
        count -= len(block)


def frequent_characters(blocks: Iterator[str]) -> tuple[str, ...]:
    """Return the characters that occur twice or more, by number; of more than 8,191 the most frequent ones."""
    counts = np.zeros(CODE_POINTS, np.int64)
    for block in blocks:
        counts += np.bincount(np.frombuffer(block.encode("utf-32-le"), "<u4"), minlength=CODE_POINTS)
    kept = np.flatnonzero(counts >= MIN_COUNT)
    kept = kept[np.argsort(-counts[kept], kind="stable")][: MAX_SYMBOLS - 1]
    return tuple(map(chr, np.sort(kept).tolist()))


def write_symbols(folder: Path, blocks: Iterator[str], symbols: Symbols) -> Array:
    """Write the symbols of a text to a file without a name, and map it into memory: uint8 or int16 (n,)."""
    folder.mkdir(parents=True, exist_ok=True)
    kind = np.dtype(np.uint8 if len(symbols) <= 256 else np.int16)
    with tempfile.TemporaryFile(dir=folder) as file:  # the map keeps the file until it is collected
        for block in blocks:
            file.write(symbols.encode(block).astype(kind).tobytes())
        file.flush()
        return np.memmap(file, kind, mode="r")


def _byte_edges(blocks: Iterator[str], edges: Sequence[int]) -> list[int]:
    """Return the places in bytes of places in characters, in order."""
    places, characters, size = [], 0, 0
    waiting = list(edges)
    for block in blocks:
        while waiting and waiting[0] <= characters + len(block):
            places.append(size + len(block[: waiting.pop(0) - characters].encode()))
        characters += len(block)
        size += len(block.encode())
    return places
