"""The conformance suite: a sound plugin passes, and for each check one plugin fails only that check."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from zoo_core.checks import Check, CheckResult, Subject, conformance_level, count_states
from zoo_core.checks.subjects import find_subjects
from zoo_core.checks.suite import Settings, find_blocker, outcome_of, run_suite
from zoo_core.checks.table import CHECKS, find_check
from zoo_core.kinds import KINDS
from zoo_core.registry import Registry
from zoo_core.runner.events import CheckEnded
from zoo_core.runner.executor import LocalExecutor

BROKEN = Path(__file__).parent / "broken"
ALL = [(what, check) for what, checks in CHECKS.items() for check in checks]
IDS = [f"{what}-{check.name}" for what, check in ALL]
every_check = pytest.mark.parametrize(("what", "check"), ALL, ids=IDS)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry of every plugin in the folder `broken`, with real metadata. One states no licence."""
    folder = tmp_path_factory.mktemp("installed")
    for path in BROKEN.glob("*.py"):
        name = path.stem.replace("_", "-")
        info = folder / f"{path.stem}-1.0.dist-info"
        info.mkdir()
        licence = "" if path.stem == "plugin_metadata" else "License-Expression: Apache-2.0\n"
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\nSummary: a test's\n{licence}"
        )
        (info / "entry_points.txt").write_text(f"[zoo]\n{name} = {path.stem}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.syspath_prepend(str(BROKEN))
        names = [path.stem.replace("_", "-") for path in BROKEN.glob("*.py")]
        patch.setenv("ZOO_LOAD_PLUGINS", ",".join([os.environ["ZOO_LOAD_PLUGINS"], *names]))
        yield Registry.load()
        for path in BROKEN.glob("*.py"):
            sys.modules.pop(path.stem, None)


def run(registry: Registry, name: str, what: str, **settings: Any) -> list[CheckResult]:
    subjects = [subject for subject in find_subjects(registry, [name]) if subject.what == what]
    return run_suite(registry, subjects, Settings(make_executor=LocalExecutor, **settings))


def names(results: list[CheckResult], *states: str) -> set[str]:
    return {result.check.name for result in results if result.state in states}


def dependents(what: str, name: str) -> set[str]:
    """Names of the checks that need `name`, directly or through another check."""
    found: set[str] = set()
    for check in CHECKS[what]:
        if found & set(check.needs) or name in check.needs:
            found.add(check.name)
    return found


@every_check
def test_a_plugin_that_breaks_one_rule_fails_that_check_and_no_other_but_those_that_need_it(
    what: str, check: Check, installed: Registry
) -> None:
    if check.name == "onnx" and find_spec("onnxruntime") is None:
        pytest.skip("the extra onnx is not installed")
    results = run(installed, f"{what}-{check.name}", what)
    assert names(results, "failed") == {check.name}, [(item.check.name, item.reason) for item in results]
    assert names(results, "not run") == dependents(what, check.name)
    rest = {item.name for item in CHECKS[what]} - {check.name} - dependents(what, check.name)
    assert names(results, "passed", "skipped") == rest
    assert [item.reason for item in results if item.state == "failed"] != [""]
    assert conformance_level(results) == "failing"


def test_the_sound_plugin_passes_all_that_applies(installed: Registry) -> None:
    results = [item for what in CHECKS for item in run(installed, "sound", what)]
    assert {(item.check.name, item.reason) for item in results if item.state not in ("passed", "skipped")} == set()
    lacking = {item.check.name for item in results if item.state == "skipped" and item.applies}
    assert lacking <= {"onnx"}
    passed = names(results, "passed")
    assert {"overfits", "state-dict", "direction", "test-sealed", "splits-disjoint", "torch-free"} <= passed


def test_every_broken_plugin_belongs_to_a_check() -> None:
    stems = {path.stem for path in BROKEN.glob("*.py")} - {"sound", "empty"}
    assert stems == {f"{what}_{check.name.replace('-', '_')}" for what, check in ALL}


@every_check
def test_every_check_is_explained_and_needs_only_checks_before_it(what: str, check: Check) -> None:
    before = [item.name for item in CHECKS[what]]  # type: ignore[index]
    assert set(check.needs) <= set(before[: before.index(check.name)])
    assert check.why.endswith(".")
    assert check.fix.endswith(".")
    assert before.count(check.name) == 1


def test_the_processes_that_a_broken_plugin_leaves_are_killed(installed: Registry) -> None:
    run(installed, "model-no-processes", "model")
    end = time.monotonic() + 5  # a killed process may exist for a moment longer
    while left := [pid for pid in psutil.pids() if is_of_the_checks(pid)]:
        assert time.monotonic() < end, left
        time.sleep(0.05)


def is_of_the_checks(pid: int) -> bool:
    try:
        return "of-the-zoo-checks" in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False


def test_a_check_fails_if_its_process_dies_and_the_others_still_run(
    make_plugin: Callable[..., Path], installed: Registry
) -> None:
    source = (
        "import os, sound\nzoo_models = sound.model(__name__)\n"
        "def build(signature):\n"
        "    return sound.build(signature, lambda net, hidden: hidden if net.training else os.abort())\n"
    )
    make_plugin("zoo-dies", source)
    results = run(Registry.load(), "zoo-dies", "model", only=["output-shape", "other-seed"])
    (dead,) = [item for item in results if item.state == "failed"]
    assert dead.check.name == "output-shape"
    assert "SIGABRT" in dead.reason
    assert "other-seed" in names(results, "passed")


def test_a_check_that_hangs_fails_after_its_time_limit_and_the_others_still_run(
    make_plugin: Callable[..., Path], installed: Registry
) -> None:
    source = (
        "import time, sound\nzoo_models = sound.model(__name__)\n"
        "def build(signature):\n"
        "    return sound.build(signature, lambda net, hidden: hidden if net.training else time.sleep(600))\n"
    )
    make_plugin("zoo-hangs", source)
    results = run(Registry.load(), "zoo-hangs", "model", only=["output-shape", "other-seed"], timeout_s=3.0)
    (dead,) = [item for item in results if item.state == "failed"]
    assert (dead.check.name, dead.reason) == ("output-shape", "not finished after 3 s")
    assert "other-seed" in names(results, "passed")


def test_a_failure_that_the_author_expects_does_not_count_and_an_unexpected_pass_does(
    make_plugin: Callable[..., Path], installed: Registry
) -> None:
    source = (
        "import sound\n"
        "zoo_models = sound.model(__name__, expected_failures={'overfits': 'it is blind', 'gradients': 'who knows'})\n"
        "build = lambda signature: sound.build(signature, lambda _, hidden: hidden * 0 + 1)\n"
    )
    make_plugin("zoo-blind", source)
    results = run(Registry.load(), "zoo-blind", "model", only=["overfits"])
    found = {item.check.name: item for item in results}
    assert found["overfits"].state == "expected"
    assert found["overfits"].reason.startswith("it is blind [")
    assert found["gradients"].state == "failed"
    assert "passes now" in found["gradients"].reason
    assert "remove it" in found["gradients"].reason


def test_an_expected_failure_of_an_unknown_check_fails(make_plugin: Callable[..., Path], installed: Registry) -> None:
    source = (
        "import sound\nzoo_models = sound.model(__name__, expected_failures={'overfitts': '?'})\nbuild = sound.build\n"
    )
    make_plugin("zoo-marks", source)
    (result,) = run(Registry.load(), "zoo-marks", "model", only=["metadata"])
    assert "overfitts" in result.reason


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["passed", "passed"], "full"),
        (["passed", "skipped"], "partial"),
        (["passed", "expected", "skipped", "not run"], "expected"),
        (["passed", "expected", "failed"], "failing"),
        ([], "partial"),
    ],
)
def test_the_level_is_that_of_the_worst_state(states: list[Any], expected: str) -> None:
    subject = Subject(what="model", name="a:b", plugin="a")
    results = [CheckResult(check=CHECKS["model"][0], subject=subject, state=state) for state in states]
    assert conformance_level(results) == expected
    assert sum(count_states(results).values()) == len(states)


def test_a_check_that_does_not_apply_leaves_the_level_as_it_is() -> None:
    subject = Subject(what="model", name="a:b", plugin="a")
    passed = CheckResult(check=CHECKS["model"][0], subject=subject, state="passed")
    not_applicable = CheckResult(check=CHECKS["model"][1], subject=subject, state="skipped", applies=False)
    assert conformance_level([passed, not_applicable]) == "full"


@pytest.mark.parametrize("kind", KINDS)
def test_every_shared_kind_has_examples_on_which_the_smallest_model_and_the_perfect_model_work(
    kind: str, tmp_path: Path
) -> None:
    from zoo_core.checks.data import make_synthetic_task
    from zoo_core.checks.fixed_model import make_perfect_and_wrong_models
    from zoo_core.checks.harness import Harness, stand_in_for
    from zoo_core.checks.task import evaluate
    from zoo_core.entries import resolve_entry

    made = make_synthetic_task(kind)
    started = Harness(task=made.task, model=stand_in_for(made.task), data=made.data, cache=tmp_path).start()
    x = started.example(4)
    (output,) = started.predict(x)
    assert output.shape == resolve_entry(KINDS[kind].output_shape_entry)(x, 3)
    assert len(started.train()) == 3
    models = make_perfect_and_wrong_models(kind, started.data)
    perfect, wrong = (evaluate(started, "val", model)[made.task.metric] for model in models)
    assert perfect == (1.0 if made.task.higher_is_better else 0.0)
    assert wrong < perfect if made.task.higher_is_better else wrong > perfect


def test_without_torch_the_checks_that_need_none_run(monkeypatch: pytest.MonkeyPatch, installed: Registry) -> None:
    monkeypatch.setattr("zoo_core.checks.suite.find_spec", lambda _: None)
    results = run(installed, "dataset-metadata", "dataset")
    assert names(results, "failed") == {"metadata"}
    assert {item.reason for item in results if item.state == "skipped" and item.applies} == {"torch is not installed"}


def test_batch_norm_is_named_if_the_recipe_has_batches_of_one(
    make_plugin: Callable[..., Path], installed: Registry
) -> None:
    source = (
        "import sound\nzoo_models = sound.model(__name__, recipe={'*': {'batch_size': 1}})\n"
        "def build(signature):\n"
        "    from torch import nn\n"
        "    first, last = sound.parts(signature)\n"
        "    return nn.Sequential(first, nn.BatchNorm1d(16), last)\n"
    )
    make_plugin("zoo-single", source)
    results = run(Registry.load(), "zoo-single", "model", only=["batch-of-one"])
    (failed,) = [item for item in results if item.state == "failed"]
    assert failed.check.name == "batch-of-one"
    assert "one example in training (batch_size is 1)" in failed.reason
    assert "Layer `1` is BatchNorm1d(16" in failed.reason
    assert "BatchNorm cannot train on one example" in failed.reason


# the command line


def test_the_command_says_what_failed_and_how_to_fix_it_and_ends_with_the_counts(
    zoo: Callable[..., Any], installed: Registry
) -> None:
    done = zoo("check", "model-gradients", "--only", "overfits")
    assert done.code == 1
    assert "such as forgotten.weight. To fix: Call the layer" in done.out
    assert "not run  it needs gradients, which did not pass" in done.out
    assert done.out.splitlines()[-1] == "7 checks ran: 6 passed, 1 failed, 0 expected to fail, 0 skipped, 1 not run"


def test_checks_blocked_by_the_same_check_share_a_row_and_a_level_needs_all_checks(
    zoo: Callable[..., Any], installed: Registry
) -> None:
    done = zoo("check", "dataset-entry")
    waiting = "splits, no-network, no-stray-files, no-processes"
    assert f"4 checks  not run  it needs entry, which did not pass ({waiting})" in done.out
    assert done.out.splitlines()[-1].endswith(". Conformance: failing")
    assert "Conformance" not in zoo("check", "dataset-entry", "--only", "metadata").out
    assert json.loads(zoo("check", "sound", "--only", "metadata", "--json").out)["level"] is None


def test_a_plugin_with_nothing_to_check_is_an_error(zoo: Callable[..., Any], installed: Registry) -> None:
    done = zoo("check", "empty", "--record", "--json")
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: nothing to check: plugin empty adds nothing, all its hooks return nothing\n"
    assert not Path("results").exists()


def test_a_run_in_which_no_check_could_run_is_an_error(zoo: Callable[..., Any], installed: Registry) -> None:
    done = zoo("check", "sound", "--only", "checksums")
    assert done.code == 2
    assert done.out.startswith("0 checks ran: 0 passed, 0 failed, 0 expected to fail, 1 skipped")
    assert done.err.startswith("error: nothing to check: no check could run")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("sond",), "did you mean sound?"),
        (("sound", "--only", "gradient"), "did you mean gradients?"),
        (("sound", "--timeout", "soon"), "--timeout"),
        (("sound", "--task", "sond"), "did you mean sound?"),
        (("sound", "--task", "cosine"), "is made for kind image-classification, task zoo-cosine:cosine is of kind"),
        (("sound", "--data-root", "nowhere"), "--data-root nowhere does not exist"),
        (("sound", "--only", "metadata", "--record"), "--record needs whole plugins and all checks"),
        (("zoo-cosine:mlp", "--record"), "--record needs whole plugins and all checks"),
    ],
)
def test_a_usage_error_is_one_line(
    words: tuple[str, ...], reason: str, zoo: Callable[..., Any], installed: Registry
) -> None:
    done = zoo("check", *words)
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert reason in done.err


def test_json_and_the_explanations_hold_every_check(zoo: Callable[..., Any], installed: Registry) -> None:
    found = json.loads(zoo("check", "dataset-finite", "--json").out)
    assert found["level"] == found["plugins"]["dataset-finite"] == "failing"
    states = {item["check"]: item["state"] for item in found["results"] if item["what"] == "dataset"}
    assert states["finite"] == "failed"
    assert set(states) == {check.name for check in CHECKS["dataset"]}
    assert len(json.loads(zoo("check", "--list", "--json").out)) == len(ALL)
    assert "model gradients: every trainable parameter receives a gradient" in zoo("check", "--list").out


def test_the_levels_of_plugins_are_recorded_for_the_leaderboard(zoo: Callable[..., Any], installed: Registry) -> None:
    zoo("check", "plugin-commands", "--record")
    zoo("check", "sound", "--record")
    recorded = json.loads(Path("results/conformance.json").read_text())
    assert {name: entry["level"] for name, entry in recorded.items()} == {
        "plugin-commands": "failing",
        "sound": "partial" if find_spec("onnxruntime") is None else "full",
    }
    assert recorded["sound"]["version"] == "1.0"


def test_a_model_of_a_file_is_checked_on_the_first_task_on_which_it_works_or_on_the_named_one(
    zoo: Callable[..., Any], installed: Registry
) -> None:
    Path("net.py").write_text(
        "from torch import nn\n\n\ndef net():\n    return nn.Sequential(nn.Flatten(), nn.Linear(192, 3))\n"
    )
    for words in ((), ("--task", "sound")):
        done = zoo("check", "./net.py:net", "--only", "gradients", *words)
        assert (done.code, done.err) == (0, ""), done.out
        assert "0 failed" in done.out


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (CheckEnded(name="gradients", state="passed"), None),
        (CheckEnded(name="gradients", state="skipped", applies=False), None),
        (CheckEnded(name="gradients", state="skipped"), "skipped"),
        (CheckEnded(name="gradients", state="failed"), "not run"),
        (CheckEnded(name="gradients", state="not run"), "not run"),
    ],
)
def test_a_check_runs_unless_a_check_that_it_needs_failed_or_could_not_run(
    end: CheckEnded, expected: str | None
) -> None:
    found = find_blocker(find_check("model", "overfits"), {"gradients": outcome_of(end)})
    assert (found.state if found else None) == expected
    assert found is None or "gradients" in found.reason
