"""`zoo bench` from the command line to the record, on trials of a second."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo_core.results.records import SCHEMA, decode

STEP = ("bench", "cosine", "--model", "mlp", "--max-steps", "1", "--device", "cpu")


def records(folder: Path = Path("results")) -> list[Any]:
    return [decode(path.read_bytes()) for path in sorted(folder.glob("*/*.json"))]


def test_a_record_holds_all_facts_of_its_trial(zoo: Callable[..., Any]) -> None:
    assert zoo("bench", "mnist", "--offline", "--model", "cnn", "--max-steps", "20", "--device", "cpu").code == 0
    (record,) = records()
    assert (record.schema, record.status, record.recipe_class, record.seed) == (SCHEMA, "ok", "custom", 0)
    assert (record.task.name, record.model.name, record.dataset.name) == (
        "zoo-mnist:mnist",
        "zoo-mnist:cnn",
        "zoo-mnist:digits",
    )
    assert (record.task.metric, record.task.higher_is_better, record.task.target, record.task.chance) == (
        *("accuracy", True, 0.99),
        0.1,
    )
    assert record.dataset.origin == "bundled"
    assert sum(record.dataset.examples.values()) == 1797
    assert record.recipe["steps"] == 20
    assert record.model.parameters == record.model.trainable_parameters == 29_178
    assert record.model.flops_per_unit is not None
    assert record.model.flops_per_unit > 1e6
    assert [point.step for point in record.curve] == list(range(2, 21, 2))
    assert all(point.val_score is not None and point.train_score is not None for point in record.curve)
    assert [phase.name for phase in record.phases] == (
        ["start", "prepare", "warm-up", "build", "initial score", "train", "evaluate", "test", "measure", "artifacts"]
    )
    measured = record.measured
    assert set(measured.scores) == {"accuracy", "precision", "recall", "f1"}
    assert set(measured.tables) == {"per class", "confusion"}
    assert sum(sum(row[1:]) for row in measured.tables["confusion"].rows) == record.dataset.examples["test"]
    assert measured.time_to_target is not None
    assert measured.time_to_target.status in ("met", "missed")
    assert (measured.steps, measured.units) == (20, 20 * 64)
    for value in (measured.train_s, measured.throughput, measured.inference_throughput, measured.peak_memory_mib):
        assert value is not None
        assert value > 0
    assert measured.latency is not None
    assert measured.latency.n >= 1
    assert measured.load is not None
    assert record.environment["plugins"]["zoo-mnist"]
    assert record.environment["torch"]
    assert record.command.startswith("zoo bench mnist")
    folder = next(Path("results").glob("*/*.json")).with_suffix("")
    with np.load(folder / measured.per_example, allow_pickle=False) as per_example:
        assert per_example["score"].mean() == pytest.approx(measured.scores["accuracy"])
    assert (folder / measured.pictures["mistakes"]).read_bytes().startswith(b"\x89PNG")


def test_the_summary_counts_pairs_and_seconds_and_names_a_score_at_chance_level(
    zoo: Callable[..., Any],
) -> None:
    untrained = zoo("bench", "cosine", "--model", "mlp", "--set", "lr=0", "--max-steps", "1", "--device", "cpu")
    assert "weak  cosine mlp: no better than chance level, 0.5000" in untrained.out
    assert re.search(r"^1 trial of 1 pair in [0-9.]+ s: 1 new, 0 failed", untrained.out, re.MULTILINE)
    assert "weak" not in zoo("bench", "cosine", "--model", "mlp", "--preset", "quick", "--device", "cpu").out


def test_the_same_command_again_runs_nothing_and_force_runs_it_again(zoo: Callable[..., Any]) -> None:
    assert "1 new" in zoo(*STEP).out
    assert "0 new, 1 recorded already" in zoo(*STEP).out
    assert "1 new" in zoo(*STEP, "--force").out
    assert len(records()) == 2
    assert len({record.key for record in records()}) == 1


def test_more_seeds_run_only_the_missing_ones(zoo: Callable[..., Any]) -> None:
    zoo(*STEP)
    assert "2 new, 1 recorded already" in zoo(*STEP, "--seeds", "3").out
    assert sorted(record.seed for record in records()) == [0, 1, 2]


def test_one_seed_gives_one_result_and_another_seed_another(zoo: Callable[..., Any]) -> None:
    command = ("bench", "mnist", "--offline", "--model", "cnn", "--max-steps", "30", "--device", "cpu", "--force")
    zoo(*command)
    zoo(*command, "--seeds", "0,1")
    first, again, other = sorted(records(), key=lambda record: (record.seed, record.started_at))

    def outcome(record: Any) -> Any:
        curve = [(point.step, point.train_loss, point.train_score, point.val_score) for point in record.curve]
        return record.measured.scores, curve

    assert outcome(first) == outcome(again)
    assert outcome(first) != outcome(other)


def test_looking_at_val_twice_as_often_changes_nothing_but_the_curve(zoo: Callable[..., Any]) -> None:
    command = ("bench", "mnist", "--offline", "--model", "mlp-3", "--max-steps", "30", "--device", "cpu")
    zoo(*command, "--set", "eval_every=0.5")
    zoo(*command, "--set", "eval_every=0.25")
    seldom, often = sorted(records(), key=lambda record: len(record.curve))
    assert len(often.curve) == 2 * len(seldom.curve) - 1
    assert seldom.measured.scores == often.measured.scores
    assert seldom.curve[-1].val_score == often.curve[-1].val_score


def test_without_a_held_out_val_all_of_train_is_used_and_the_target_does_not_apply(zoo: Callable[..., Any]) -> None:
    zoo("bench", "mnist", "--offline", "--model", "mlp-100", "--max-steps", "10", "--device", "cpu")
    (record,) = records()
    assert record.dataset.examples == {"train": 1438, "test": 359}
    assert record.measured.time_to_target.status == "not applicable"
    assert all(point.val_score is None for point in record.curve)


def test_a_time_budget_ends_training_and_makes_the_recipe_custom(zoo: Callable[..., Any]) -> None:
    assert zoo("bench", "cosine", "--model", "mlp", "--budget", "0.3s", "--device", "cpu").code == 0
    (record,) = records()
    assert (record.budget, record.budget_s, record.recipe_class) == ("time", 0.3, "custom")
    assert record.measured.train_s >= 0.3
    assert len(record.curve) >= 2


def test_best_weights_are_those_of_the_best_val_score(zoo: Callable[..., Any]) -> None:
    zoo(*("bench", "cosine", "--model", "mlp", "--epochs", "10", "--set", "select=best", "--set", "lr=0.1"))
    (record,) = records()
    best = min(record.curve, key=lambda point: point.val_score)
    assert record.measured.selected_step == best.step


def test_bf16_is_recorded_and_trains(zoo: Callable[..., Any]) -> None:
    assert zoo(*STEP, "--dtype", "bf16").code == 0
    assert records()[0].device.dtype == "bfloat16"


def test_json_is_the_records_and_nothing_else(zoo: Callable[..., Any]) -> None:
    done = zoo(*STEP, "--json")
    assert [item["status"] for item in json.loads(done.out)] == ["ok"]


def test_a_dry_run_names_the_trials_and_writes_nothing(zoo: Callable[..., Any]) -> None:
    done = zoo(*STEP, "--seeds", "2", "--dry-run")
    assert "2 to run (no estimate), 0 recorded already" in done.out
    assert not Path("results").exists()
    zoo(*STEP)
    assert "1 to run (about" in zoo(*STEP, "--seeds", "2", "--dry-run").out


def test_several_tasks_and_patterns_run_the_models_of_each_once(zoo: Callable[..., Any]) -> None:
    plan = json.loads(zoo("bench", "membrane", "c?sine", "cosine", "--offline", "--dry-run", "--json").out)
    pairs = [(trial["task"], trial["model"]) for trial in plan["todo"]]
    assert list(dict.fromkeys(task for task, _ in pairs)) == ["membrane", "cosine"]
    assert len(pairs) == len(set(pairs))


def test_excluded_tasks_and_models_do_not_run(zoo: Callable[..., Any]) -> None:
    exclude = [word for pattern in ("mlp*", "zoo-mnist:cnn-fast", "membrane") for word in ("--exclude", pattern)]
    plan = json.loads(zoo("bench", "mnist", "cosine", "membrane", *exclude, "--offline", "--dry-run", "--json").out)
    assert [(trial["task"], trial["model"]) for trial in plan["todo"]] == [("mnist", "cnn"), ("cosine", "linear")]


def test_spawned_trials_score_like_forked_ones(zoo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    zoo(*STEP)
    monkeypatch.setenv("ZOO_START", "spawn")
    zoo(*STEP, "--force")
    forked, spawned = records()
    assert forked.measured.scores == spawned.measured.scores


def test_another_plugins_model_of_the_same_kind_runs_on_the_task(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin(
        "zoo-guest",
        """
        from zoo_core import ModelSpec, hookimpl

        @hookimpl
        def zoo_models():
            return [ModelSpec(name="flat", kind="image-classification", entry="zoo_guest:flat")]

        def flat(signature):
            from torch import nn
            return nn.Sequential(nn.Flatten(), nn.Linear(signature.features, signature.outputs))
        """,
    )
    assert zoo("bench", "mnist", "--offline", "--model", "flat", "--max-steps", "2", "--device", "cpu").code == 0
    assert records()[0].model.name == "zoo-guest:flat"


def test_a_folder_of_ones_own_changes_the_fingerprint_only_if_its_files_do(
    zoo: Callable[..., Any], mnist_root: Path, tmp_path: Path
) -> None:
    command = ("bench", "mnist", "--model", "mlp-100", "--max-steps", "2", "--device", "cpu", "--data-root")
    assert zoo(*command, mnist_root).code == 0
    own = tmp_path / "own" / "deep"
    own.mkdir(parents=True)
    for file in mnist_root.rglob("*.gz"):
        (own / file.name).write_bytes(file.read_bytes())
    assert "1 recorded already" in zoo(*command, own).out


MISTAKES = {
    "bench mnits": ("unknown task 'mnits'", "mnist"),
    "bench mnist --model cn": ("unknown model 'cn'", "cnn"),
    "bench mnist --offline --set drpout=1 --model cnn": ("unknown recipe key 'drpout'", "dropout"),
    "bench mnist --offline --set lr=fast": ("lr='fast' is not a number", "0.01"),
    "bench mnist --offline --set optimizer=sdg": ("optimizer='sdg'", "sgd, adam, adamw"),
    "bench mnist --data-root nowhere": ("nowhere is not there", "--offline runs on"),
    "bench mnist --offline --dataset cosine": ("does not use dataset", "mnist, digits"),
    "bench mnist --offline --device cuda:7": ("device 'cuda:7' is not available", "torch sees cpu"),
    "bench mnist --offline --seeds many": ("--seeds 'many'", "0,3,7"),
    "bench mnist --offline --budget soon": ("--budget 'soon'", "60s"),
    "bench mnist --offline --timeout -1s": ("--timeout '-1s'", "10m"),
    "bench mnist --offline --epochs 1 --budget 9s": ("exclude each other", "give one"),
    "bench mnist --offline --preset long": ("--preset 'long'", "quick"),
    "bench mnist --offline --dtype float8": ("--dtype 'float8'", "bf16"),
    "bench mnist --offline --set lr": ("--set 'lr'", "key=value"),
    "bench cosine --model mlp-100": ("these models fit: mlp, linear", "zoo list models --for cosine"),
    "bench": ("name a task", "--all"),
    "bench --all --model zzz*": ("unknown model 'zzz*'", "zoo list pairs"),
    "bench cosine mnist --model net.py:Net": ("one named task", "without a package"),
    "bench --kind regresion": ("unknown kind 'regresion'", "did you mean regression"),
    "bench cosine --max-memory 4": ("--max-memory '4'", "4g"),
    "bench cosine --limit soon": ("--limit 'soon'", "60s"),
    "bench cosine --exclude zzz": ("--exclude 'zzz'", "zoo list pairs"),
    "bench cosine --exclude cos*": ("leaves nothing to run", "cos*"),
    "bench zzz*": ("unknown task 'zzz*'", "zoo list"),
    "bench mnist --cross": ("--cross goes with --all", "name each model with --model: these models fit: mlp-100"),
    "bench --all --offline --set nothing=1": ("unknown recipe key 'nothing'", "zoo show"),
    "bench cosine --set optimizer=adam,lbfgs --set weight_decay=0.1": (
        "optimizer=lbfgs has no weight decay",
        "set weight_decay=0, not 0.1",
    ),
    "bench cosine --set optimizer=nesterov --set momentum=0": ("with momentum=0 is plain sgd: set momentum",),
}


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_is_one_line_that_says_what_to_do_and_nothing_is_written(
    zoo: Callable[..., Any], command: str
) -> None:
    done = zoo(*command.split())
    assert done.code == 2
    assert done.err.count("\n") == 1
    for words in MISTAKES[command]:
        assert words in done.err
    assert not list(Path().iterdir())


def test_no_network_and_no_data_is_an_error_for_a_named_task(
    zoo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZOO_START", "spawn")  # a worker with this environment, not the server's
    done = zoo("bench", "mnist", "--dataset", "mnist", "--offline", "--device", "cpu")
    assert done.code == 2
    assert "was never downloaded" in done.err
    assert "--data-root" in done.err
    assert not Path("results").exists()


def test_under_all_a_task_without_data_is_skipped_once_and_the_others_run(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path], only_plugins: Callable[..., None]
) -> None:
    make_plugin(
        "zoo-needy",
        """
        from zoo_core import DatasetSpec, ModelSpec, Signature, TaskSpec, hookimpl

        @hookimpl
        def zoo_tasks():
            return [TaskSpec(name="needy", title="Needy", summary="Needs files.", kind="regression",
                             datasets=("files",), metric="mse", higher_is_better=False)]

        @hookimpl
        def zoo_datasets():
            return [DatasetSpec(name="files", title="Files", origin="real", licence="CC0-1.0",
                                layout="a file", signature=Signature(input_shape=(1,)), entry="zoo_needy:never")]

        @hookimpl
        def zoo_models():
            return [ModelSpec(name="some", entry="zoo_needy:never")]
        """,
    )
    only_plugins("zoo-needy", "zoo-cosine")
    for _ in range(2):
        done = zoo("bench", "--all", "--max-steps", "1", "--device", "cpu", "--data-root", "/", "--offline")
        assert done.code == 0, done.err
        assert "1 skipped" in done.out
    needy = [record for record in records() if record.task.name == "zoo-needy:needy"]
    assert [record.status for record in needy] == ["skipped"]
    assert "a folder holding a file" in needy[0].reason


def test_setting_epochs_wins_over_a_presets_steps_and_two_lengths_are_refused(zoo: Callable[..., Any]) -> None:
    command = ("bench", "mnist", "--offline", "--model", "mlp-100", "--preset", "quick", "--device", "cpu")
    assert zoo(*command, "--set", "epochs=1").code == 0
    assert records()[0].measured.units == 1438
    assert zoo(*command, "--set", "epochs=1", "--max-steps", "3").code == 2


def test_a_narrow_terminal_gets_whole_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.console import Console

    from zoo_core.ui import console

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(console, "output", lambda: Console(width=30, force_terminal=False))
    console.print_table(["task", "kind", "plugin"], [["cosine", "image-classification", "zoo-cosine"]])
    assert capsys.readouterr().out == "cosine\n  kind: image-classification\n  plugin: zoo-cosine\n"


def test_names_are_completed_bare_and_qualified(only_plugins: Callable[..., None]) -> None:
    from zoo_core.cli.completion import complete_any, complete_model

    only_plugins("zoo-mnist", "zoo-cosine")
    assert complete_model("cnn") == ["cnn", "cnn-fast"]
    assert complete_model("zoo-mnist:c") == ["zoo-mnist:cnn", "zoo-mnist:cnn-fast"]
    assert "zoo-mnist" in complete_any("zoo-m")
