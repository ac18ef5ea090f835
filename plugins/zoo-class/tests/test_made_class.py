"""A class of thirty: one command in the sandbox, killed in the middle and run again, graded and shown. Minutes."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from zoo_core.errors import UsageError
from zoo_core.runner import sandbox


def why_not() -> str:
    try:
        sandbox.require()
    except UsageError as error:
        return str(error)
    return ""


pytestmark = [pytest.mark.nightly, pytest.mark.skipif(bool(why_not()), reason=why_not() or "it works here")]
KILL_AFTER = 6  # records


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "zoo_core", "class", *words]


def records(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("results/*/*/*.json")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, kit: Any) -> tuple[Path, dict[str, int]]:
    """The class after a kill in the middle and a second run; and the records that were there after the kill."""
    folder = tmp_path_factory.mktemp("made") / "course"
    folder.mkdir()
    kit.write_made_class(folder)
    first = subprocess.Popen(command("run", str(folder)), stdout=subprocess.DEVNULL, start_new_session=True)
    while len(records(folder)) < KILL_AFTER and first.poll() is None:
        time.sleep(0.1)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    before = records(folder)
    subprocess.run(command("run", str(folder)), check=True, timeout=3000)
    return folder, before


def test_each_of_thirty_got_what_it_deserves_and_nothing_ran_twice(made: tuple[Path, dict[str, int]], kit: Any) -> None:
    folder, before = made
    outcomes = json.loads((folder / "private" / "outcomes-public.json").read_text())["outcomes"]
    became = {item["name"]: item["status"] for item in outcomes if item["counts"]}
    assert len(became) == 30
    assert became == kit.BECAME
    assert len(before) >= KILL_AFTER
    assert before.items() <= records(folder).items()
    used = [key for item in outcomes for key in item["records"]]
    assert sorted(f"{key}.json" for key in used) == sorted(records(folder))


def test_its_grades_are_complete_and_its_public_board_names_nobody(made: tuple[Path, dict[str, int]], kit: Any) -> None:
    folder, _ = made
    subprocess.run(command("grades", str(folder)), check=True)
    subprocess.run(command("boards", str(folder)), check=True)
    with (folder / "out" / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30
    assert all(row["reason"] for row in rows)
    assert sum(float(row["points"]) > 0 for row in rows) >= 10
    for path in (path for path in (folder / "out" / "board").rglob("*") if path.is_file()):
        content = path.read_bytes()
        for name in (*kit.BECAME, str(folder), "@school.example"):
            assert name.encode() not in content, f"{name} in {path}"


def test_the_copy_is_pointed_at(made: tuple[Path, dict[str, int]]) -> None:
    done = subprocess.run(command("alike", str(made[0])), check=True, capture_output=True, text=True)
    assert any("Original" in line and "Copied" in line for line in done.stdout.splitlines())
