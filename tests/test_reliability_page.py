"""The fault tables of docs/reliability.md name tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reliability.md"
ROWS = [
    line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ") and not line.startswith("| fault")
]
TEST = re.compile(r"`([\w/.-]+\.py)::(test_\w+)`")


def test_the_page_has_tables() -> None:
    assert len(ROWS) > 10


@pytest.mark.parametrize("row", ROWS)
def test_each_fault_names_its_test(row: str) -> None:
    named = TEST.findall(row.rsplit("|", 2)[1])
    assert named, "the last column names no test"
    for file, name in named:
        assert f"def {name}(" in (ROOT / file).read_text("utf-8"), f"{file} has no {name}"
