"""Reads a sweep file: the words of a `zoo bench` call in TOML, to commit and to run again.

Each key is an option of `zoo bench` without its dashes. `tasks` are the arguments, the table `set` holds recipe keys.
The words are parsed as if they had been typed, so that mistakes give the same errors.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo_core.errors import UnknownNameError, UsageError
from zoo_core.files import read_regular

OPTION = "--sweep"
MAX_BYTES = 1 << 20
TASKS, SETTINGS, SEEDS = "tasks", "set", "seeds"
NOT_IN_FILES = ("sweep", "help", "dry-run", "json")  # these say what one call prints


def with_sweep(words: Sequence[str], params: Iterable[Any]) -> list[str]:
    """Put the words of the file that `--sweep` names before those of the call, which therefore count last.

    params: of the command, as click has them. Raises UsageError.
    """
    found = [*words]
    for index, word in enumerate(words):
        if word == OPTION and index + 1 < len(words):
            return [*read_words(Path(words[index + 1]), params), *found]
        if word.startswith(f"{OPTION}="):
            return [*read_words(Path(word.partition("=")[2]), params), *found]
    return found


def read_words(path: Path, params: Iterable[Any]) -> list[str]:
    """Read a sweep file as the words that mean the same. Raises UsageError, which names the file and the key."""
    content = _read(path)
    options = {
        option.removeprefix("--"): param
        for param in params
        for option in param.opts
        if option.startswith("--") and option.removeprefix("--") not in NOT_IN_FILES
    }
    words = []
    for key, value in content.items():
        place = f"{path}: {key}"
        if key == TASKS:
            words += [_argument(place, item) for item in _as_list(value)]
        elif key == SETTINGS:
            words += [f"--set={setting}" for setting in _settings(place, value)]
        elif key in options:
            words += _words_of(place, key, value, options[key])
        else:
            raise UnknownNameError("key", key, [TASKS, *options], hint=f"{path}; `zoo bench --help` lists them")
    return words


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_regular(path, MAX_BYTES).decode("utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{OPTION} {path}: there is no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{OPTION} {path} is not TOML: {error}") from error
    except OSError as error:
        raise UsageError(f"{OPTION} {path} cannot be read: {error.strerror or error}") from error


def _words_of(place: str, key: str, value: Any, param: Any) -> Iterator[str]:
    """Yield the words for one option."""
    if param.is_flag:
        if not isinstance(value, bool):
            raise UsageError(f"{place} = {value!r}: write true or false")
        if value:
            yield f"--{key}"
        return
    if key == SEEDS and isinstance(value, list):
        yield f"--{key}={','.join(_text(place, item) for item in value)},"
        return
    if isinstance(value, list) and not param.multiple:
        raise UsageError(f"{place} takes one value, not a list")
    for item in _as_list(value):
        yield f"--{key}={_text(place, item)}"


def _settings(place: str, values: Any) -> Iterator[str]:
    """Yield `key=value` for each recipe key; a list means a trial for each of its values, as in `key=a,b`."""
    if not isinstance(values, Mapping):
        raise UsageError(f"{place}: write a table, such as [set] and below it lr = [0.1, 0.01]")
    for key, value in values.items():
        items = _as_list(value)
        texts = [_text(f"{place}.{key}", item) for item in items]
        if len(texts) > 1 and any("," in text for text in texts):
            raise UsageError(f"{place}.{key}: in a list, no text may have a comma")
        is_text = len(items) == 1 and isinstance(items[0], str) and "," in items[0]
        yield f"{key}={json.dumps(items[0]) if is_text else ','.join(texts)}"


def _argument(place: str, value: Any) -> str:
    text = _text(place, value)
    if text.startswith("-"):
        raise UsageError(f"{place}: {text!r} is an option, not a task: give it as a key of its own")
    return text


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(place: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise UsageError(f"{place}: {value!r} is neither a text nor a number")
    return str(value)
