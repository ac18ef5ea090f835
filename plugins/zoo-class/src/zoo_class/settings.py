"""Reads and checks `class.toml`. A wrong key or value is one line: the key, the value and what is allowed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta

from zoo_class.places import Part
from zoo_core.errors import UsageError, did_you_mean
from zoo_core.files import read_regular
from zoo_core.quote import one_line
from zoo_core.ui.parsing import parse_duration, parse_seeds

MAX_BYTES = 1 << 20
WHERE = re.compile(r" - at `\$\.?([^`]*)`$")
MISSING = re.compile(r"missing required field `([^`]+)`")


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the tables of `class.toml`. The description of a key says which values are allowed."""


class Limits(Table, frozen=True, kw_only=True):
    """What one trial may take."""

    time: Annotated[str, Meta(description="a time such as 60s, 10m or 1h")] = "10m"
    memory_mib: Annotated[int, Meta(ge=512, description="a whole number of MiB, 512 or more")] = 4096
    threads: Annotated[int, Meta(ge=0, le=1024, description="a whole number; 0 lets the zoo choose")] = 1
    output_mib: Annotated[int, Meta(ge=1, description="a whole number of MiB, 1 or more")] = 256
    submission_mib: Annotated[int, Meta(ge=1, description="a whole number of MiB, 1 or more")] = 64


class Submissions(Table, frozen=True, kw_only=True):
    """Where the submissions are, and which of them count."""

    folder: Annotated[str, Meta(min_length=1, description="a folder with one entry for each student")] = "submissions"
    table: Annotated[str, Meta(description='a CSV file with the columns name, path and time; "" for none')] = ""
    roster: Annotated[str, Meta(description='a CSV file with a column name; "" for none')] = ""
    template: Annotated[str, Meta(description='the folder with the files that you gave out; "" for none')] = "template"
    file: Annotated[str, Meta(pattern=r"\.(py|ipynb)$", description="a file name that ends in .py or .ipynb")] = (
        "net.py"
    )
    model: Annotated[str, Meta(pattern=r"^[^\W\d]\w*$", description="the name of a class or function")] = "Net"
    encoding: Annotated[str, Meta(description="a text encoding that Python knows, such as cp1251")] = "cp1251"
    deadline: Annotated[datetime | None, Meta(description="a time with its zone: 2026-12-01T23:59:00+03:00")] = None
    late: Annotated[Literal["refuse", "accept", "reduce"], Meta(description="refuse, accept or reduce")] = "refuse"
    late_pct_per_day: Annotated[float, Meta(ge=0, le=100, description="a number from 0 to 100")] = 10.0
    attempts: Annotated[Literal["latest", "best"], Meta(description="latest or best")] = "latest"
    most_attempts: Annotated[int, Meta(ge=0, description="a whole number; 0 for any number")] = 0


class Data(Table, frozen=True, kw_only=True):
    """The data on which the submissions are scored."""

    public: Annotated[str, Meta(description='a data root for `--data-root`; "" for the data set\'s own files')] = ""
    private: Annotated[str, Meta(description='a data root whose scores students do not see; "" for none')] = ""
    offline: Annotated[bool, Meta(description="true or false")] = False
    hide_labels: Annotated[bool, Meta(description="true or false")] = True


class Target(Table, frozen=True, kw_only=True):
    """A score that is worth points."""

    name: Annotated[str, Meta(min_length=1, max_length=60, description="a text of 1 to 60 characters")]
    score: Annotated[float, Meta(description="a number, in the metric of the task")]
    points: Annotated[float, Meta(ge=0, description="a number, 0 or more")]


class Bonus(Table, frozen=True, kw_only=True):
    """Points for speed or size, from the target of that name on."""

    name: Annotated[str, Meta(min_length=1, max_length=60, description="a text of 1 to 60 characters")]
    measure: Annotated[
        Literal["train_s", "latency_ms", "throughput", "peak_memory_mib", "parameters"],
        Meta(description="train_s, latency_ms, throughput, peak_memory_mib or parameters"),
    ]
    points: Annotated[float, Meta(ge=0, description="a number, 0 or more")]
    at_most: Annotated[float | None, Meta(description="a number; or give at_least")] = None
    at_least: Annotated[float | None, Meta(description="a number; or give at_most")] = None
    from_target: Annotated[str, Meta(description='the name of a target; "" for any score')] = ""


class Points(Table, frozen=True, kw_only=True):
    """How a score becomes points."""

    part: Annotated[Part | Literal[""], Meta(description='public, private, or "" for private if there is one')] = ""
    reached: Annotated[Literal["interval", "mean"], Meta(description="interval or mean")] = "mean"
    between: Annotated[Literal["linear", "steps"], Meta(description="linear or steps")] = "linear"
    targets: Annotated[tuple[Target, ...], Meta(description="tables [[points.targets]]")] = ()
    bonus: Annotated[tuple[Bonus, ...], Meta(description="tables [[points.bonus]]")] = ()

    @property
    def most(self) -> float:
        """The points of a submission that reaches everything."""
        return max((target.points for target in self.targets), default=0.0) + sum(item.points for item in self.bonus)


class Boards(Table, frozen=True, kw_only=True):
    """What the class sees."""

    names: Annotated[
        Literal["pseudonyms", "everybody agreed"], Meta(description="pseudonyms, or everybody agreed to show names")
    ] = "pseudonyms"


class Settings(Table, frozen=True, kw_only=True):
    """A whole `class.toml`."""

    title: Annotated[str, Meta(min_length=1, max_length=100, description="a text of 1 to 100 characters")]
    task: Annotated[str, Meta(min_length=1, description="the name of a task: `zoo list`")]
    dataset: Annotated[str, Meta(description='the name of a data set; "" for the task\'s first')] = ""
    preset: Annotated[Literal["", "quick"], Meta(description='quick, or "" for the whole recipe')] = ""
    seeds: Annotated[int | str, Meta(description='how many (3), or which ("0,3,7")')] = 1
    device: Annotated[str, Meta(min_length=1, description="cpu, cuda, cuda:1 ... or auto")] = "cpu"
    budget: Annotated[str, Meta(description='a training time such as 60s; "" for the length of the recipe')] = ""
    recipe: Annotated[dict[str, Any], Meta(description="recipe keys and their values")] = {}
    sandbox: Annotated[bool, Meta(description="true, or false if you trust every file")] = True
    limits: Annotated[Limits, Meta(description="a table [limits]")] = Limits()
    submissions: Annotated[Submissions, Meta(description="a table [submissions]")] = Submissions()
    data: Annotated[Data, Meta(description="a table [data]")] = Data()
    points: Annotated[Points, Meta(description="a table [points]")] = Points()
    boards: Annotated[Boards, Meta(description="a table [boards]")] = Boards()

    @property
    def graded_part(self) -> Part:
        """The part of the data whose scores give the points."""
        return self.points.part or ("private" if self.data.private else "public")


def read_settings(path: Path) -> Settings:
    """Read `class.toml`. Raises UsageError, in one line, for the first thing that is wrong."""
    try:
        found = tomllib.loads(read_regular(path, MAX_BYTES).decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name} cannot be read: {one_line(error)}") from None
    except RecursionError:
        raise UsageError(f"{path.name} cannot be read: its values are nested too deeply") from None
    try:
        _refuse_unknown_keys(found, Settings, "")
        settings = msgspec.convert(found, Settings)
        _check_together(settings)
    except msgspec.ValidationError as error:
        raise UsageError(f"{path.name}: {_in_words(str(error), found)}") from None
    except UsageError as error:
        raise UsageError(f"{path.name}: {error}") from None
    return settings


def _refuse_unknown_keys(found: Mapping[str, Any], table: type[Table], prefix: str) -> None:
    known = get_type_hints(table)
    for key, value in found.items():
        if key not in known:
            advice = did_you_mean(key, known) or f"known here: {', '.join(known)}"
            raise UsageError(f"unknown key {one_line(prefix + key)} = {one_line(repr(value), 60)}: {advice}")
        inner = _table_in(known[key])
        for item in value if isinstance(value, list) else [value]:
            if inner is not None and isinstance(item, dict):
                _refuse_unknown_keys(item, inner, f"{prefix}{key}.")


def _table_in(hint: Any) -> type[Table] | None:
    """Return the table that a type holds, itself or as an item; None if it holds none."""
    if isinstance(hint, type) and issubclass(hint, Table):
        return hint
    return next((found for part in get_args(hint) if (found := _table_in(part)) is not None), None)


def _in_words(message: str, found: Mapping[str, Any]) -> str:
    """Return msgspec's message with the key, its value and what is allowed."""
    where = WHERE.search(message)
    steps = re.findall(r"[^.\[\]]+", where[1]) if where else []
    if missing := MISSING.search(message):
        return f"the key {'.'.join([*_names(steps), missing[1]])} is missing: give {_allowed([*steps, missing[1]])}"
    value: Any = found
    for step in steps:
        if isinstance(value, list) and step.isdigit():
            value = value[int(step)]
        elif isinstance(value, Mapping) and step in value:
            value = value[step]
    return f"{'.'.join(_names(steps))} = {one_line(repr(value), 80)}: give {_allowed(steps)}"


def _names(steps: list[str]) -> list[str]:
    return [step for step in steps if not step.isdigit() and step != "..."]


def _allowed(steps: list[str]) -> str:
    """Return the description of the key that these steps lead to."""
    table: type[Table] | None = Settings
    words = "another value"
    for name in _names(steps):
        if table is None:
            break
        hint = get_type_hints(table, include_extras=True).get(name)
        words = next((item.description for item in getattr(hint, "__metadata__", ()) if item.description), words)
        table = _table_in(hint)
    return words


def _check_together(settings: Settings) -> None:
    """Check what the type of a single key cannot say. Raises UsageError."""
    parse_duration("limits.time =", settings.limits.time)
    if settings.budget:
        parse_duration("budget =", settings.budget)
    try:
        parse_seeds(str(settings.seeds))
    except UsageError:
        raise UsageError(f'seeds = {settings.seeds!r}: give how many (3), or which ("0,3,7")') from None
    try:
        "".encode(settings.submissions.encoding)
    except LookupError:
        raise UsageError(
            f"submissions.encoding = {settings.submissions.encoding!r}: give a text encoding that Python knows, "
            "such as cp1251"
        ) from None
    deadline = settings.submissions.deadline
    if deadline is not None and deadline.utcoffset() is None:
        raise UsageError(f"submissions.deadline = {deadline}: give a time with its zone: 2026-12-01T23:59:00+03:00")
    if settings.points.part == "private" and not settings.data.private:
        raise UsageError("points.part = 'private': give data.private, the data root of the private part")
    if settings.data.hide_labels and not settings.sandbox:
        raise UsageError("sandbox = False: labels can be hidden only in the sandbox; say data.hide_labels = false, too")
    _check_points(settings.points)


def _check_points(points: Points) -> None:
    names = [target.name for target in points.targets] + [item.name for item in points.bonus]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise UsageError(f"points: two targets or bonuses are named {twice!r}: give each its own name")
    targets = [target.name for target in points.targets]
    for item in points.bonus:
        if (item.at_most is None) == (item.at_least is None):
            raise UsageError(f"points.bonus {item.name!r}: give either at_most or at_least")
        if item.from_target and item.from_target not in targets:
            known = ", ".join(targets) or "there are no targets"
            raise UsageError(f"points.bonus.from_target = {item.from_target!r}: give the name of a target: {known}")
