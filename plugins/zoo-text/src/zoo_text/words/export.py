"""The command `zoo export-vectors`: the table of a saved model in word2vec's text format, which gensim reads.

The first line has the number of words and the size of a vector; each other line has a word and its numbers, with one
space between them.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import typer
from safetensors import SafetensorError, safe_open

from zoo_core import WeightsError
from zoo_core.data.columns import Array
from zoo_core.weights import read_weights, require_small_header

HEADER, TABLE = "zoo", "vectors.weight"  # of a checkpoint: the key of its facts, and the tensor of the vectors
REPLACEMENT = "_"  # for spaces, as word2vec's own tools join phrases


class _Facts(msgspec.Struct):
    """What the export needs of a checkpoint's header."""

    class Signature(msgspec.Struct):
        classes: tuple[str, ...]

    signature: Signature


def export_command(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint that `zoo bench word2vec --save` made.")],
    file: Annotated[Path, typer.Argument(help="The text file to write. No file is overwritten.")],
) -> None:
    """Write the word vectors of a saved model as a text file that gensim and word2vec read."""
    words, vectors = read_vectors(checkpoint)
    try:
        with file.open("x", encoding="utf-8", newline="\n") as opened:
            opened.writelines(vector_lines(words, vectors))
    except FileExistsError as error:
        raise WeightsError(f"{file} exists, and no file is overwritten: give another name") from error
    except OSError as error:
        raise WeightsError(f"{file} cannot be written ({error.strerror}): give another name") from error
    typer.echo(f"{len(words):,} vectors of {vectors.shape[1]} numbers in {file}")


def read_vectors(checkpoint: Path) -> tuple[tuple[str, ...], Array]:
    """Read the words of a checkpoint, and their vectors (words, dimension).

    Raises WeightsError if it cannot be read, is of another task, or its vectors are no table `vectors.weight`.
    """
    facts = _read_facts(checkpoint)
    words, weights = facts.signature.classes, read_weights(checkpoint, ".safetensors")
    if TABLE not in weights:
        raise WeightsError(
            f"{checkpoint} has no table {TABLE}: only models whose vectors are an nn.Embedding called `vectors`, like "
            "those of task word2vec, can be exported"
        )
    vectors: Array = weights[TABLE].float().numpy()
    if vectors.ndim != 2 or len(vectors) != len(words) or not vectors.size:
        raise WeightsError(f"{checkpoint} has {len(words)} words for a table {vectors.shape}: save it again")
    if not np.isfinite(vectors).all():
        raise WeightsError(f"{checkpoint} has vectors that are not finite: train with a smaller learning rate")
    return words, vectors


def _read_facts(checkpoint: Path) -> _Facts:
    try:
        require_small_header(checkpoint)
        with safe_open(checkpoint, framework="pt") as opened:
            metadata: dict[str, Any] = opened.metadata() or {}
        return msgspec.json.decode(metadata.get(HEADER, "null"), type=_Facts)
    except FileNotFoundError:
        raise WeightsError(f"there is no checkpoint {checkpoint}") from None
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{checkpoint} cannot be read as a checkpoint: save it again") from error
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise WeightsError(f"{checkpoint} is no checkpoint of `zoo bench --save` with words") from error


def vector_lines(words: Sequence[str], vectors: Array) -> list[str]:
    """Return the lines of the file. Shapes: vectors (words, dimension). Raises WeightsError for equal or empty words.

    Numbers have nine digits, from which float32 is read back exactly.

    >>> vector_lines(["new york", "b"], np.array([[0.5, 1], [2, 3]], np.float32))
    ['2 2\\n', 'new_york 0.5 1\\n', 'b 2 3\\n']
    """
    names = [plain_word(word) for word in words]
    doubled = [name for name, uses in Counter(names).items() if uses > 1 or not name]
    if doubled:
        raise WeightsError(
            f"several words would have the name {doubled[0]!r}: names have no spaces and no unprintable characters"
        )
    rows = (" ".join(f"{number:.9g}" for number in row) for row in vectors.tolist())
    return [f"{len(names)} {vectors.shape[1]}\n", *(f"{name} {row}\n" for name, row in zip(names, rows, strict=True))]


def plain_word(word: str) -> str:
    """Replace each run of spaces and line ends by `_`, and remove other characters that do not print.

    >>> plain_word("new\\u2028 york\\x07")
    'new_york'
    """
    joined = REPLACEMENT.join(word.split())
    return "".join(character for character in joined if unicodedata.category(character)[0] != "C")
