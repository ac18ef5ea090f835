"""Names of models without a package: which text is a name, and the hash that tells two sources of one name apart.

A person may name a model (`--name`). Otherwise its name consists of the file, the class, and a short hash of where the
source lies. An edited file keeps its name; another file with the same file name and class gets another one.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import unicodedata
from dataclasses import replace
from pathlib import Path

from zoo_core.errors import UsageError
from zoo_core.files import cache_dir, new_folder, write_atomically, writing_cache
from zoo_core.specs import ModelSpec

MAX_CHARS = 64
SOURCE_DIGITS = 8
JOINERS = "\u200c\u200d"  # zero-width characters that the spelling of some languages needs inside a word
PUNCTUATION = ".,_-+=()' "  # not : and /, which have a meaning in names of models


def plain_name(stem: str, attribute: str) -> str:
    """Make a name of a file and a class: `my_net.py` and `MyNet` give `my_net.my-net`; letters of any script stay."""
    words = "".join(
        f"-{char}" if char.isupper() and (before.islower() or before.isdigit()) else char
        for before, char in zip(f" {attribute}", attribute, strict=False)
    )
    text = unicodedata.normalize("NFC", f"{stem}.{words}".lower())
    kept = "".join(char if _is_of_word(char) or char in "._-" else " " for char in text)
    return "-".join(kept.split()).replace("-.", ".").replace(".-", ".")[:MAX_CHARS].strip(f"._-{JOINERS}") or "model"


def check_name(text: str) -> str:
    """Return the name that a person gave, in Unicode's form NFC. Raises UsageError if it is no valid name."""
    name = unicodedata.normalize("NFC", text).strip(" ")
    wrong = next((char for char in name if not (_is_of_word(char) or char in PUNCTUATION)), "")
    if wrong:
        raise UsageError(
            f"--name {text!r}: {wrong!r} is not allowed; use letters, digits, spaces and {PUNCTUATION.strip()}"
        )
    if not name or len(name) > MAX_CHARS or not name[0].isalnum() or name[-1] in JOINERS:
        raise UsageError(f"--name {text!r}: use 1 to {MAX_CHARS} characters, and begin with a letter or digit")
    return name


def _is_of_word(char: str) -> bool:
    """Return whether a character is a letter, a digit, a mark on one, or joins two, in any script."""
    return unicodedata.category(char)[0] in "LMN" or char in JOINERS


def named(model: ModelSpec, place: Path, attribute: str, name: str = "") -> ModelSpec:
    """Return the spec with its name in records: the given `name`, or its plain name and the hash of its source.

    place, attribute: as for `source_hash`. Raises UsageError if `name` is no valid name.
    """
    source = source_hash(place, attribute)
    return replace(model, name=check_name(name) if name else f"{model.name}-{source}", source=source)


def name_without_source(name: str, source: str) -> str:
    """Return the plain name of a model that has no given name; equal for two sources of one name."""
    return name.removesuffix(f"-{source}")


def source_hash(place: Path, attribute: str) -> str:
    """Hash where a model's source lies: the path of its file or notebook, and the name of its class or function there.

    Other users' hashes differ also for the same path. So models of two people stay apart when their records are merged,
    and the path cannot be guessed from the hash.
    """
    where = os.path.normcase(place.parent.resolve() / place.name)  # a link as the file itself may be pointed elsewhere
    text = unicodedata.normalize("NFC", f"{_salt()}\0{where}\0{attribute}")
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:SOURCE_DIGITS]


def _salt() -> str:
    """Return this user's random text, kept in the cache. After the cache was deleted, it is another one."""
    folder = cache_dir() / "unpackaged" / "salt"
    file, fresh = folder / "salt.txt", secrets.token_hex(16)
    with writing_cache():
        if not folder.is_dir():
            with new_folder(folder, ".salt-") as new:  # if two processes start at once, both read the text of the first
                (new / file.name).write_text(fresh)
        elif not file.is_file() or not file.stat().st_size:  # something else cleaned the cache
            write_atomically(file, fresh.encode())
        return file.read_text()
