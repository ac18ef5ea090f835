"""A record stays small whatever its plugin says, and a bad picture, name or table costs only itself, not the score."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from zoo_core.errors import MachineError
from zoo_core.protocols import Table
from zoo_core.results.records import (
    SCHEMA,
    CurvePoint,
    DatasetFacts,
    DeviceFacts,
    LeftOut,
    Measured,
    ModelFacts,
    PhaseFacts,
    Record,
    TaskFacts,
    decode,
    encode,
)
from zoo_core.runner import artifacts, limits
from zoo_core.runner.artifacts import Artifacts
from zoo_core.runner.limits import MAX_TEXT_CHARS, cut, cut_middle, limit_measured, limit_record, name_problem

RECORD = Record(
    schema=SCHEMA,
    id="0123456789abcdef-machine-20260101000000000000",
    key="0123456789abcdef" * 4,
    status="error",
    started_at="2026-01-01T00:00:00.000000+00:00",
    task=TaskFacts(
        name="zoo-x:t",
        title="T",
        summary="S",
        version=1,
        kind="regression",
        kind_version=1,
        metric="mse",
        higher_is_better=False,
        unit="examples",
        references=[{"value": 0.1, "name": "paper"}],
    ),
    dataset=DatasetFacts(name="zoo-x:d", title="", version=1, origin="exact", licence="", fingerprint="f" * 32),
    model=ModelFacts(name="zoo-x:m", title="", version=1, code_sha256=""),
    device=DeviceFacts(kind="cpu"),
    seed=0,
    recipe={"lr": 0.1, "layers": [1, 2]},
    recipe_class="default",
    budget="length",
    environment={"machine": "0123abcd", "plugins": {"zoo-x": "1.0"}},
    command="zoo bench t",
)
PICTURE = np.zeros((2, 3, 3), np.uint8)
BOUND = 8_000_000  # bytes of the largest record that these limits let through


def test_an_ordinary_record_is_not_changed() -> None:
    measured = Measured(scores={"mse": 0.5}, left_out={"picture x": "too large"}, steps=3)
    points = [CurvePoint(step=step, seconds=1.0) for step in range(limits.MAX_POINTS)]
    record = replace(RECORD, measured=measured, curve=points, reason="r" * MAX_TEXT_CHARS, traceback="t" * 40_000)
    assert limit_record(record) == record


def test_a_cut_text_says_how_much_is_missing() -> None:
    assert cut("abcdef", 4) == "abcd ... 2 more characters"
    assert cut("abcd", 4) == "abcd"
    assert cut_middle("a" * 5 + "m" * 12_345 + "z" * 5, 10) == "aaaaa\n... 12,345 more characters ...\nzzzzz"


HUGE = "x" * 50_000_000
FAT: dict[str, dict[str, Any]] = {
    "reason": {"reason": HUGE},
    "traceback": {"traceback": HUGE},
    "command": {"command": HUGE},
    "an option": {"recipe": {"text": HUGE}},
    "many options": {"recipe": {f"key{number}": "v" * 1000 for number in range(50_000)}},
    "nested options": {"recipe": {"a": [[["v" * 3000] * 100] * 100] * 100}},
    "environment": {"environment": {"plugins": {"zoo-x": HUGE}}},
    "title": {"task": replace(RECORD.task, title=HUGE)},
    "references": {"task": replace(RECORD.task, references=[{"name": "n" * 1000}] * 50_000)},
    "files left out": {
        "dataset": replace(RECORD.dataset, left_out=[LeftOut(reason="r" * 500, count=1, example="e")] * 100_000)
    },
    "curve": {"curve": [CurvePoint(step=step, seconds=1.0, val_score=0.5) for step in range(300_000)]},
    "phases": {"phases": [PhaseFacts(name=f"{'p' * 500}{number}", seconds=0.001) for number in range(50_000)]},
    "scores": {"measured": Measured(scores={f"{'s' * 1000}{number}": 0.5 for number in range(20_000)})},
    "why it stopped": {"measured": Measured(stopped_because=HUGE)},
    "artifacts left out": {"measured": Measured(left_out={f"picture {number}": "r" * 400 for number in range(50_000)})},
    "imports": {"imports": {f"{'p' * 200}{number}.py": "0" * 64 for number in range(100_000)}},
}


@pytest.mark.parametrize("case", FAT)
def test_nothing_that_a_plugin_says_makes_a_large_record_and_the_cut_is_noted(case: str) -> None:
    content = encode(limit_record(replace(RECORD, **FAT[case])))
    assert len(content) < BOUND
    assert decode(content).key == RECORD.key
    text = content.decode()
    assert any(note in text for note in (" more characters", " more", "points are kept", limits.OTHER_PHASES))


def test_a_long_curve_keeps_evenly_spaced_points_with_both_ends_and_says_so() -> None:
    points = [CurvePoint(step=step, seconds=float(step)) for step in range(10_001)]
    limited = limit_record(replace(RECORD, curve=points))
    steps = [point.step for point in limited.curve]
    assert steps[:2] == [0, 6]
    assert steps[-1] == 10_000
    assert len(steps) <= limits.MAX_POINTS + 1
    assert limited.measured.left_out["curve"] == f"{len(steps):,} of 10,001 points are kept"


def test_the_seconds_of_many_phases_still_add_up() -> None:
    phases = [PhaseFacts(name=f"p{number}", seconds=0.5) for number in range(300)]
    limited = limit_record(replace(RECORD, phases=phases)).phases
    assert len(limited) == limits.MAX_PHASES + 1
    assert math.isclose(sum(phase.seconds for phase in limited), 150.0)


def test_options_in_a_circle_end() -> None:
    circle: dict[str, Any] = {}
    circle["itself"] = circle
    assert len(encode(limit_record(replace(RECORD, recipe=circle)))) < BOUND


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_values_within_the_limits_are_kept_as_they_are(value: Any) -> None:
    recipe = limit_record(replace(RECORD, recipe={"key": value})).recipe
    assert repr(recipe["key"]) == repr(value)  # `==` says no for nan


def test_measurements_are_limited_before_they_leave_the_worker_and_tables_stay() -> None:
    kept = Artifacts(Path())
    kept.keep_tables({"t": Table(["a"], [[1.0]])})
    limited = limit_measured(Measured(stopped_because=HUGE, tables=kept.tables, scores={"m": 0.5}))
    assert len(limited.stopped_because) < MAX_TEXT_CHARS + 40
    assert (limited.tables, limited.scores) == (kept.tables, {"m": 0.5})


# names, tables, pictures, per-example results


@pytest.mark.parametrize("name", ["accuracy by class", "Précision : classe", "混同行列", "a/b", "../../up", "x" * 100])
def test_names_that_print_are_kept(name: str, tmp_path: Path) -> None:
    kept = Artifacts(tmp_path)
    kept.keep_pictures({name: PICTURE})
    kept.keep_tables({name: Table(["a"], [[1]])})
    assert kept.pictures == {name: "picture-0.png"}
    assert set(kept.tables) == {name}
    assert [path.name for path in tmp_path.iterdir()] == ["picture-0.png"]


@pytest.mark.parametrize("name", ["", " ", "a\0b", "a\nb", "\x1b[31mred", "\ud800", "x" * 300, 7, None, b"raw"])
def test_a_name_that_no_page_can_show_costs_only_its_own_picture_or_table(name: Any, tmp_path: Path) -> None:
    kept = Artifacts(tmp_path)
    kept.keep_pictures({"before": PICTURE, name: PICTURE, "after": PICTURE})
    kept.keep_tables({"before": Table(["a"], [[1]]), name: Table(["a"], [[1]]), "after": Table(["a"], [[1]])})
    kept.keep_per_example({"before": np.zeros(3), name: np.zeros(3), "after": np.zeros(3)})
    assert list(kept.pictures) == list(kept.tables) == ["before", "after"]
    assert list(np.load(tmp_path / kept.per_example)) == ["before", "after"]
    assert len(kept.left_out) == 3
    assert all(reason.startswith("its name ") for reason in kept.left_out.values())
    assert all(name_problem(what.partition(" ")[2]) == "" for what in kept.left_out)


BAD_PICTURES: dict[str, Any] = {
    "float": np.zeros((2, 2, 3)),
    "grey": np.zeros((2, 2), np.uint8),
    "a batch": np.zeros((2, 2, 2, 3), np.uint8),
    "two channels": np.zeros((2, 2, 2), np.uint8),
    "empty": np.zeros((0, 5, 3), np.uint8),
    "a list": [[0]],
    "nothing": None,
}


@pytest.mark.parametrize("case", BAD_PICTURES)
def test_a_picture_of_another_form_is_left_out_and_named(case: str, tmp_path: Path) -> None:
    kept = Artifacts(tmp_path)
    kept.keep_pictures({case: BAD_PICTURES[case], "good": PICTURE})
    assert list(kept.pictures) == ["good"]
    assert list(kept.left_out) == [f"picture {case}"]
    assert "not uint8 (height, width, 3)" in kept.left_out[f"picture {case}"]


def test_too_many_pictures_and_too_many_bytes_are_left_out_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Artifacts(tmp_path)
    kept.keep_pictures({f"p{number}": PICTURE for number in range(artifacts.MAX_PICTURES + 2)})
    assert len(kept.pictures) == artifacts.MAX_PICTURES == len(list(tmp_path.iterdir()))
    assert kept.left_out["picture p100"] == "101 pictures, over the limit of 100"
    monkeypatch.setattr(artifacts, "MAX_ALL_PICTURES_BYTES", 150)
    less = Artifacts(tmp_path)
    less.keep_pictures({"one": PICTURE, "two": PICTURE, "three": PICTURE})
    assert list(less.pictures) == ["one", "two"]
    assert "bytes with the pictures before, over the limit of 150" in less.left_out["picture three"]


class _Rows:
    """Ten million rows that take no memory."""

    def __len__(self) -> int:
        return 10_000_000

    def __iter__(self) -> Any:
        raise AssertionError("the rows must not be read")


BAD_TABLES: dict[str, tuple[Any, str]] = {
    "ten million rows": (Table(["a", "b"], _Rows()), "20,000,000 cells, over the limit of 250,000"),  # type: ignore[arg-type]
    "a long text": (Table(["a"], [["x" * 3_000_000]]), "3,000,031 bytes, over the limit of 2,097,152"),
    "a ragged row": (Table(["a", "b"], [[1, 2], [3]]), "row 1 has 1 cells, not 2"),
    "a complex number": (Table(["a"], [[1j]]), "complex"),
    "half a character": (Table(["a"], [["\ud800"]]), "surrogates not allowed"),
    "an array": (Table(["a"], [[np.zeros(3)]]), "can only convert an array of size 1"),
    "no table": (7, "AttributeError"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_table_that_no_record_holds_is_left_out_and_named(case: str, tmp_path: Path) -> None:
    table, reason = BAD_TABLES[case]
    kept = Artifacts(tmp_path)
    kept.keep_tables({case: table, "good": Table(["x"], [[np.float32(0.5)], [math.nan]])})
    assert list(kept.tables) == ["good"]
    assert kept.tables["good"].rows == [[0.5], [None]]
    assert reason in kept.left_out[f"table {case}"]
    assert json.loads(json.dumps(kept.left_out)) == kept.left_out


def test_tables_together_have_one_limit(tmp_path: Path) -> None:
    kept = Artifacts(tmp_path)
    wide = Table(["a"] * 500, [[0] * 500] * 300)
    kept.keep_tables({"one": wide, "two": wide, "small": Table(["a"], [[1]])})
    assert list(kept.tables) == ["one", "small"]
    assert kept.left_out["table two"] == "300,000 cells, over the limit of 250,000"


@pytest.mark.parametrize("tables", [None, 7, [1]])
def test_what_is_no_mapping_of_names_is_left_out_as_a_whole(tables: Any, tmp_path: Path) -> None:
    kept = Artifacts(tmp_path)
    kept.keep_tables(tables)
    kept.keep_pictures(tables)
    assert list(kept.left_out) == ["tables", "pictures"]


@pytest.mark.parametrize("name", ["file", "allow_pickle", "a/b", "..\\up"])
def test_a_per_example_name_that_the_file_cannot_hold_is_left_out(name: str, tmp_path: Path) -> None:
    kept = Artifacts(tmp_path)
    kept.keep_per_example({name: np.zeros(3), "good": np.zeros(3)})
    assert list(np.load(tmp_path / kept.per_example)) == ["good"]
    assert f"per-example results {name}" in kept.left_out


def test_ten_thousand_bad_pictures_make_a_short_note(tmp_path: Path) -> None:
    kept = Artifacts(tmp_path)
    kept.keep_pictures(dict.fromkeys((f"p{number}" for number in range(10_000)), np.zeros(3)))
    assert len(kept.left_out) == artifacts.MAX_LEFT_OUT + 1


def test_a_file_that_cannot_be_written_is_left_out_with_the_machines_fault_and_no_part_of_it_remains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    kept = Artifacts(tmp_path)
    kept.keep_pictures({"one": PICTURE})
    assert kept.fault.startswith("no space is left on the disk")
    assert kept.left_out["picture one"] == kept.fault
    assert list(tmp_path.iterdir()) == []
    gone = Artifacts(tmp_path / "gone")
    gone.keep_per_example({"a": np.zeros(2)})
    assert "moved or removed during the trial" in gone.fault
    with pytest.raises(MachineError), gone.writing("checkpoint"):
        pass


FAT_PLUGIN = """
    from zoo_core import DatasetSpec, Evaluation, ModelSpec, Phase, Signature, Step, Stop, Table, TaskSpec, hookimpl

    @hookimpl
    def zoo_tasks():
        return [TaskSpec(name="fat", title="T", summary="S", kind="zoo-fat/own", metric="m", higher_is_better=True,
                         datasets=("points",), entry="zoo_fat:Task")]

    @hookimpl
    def zoo_datasets():
        return [DatasetSpec(name="points", title="D", licence="CC0-1.0", origin="exact", entry="zoo_fat:Points",
                            signature=Signature(input_shape=(1,), outputs=1))]

    @hookimpl
    def zoo_models():
        return [ModelSpec(name=name, tasks=("fat",), entry=f"zoo_fat:{name}") for name in ("shows", "raises", "exits")]

    def _build(name):
        def build(signature):
            from torch import nn
            model = nn.Linear(1, 1)
            model.does = name
            return model
        return build

    shows, raises, exits = map(_build, ("shows", "raises", "exits"))

    class Points:
        signature = Signature(input_shape=(1,), outputs=1)

        def __init__(self, ctx):
            pass

        def load(self, split):
            import numpy as np
            return {"x": np.arange(20.0).reshape(20, 1)}

    class Task:
        def __init__(self, spec):
            pass

        def prepare(self, ctx, data, recipe):
            pass

        def train(self, ctx, model, recipe):
            for _ in range(recipe.steps):
                yield Step(1)

        def evaluate(self, ctx, model, split):
            import numpy as np
            if model.does == "raises" and split == "test":
                raise ValueError("x" * 30_000_000)
            rows = np.zeros((10_000_000, 1), np.uint8)
            return Evaluation({"m": 1.0}, {"rows": Table(["a"], rows), "nan": Table(["a"], [[float("nan")]])},
                              {"ids": np.array([object()]), "good": np.zeros(3)})

        def pictures(self, ctx, model):
            import numpy as np
            if model.does == "exits":
                raise SystemExit(3)
            return {"wrong": np.zeros((2, 2)), "x" * 300: np.zeros((2, 2, 3), np.uint8),
                    "good": np.zeros((2, 2, 3), np.uint8)}
"""


def test_a_trial_with_bad_tables_pictures_and_names_is_ok_and_its_record_names_what_is_missing(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin("zoo-fat", FAT_PLUGIN)
    done = zoo("bench", "fat", "--max-steps", "2", "--device", "cpu")
    assert done.code == 1, done.err
    paths = list(Path("results").glob("[!.]*/*.json"))
    assert all(path.stat().st_size < 200_000 for path in paths)
    found = {record.model.name.partition(":")[2]: record for record in (decode(path.read_bytes()) for path in paths)}
    assert {name: record.status for name, record in found.items()} == {"shows": "ok", "raises": "error", "exits": "ok"}
    assert "warning: left out of 1 trial: picture wrong: it is float64 (2, 2), not uint8" in done.err
    shows = found["shows"].measured
    assert (shows.pictures, list(shows.tables), shows.per_example) == (
        {"good": "picture-2.png"},
        ["nan"],
        "per_example.npz",
    )
    missing = {"table rows", "per-example results ids", "picture wrong"}
    assert missing < set(shows.left_out)
    assert any("300 characters" in reason for reason in shows.left_out.values())
    assert found["exits"].measured.left_out["pictures"].startswith("SystemExit: 3")
    assert found["raises"].traceback.count("x") < 41_000
    assert " more characters ..." in found["raises"].traceback
