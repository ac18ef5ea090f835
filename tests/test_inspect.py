"""`zoo inspect`, `zoo bench --inspect` and `--profile`: what they write, what they leave alone, what they refuse."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import zoo_core
from zoo_core.cli.app import OPTIONAL_VALUES, with_values
from zoo_core.cli.inspect import SAVED_AS
from zoo_core.results.records import Record, decode
from zoo_core.runner.checkpoints import FILE
from zoo_core.runner.recording import without_artifacts

Zoo = Callable[..., Any]
TRAINING: dict[str, Any] = {"offline": True, "device": "cpu", "threads": 1, "progress": False}
BENCH = ("bench", "mnist", "--offline", "--device", "cpu", "--threads", "1")
LAST = "10"  # the last convolution of `cnn-fast`: 64 channels of 7x7


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, Path]:
    """The record of a trial with everything that can be asked for, and the folder of its results."""
    folder = tmp_path_factory.mktemp("trained")
    result = zoo_core.bench(
        "mnist",
        model="cnn-fast",
        max_steps=20,
        save=True,
        inspect=True,
        profile="memory",
        results=folder,
        **TRAINING,
    )
    (record,) = result.records
    assert record.status == "ok", record.reason
    return record, folder


def artifacts(trained: tuple[Record, Path]) -> Path:
    record, folder = trained
    (path,) = folder.glob(f"*/{record.id}")
    return path


def records() -> list[Record]:
    return sorted((decode(path.read_bytes()) for path in Path("results").glob("*/*.json")), key=lambda r: r.started_at)


def is_one_line(done: Any) -> bool:
    return bool(done.code == 2 and done.err.count("\n") == 1 and done.err.startswith("error: ") and not done.out)


# Trials


def test_a_trial_keeps_what_its_model_looks_at_beside_its_own_pictures(trained: tuple[Record, Path]) -> None:
    record, _ = trained
    names = [f"{name} of {LAST}" for name in ("grad-cam", "feature-maps", "most-activating")]
    assert [*record.measured.pictures] == ["thumbnail", "answers", "mistakes", "examples", *names]
    assert record.measured.left_out == {}
    files = [*record.measured.pictures.values()]
    assert len(set(files)) == len(files)
    for name, columns in zip(names, (8, 8, 8), strict=True):
        with Image.open(artifacts(trained) / record.measured.pictures[name]) as picture:
            assert picture.width == columns * 88 + 4


def test_a_profile_has_the_costliest_operators_and_a_trace_of_each_step(trained: tuple[Record, Path]) -> None:
    record, _ = trained
    profile = record.measured.profile
    assert profile is not None
    assert (profile.what, profile.steps) == ("memory", 5)
    assert profile.table.columns == ["operator", "calls", "cpu_ms", "memory_mib"]
    memory = [row[-1] for row in profile.table.rows]
    assert memory == sorted(memory, reverse=True)
    assert any("convolution" in row[0] for row in profile.table.rows[:3])
    trace = json.loads(gzip.decompress((artifacts(trained) / profile.trace).read_bytes()))
    steps = [event for event in trace["traceEvents"] if event.get("name") == "zoo: training step"]
    assert len([event for event in steps if event.get("cat") == "user_annotation"]) == 5


def test_looking_inside_changes_neither_the_key_nor_the_result_nor_the_phases_of_a_trial(
    trained: tuple[Record, Path], tmp_path: Path
) -> None:
    record, _ = trained
    result = zoo_core.bench("mnist", model="cnn-fast", max_steps=20, results=tmp_path, **TRAINING)
    (plain,) = result.records
    assert plain.key == record.key
    assert plain.measured.scores == record.measured.scores
    assert plain.measured.tables == record.measured.tables
    assert [*(phase.name for phase in plain.phases), "extras"] == [phase.name for phase in record.phases]
    assert plain.measured.profile is None
    assert [*plain.measured.pictures] == ["thumbnail", "answers", "mistakes", "examples"]


def test_a_record_that_lost_its_files_keeps_the_table_of_its_profile(trained: tuple[Record, Path]) -> None:
    record, _ = trained
    bare = without_artifacts(record, "no space is left on the disk")
    assert record.measured.profile is not None
    assert bare.measured.profile == replace(record.measured.profile, trace="")
    assert bare.measured.pictures == {}


def test_a_trial_is_run_again_only_for_a_profile_or_pictures_that_it_lacks(zoo: Zoo) -> None:
    command = (*BENCH, "--model", "mlp-100", "--max-steps", "2")
    assert "1 new" in zoo(*command).out
    assert "1 new" in zoo(*command, "--profile").out
    assert "0 new, 1 recorded already" in zoo(*command, "--profile", "time").out
    assert "0 new, 1 recorded already" in zoo(*command).out
    done = zoo(*command, "--inspect")
    assert "1 new" in done.out
    assert "left out of 1 trial: inspection: IncompatibleError: the model has no convolution" in done.err
    assert "0 new, 1 recorded already" in zoo(*command, "--inspect").out
    _, profiled, inspected = records()
    assert profiled.measured.profile is not None
    assert profiled.measured.profile.table.columns == ["operator", "calls", "cpu_ms", "share_pct"]
    shares = [row[-1] for row in profiled.measured.profile.table.rows]
    assert shares == sorted(shares, reverse=True)
    assert 50 < sum(shares) <= 100.5
    assert inspected.score == profiled.score
    shown = zoo("results", "show", profiled.id).out
    assert "costliest operators by time, per training step: means of 5" in shown
    assert "trace: trace.json.gz beside the record" in shown


def test_a_word_that_is_no_value_of_profile_is_left_to_the_command(zoo: Zoo) -> None:
    for given, meant in {
        "mnist --profile": "mnist --profile time",
        "--profile memory mnist": "--profile memory mnist",
        "--profile mnist": "--profile time mnist",
        "--profile --save": "--profile time --save",
        "--profile=memory": "--profile=memory",
        "": "",
    }.items():
        assert with_values(given.split(), OPTIONAL_VALUES["bench"]) == meant.split()
    refused = zoo("bench", "mnist", "--profile=flops")
    assert is_one_line(refused)
    assert "--profile 'flops' is unknown: give time or memory" in refused.err


# Saved models


def test_a_saved_model_is_inspected_on_test_images_and_no_file_is_overwritten(
    zoo: Zoo, trained: tuple[Record, Path]
) -> None:
    record, _ = trained
    checkpoint = artifacts(trained) / SAVED_AS
    assert FILE == SAVED_AS
    done = zoo("inspect", checkpoint, "--offline", "--device", "cpu", "--json")
    assert done.code == 0, done.err
    folder = Path(f"inspected-{record.id[:16]}").absolute()
    found = json.loads(done.out)
    assert {Path(row["file"]) for row in found} == {*folder.iterdir()}
    assert [(row["picture"], row["layer"]) for row in found] == [
        ("grad-cam", LAST),
        ("feature-maps", LAST),
        ("most-activating", LAST),
    ]
    # The trial drew the same model on the same images.
    for row in found:
        kept = artifacts(trained) / record.measured.pictures[f"{row['picture']} of {LAST}"]
        assert np.array_equal(np.asarray(Image.open(row["file"])), np.asarray(Image.open(kept)))
    again = zoo("inspect", checkpoint, "--offline", "--device", "cpu")
    assert is_one_line(again)
    assert "exists, and no file is overwritten: give another folder to --out" in again.err


def test_files_are_inspected_at_a_named_layer_without_opening_data(
    zoo: Zoo, trained: tuple[Record, Path], tmp_path: Path
) -> None:
    files = [tmp_path / f"{name}.png" for name in "ab"]
    for number, file in enumerate(files):
        Image.fromarray(np.full((40, 30, 3), 60 * number, np.uint8)).save(file)
    words = ("--layer", "0", "--channels", "3,1", "--class", "7", "--out", "seen", "--data-root", tmp_path / "nowhere")
    done = zoo("inspect", artifacts(trained) / FILE, *files, *words, "--device", "cpu")
    assert done.code == 0, done.err
    assert sorted(path.name for path in Path("seen").iterdir()) == ["0-feature-maps.png", "0-grad-cam.png"]
    rows = [line.split("  ") for line in done.out.splitlines()]
    assert [cell.strip() for cell in rows[1] if cell.strip()] == ["grad-cam", "0", "evidence for 7, in 2 files"]
    assert "2 of 16 channels, in 2 files" in done.out
    assert "2 pictures in seen" in done.out


def test_the_layers_are_listed_with_their_shapes(zoo: Zoo, trained: tuple[Record, Path]) -> None:
    checkpoint = artifacts(trained) / FILE
    rows = json.loads(zoo("inspect", checkpoint, "--layers", "--device", "cpu", "--json").out)
    convolutions = [row for row in rows if row["type"] == "Conv2d"]
    assert [row["shape"] for row in convolutions] == [[16, 14, 14], [32, 14, 14], [32, 7, 7], [64, 7, 7]]
    assert convolutions[0]["parameters"] == 16 * 9
    assert convolutions[-1]["layer"] == LAST
    assert rows[-1] == {"layer": "15", "type": "Linear", "shape": [10], "parameters": 5770, "maps": False}
    shown = zoo("inspect", checkpoint, "--layers", "--device", "cpu").out.splitlines()
    assert shown[1].split() == ["0", "Conv2d", "16", "x", "14", "x", "14", "144"]
    assert not [*Path().iterdir()]


def test_what_cannot_be_inspected_is_one_line(zoo: Zoo, trained: tuple[Record, Path], tmp_path: Path) -> None:
    checkpoint = artifacts(trained) / FILE
    (tmp_path / "no.png").write_text("no picture")
    (tmp_path / "file").touch()
    mistakes: dict[tuple[Any, ...], str] = {
        ("--layer", "90"): "unknown layer '90': ",
        ("--layer", "15"): "layer 15 (Linear) returns (10,) for an image, not maps (channels, height, width)",
        ("--class", "seven"): "unknown class 'seven': known: 0, 1, 2",
        ("--channels", "64"): "layer 10 has no channel 64: it has 64, counted from 0",
        ("--channels", "a"): "--channels 'a': give numbers with commas, such as 0,5,12",
        (tmp_path / "no.png",): "no.png cannot be read as a picture",
        ("nowhere.png",): "there is no file nowhere.png",
        ("no.png",) * 49: "49 files are too many for one picture: give up to 48",
    }
    assert "'file' is a file" in zoo("inspect", checkpoint, "--out", "file").err
    for words, reason in mistakes.items():
        done = zoo("inspect", checkpoint, *words, "--offline", "--device", "cpu")
        assert is_one_line(done), done.err
        assert reason in done.err
    assert not [*Path().glob("inspected*")]


def test_a_checkpoint_that_claims_huge_images_is_one_line(
    zoo: Zoo, trained: tuple[Record, Path], tmp_path: Path
) -> None:
    checkpoint, picture = artifacts(trained) / FILE, tmp_path / "a.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(picture)
    with safe_open(checkpoint, framework="pt") as opened:
        header = json.loads(opened.metadata()["zoo"])
    header["signature"]["input_shape"] = [1, 2**21, 2**21]
    save_file(load_file(checkpoint), tmp_path / "huge.safetensors", metadata={"zoo": json.dumps(header)})
    for words in ((picture,), ("--layers",)):
        done = zoo("inspect", tmp_path / "huge.safetensors", *words, "--device", "cpu")
        assert is_one_line(done), done.err
        assert "huge.safetensors: " in done.err
        assert "memory" in done.err


def test_without_captum_the_command_says_what_to_install(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo_core.inside.find_spec", lambda name: None)
    Path("saved.safetensors").touch()
    for words in (("inspect", "saved.safetensors"), ("bench", "mnist", "--offline", "--inspect")):
        done = zoo(*words)
        assert is_one_line(done), done.err
        assert "captum, which is not installed: pip install 'zoo-core[inspect]'" in done.err
    assert not Path("results").exists()


def test_a_model_without_images_or_convolutions_is_refused_with_the_reason(zoo: Zoo) -> None:
    for task, model in (("mnist", "mlp-100"), ("cosine", "mlp")):
        words = ("--model", model, "--offline", "--device", "cpu", "--max-steps", "1", "--save", "--threads", "1")
        assert zoo("bench", task, *words).code == 0
    refused = {
        "*mnist": "the model has no convolution: it has no layer that returns maps",
        "*cosine": "the inputs of task zoo-cosine:cosine have the shape (1,): only models of images",
    }
    for task, reason in refused.items():
        (checkpoint,) = Path("results").glob(f"{task}/*/{FILE}")
        done = zoo("inspect", checkpoint, "--offline", "--device", "cpu")
        assert is_one_line(done), done.err
        assert reason in done.err
