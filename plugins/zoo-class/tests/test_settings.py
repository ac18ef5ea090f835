"""`class.toml`: what a wrong key or value is told, and that the template says what the code does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from zoo_class.places import find_class
from zoo_class.settings import Settings, read_settings

from zoo_core.errors import UsageError

HEAD = 'title = "A"\ntask = "cosine"\n'
WRONG = {
    "an unknown key": (f"{HEAD}taks = 1", "unknown key taks = 1: did you mean task?"),
    "an unknown key of a table": (
        f"{HEAD}[limits]\nmemory = 5",
        "unknown key limits.memory = 5: did you mean memory_mib?",
    ),
    "a missing key": ('title = "A"', "the key task is missing: give the name of a task"),
    "a missing key of a target": (
        f'{HEAD}[[points.targets]]\nname = "a"\npoints = 1',
        "the key points.targets.score is missing: give a number, in the metric of the task",
    ),
    "a value of another type": (
        f'{HEAD}[limits]\nmemory_mib = "lots"',
        "limits.memory_mib = 'lots': give a whole number of MiB, 512 or more",
    ),
    "a value that is too small": (
        f"{HEAD}[limits]\nmemory_mib = 1",
        "limits.memory_mib = 1: give a whole number of MiB, 512",
    ),
    "a word that is not allowed": (
        f'{HEAD}[points]\nreached = "maybe"',
        "points.reached = 'maybe': give interval or mean",
    ),
    "a table in the place of a value": (f"{HEAD}[seeds]\na = 1", "seeds = {'a': 1}: give how many (3), or which"),
    "a time": (f'{HEAD}[limits]\ntime = "soon"', "limits.time = 'soon' is not a duration: write 60s, 10m or 1.5h"),
    "seeds": (f'{HEAD}seeds = "a"', "seeds = 'a': give how many (3), or which"),
    "an encoding": (f'{HEAD}[submissions]\nencoding = "x"', "submissions.encoding = 'x': give a text encoding"),
    "a deadline without a zone": (f"{HEAD}[submissions]\ndeadline = 2026-01-01T00:00:00", "give a time with its zone"),
    "a private part that is not there": (f'{HEAD}[points]\npart = "private"', "give data.private"),
    "labels that cannot be hidden": ('title = "A"\ntask = "a"\nsandbox = false', "say data.hide_labels = false, too"),
    "two targets of one name": (
        f'{HEAD}[points]\ntargets = [{{name="a", score=1, points=1}}, {{name="a", score=2, points=2}}]',
        "two targets or bonuses are named 'a'",
    ),
    "a bonus without a limit": (
        f'{HEAD}[points]\nbonus = [{{name="b", measure="parameters", points=1}}]',
        "points.bonus 'b': give either at_most or at_least",
    ),
    "a bonus from an unknown target": (
        f'{HEAD}[points]\nbonus = [{{name="b", measure="parameters", points=1, at_most=1, from_target="x"}}]',
        "points.bonus.from_target = 'x': give the name of a target: there are no targets",
    ),
    "no TOML": ("title =", "class.toml cannot be read: "),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_mistake_is_one_line_with_the_key_the_value_and_what_is_allowed(tmp_path: Path, kind: str) -> None:
    content, words = WRONG[kind]
    (tmp_path / "class.toml").write_text(content)
    with pytest.raises(UsageError) as raised:
        read_settings(tmp_path / "class.toml")
    assert words in str(raised.value)
    assert str(raised.value).startswith("class.toml")
    assert "\n" not in str(raised.value)


def test_a_new_class_has_every_key_with_its_default_and_a_page_for_students(
    zoo: Callable[..., Any], tmp_path: Path
) -> None:
    done = zoo("class", "new", "course", "--task", "cosine", "--title", 'The "first"', "--preset", "quick")
    assert done.code == 0, done.err
    places = find_class(tmp_path / "course")
    settings, text = read_settings(places.settings), places.settings.read_text()
    assert (settings.title, settings.task, settings.preset) == ('The "first"', "cosine", "quick")
    assert settings.limits == Settings(title="A", task="a").limits
    assert settings.data == Settings(title="A", task="a").data
    assert [target.score for target in settings.points.targets] == [0.25005, 0.0001]
    for table in (settings, settings.limits, settings.submissions, settings.data, settings.points, settings.boards):
        for key in table.__struct_fields__:
            assert key in text, key
    page = places.students_page.read_text()
    assert "zoo check ./net.py:Net --task cosine" in page
    assert "zoo bench cosine --preset quick --threads 1 --device cpu --model ./net.py:Net" in page
    assert "- pass: 0.25005, 6 points" in page
    assert "{" not in page
    assert zoo("class", "new", "course", "--task", "cosine").code == 2


def test_without_a_class_the_error_says_how_to_make_one(zoo: Callable[..., Any]) -> None:
    done = zoo("class", "run", "nowhere")
    assert (done.code, done.out) == (2, "")
    assert "there is no class.toml in nowhere: `zoo class new nowhere` writes one" in done.err
