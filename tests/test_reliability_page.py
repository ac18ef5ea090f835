"""The tables of docs/reliability.md and SECURITY.md name tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ("docs/reliability.md", "SECURITY.md")
TEST = re.compile(r"`([\w/.-]+\.py)::(test_\w+)`")


def rows(page: str) -> list[str]:
    """The rows of the page's tables, without their heads."""
    lines = (ROOT / page).read_text("utf-8").splitlines()
    return [line for line in lines if line.startswith("| ") and not line.endswith("| test |")]


ROWS = [row for page in PAGES for row in rows(page)]


@pytest.mark.parametrize("page", PAGES)
def test_the_page_has_tables(page: str) -> None:
    assert len(rows(page)) > 10


@pytest.mark.parametrize("row", ROWS)
def test_each_row_names_its_test(row: str) -> None:
    named = TEST.findall(row.rsplit("|", 2)[1])
    assert named, "the last column names no test"
    for file, name in named:
        assert f"def {name}(" in (ROOT / file).read_text("utf-8"), f"{file} has no {name}"


def test_no_fault_is_there_twice() -> None:
    faults = [row.split("|")[1] for row in rows("docs/reliability.md")]
    assert len(set(faults)) == len(faults)
