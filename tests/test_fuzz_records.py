"""Some hundred changed inputs for each reader of records and caches: an error of the zoo, or a value; nothing else."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from zoo_core.errors import ZooError

INPUTS = 150


def _targets() -> Any:
    path = Path(__file__).with_name("fuzz") / "records.py"
    spec = importlib.util.spec_from_file_location("fuzz_records", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.TARGETS


TARGETS = _targets()


def changed(seed: bytes, draw: random.Random) -> bytes:
    """Cut, flip, double or replace a part of the input."""
    content = bytearray(seed)
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(content) + 1)
        length = draw.choice((1, 1, 2, 8, 64))
        how = draw.randrange(5)
        if how == 0:
            del content[place:]
        elif how == 1:
            content[place : place + length] = draw.randbytes(length)
        elif how == 2:
            content[place:place] = content[place : place + length]
        elif how == 3:
            words = (b"1e999", b"-1", b"9" * 30, b"null", b"[]", b"{}", b'""', b"NaN", b'"\\ud800"', b"\0", b"true")
            content[place : place + length] = draw.choice(words)
        else:
            del content[place : place + length]
    return bytes(content)


@pytest.mark.parametrize("name", TARGETS)
def test_changed_inputs_end_in_a_value_or_in_an_error_of_the_zoo(name: str, tmp_path: Path) -> None:
    parse, seeds = TARGETS[name]
    draw, path = random.Random(0), tmp_path / "input"
    for number in range(INPUTS):
        content = changed(seeds[number % len(seeds)], draw)
        path.write_bytes(content)
        try:
            parse(path)
        except ZooError:
            continue
        except Exception as error:
            pytest.fail(f"input {number} of {name}, {content[:2000]!r}: {error!r}")


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_themselves_are_read(name: str, tmp_path: Path) -> None:
    parse, seeds = TARGETS[name]
    for seed in seeds:
        (tmp_path / "input").write_bytes(seed)
        parse(tmp_path / "input")
