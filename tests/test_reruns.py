"""Every shipped pair gives the same results again on the CPU, bit for bit: scores, curves, results by example."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from zoo_core.api import bench
from zoo_core.files import cache_dir
from zoo_core.registry import Pair, Registry
from zoo_core.results.records import Record
from zoo_core.results.store import Store
from zoo_core.runner.compare import compare_results
from zoo_core.specs import NO_WEIGHTS

STEPS = 3
PAIRS = Registry.load().pairs()
# One pair for each of the quickest tasks, with dropout, augmentation and ragged data among them. The others are slow.
QUICK = {
    ("cosine", "mlp"),
    ("mnist", "cnn-fast"),
    ("pose", "bilstm"),
    ("motion", "copy-last"),
}


def name_of(pair: Pair) -> tuple[str, str]:
    return pair.task.name, pair.model.name


def train(pair: Pair, folder: Path) -> tuple[Record, Path]:
    """Train a few steps of the quick preset in a worker, as `zoo bench` does; return record and artifacts."""
    found = bench(
        pair.task.qualified,
        model=pair.model.qualified,
        seeds=[3],
        device="cpu",
        offline=True,
        quick=True,
        recipe={"steps": STEPS},
        weights=NO_WEIGHTS if pair.model.weights else "",  # published weights need a download
        results=folder,
        progress=False,
    )
    (record,) = found.records
    return record, Store(folder).artifacts(record)


def require_equal_reruns(pair: Pair, folder: Path) -> None:
    first, first_artifacts = train(pair, folder / "first")
    for features in [*cache_dir().rglob("features")]:  # of frozen backbones: compute them again
        shutil.rmtree(features)
    second, second_artifacts = train(pair, folder / "second")
    assert first.status == "ok", first.reason
    compared = compare_results(first, second, first_artifacts, second_artifacts)
    assert compared.differs == ()
    assert compared.not_compared == ()
    assert {"steps", "learning curve", f"test {pair.task.metric}"} <= set(compared.same)
    assert (f"val {pair.task.metric}" in compared.same) == first.recipe["holdout"]
    assert first.measured.steps == STEPS
    assert first.id != second.id


@pytest.mark.parametrize(
    "pair", [pair for pair in PAIRS if name_of(pair) in QUICK], ids=lambda pair: ":".join(name_of(pair))
)
def test_a_quick_pair_gives_the_same_results_again(pair: Pair, tmp_path: Path) -> None:
    require_equal_reruns(pair, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize(
    "pair", [pair for pair in PAIRS if name_of(pair) not in QUICK], ids=lambda pair: ":".join(name_of(pair))
)
def test_every_other_shipped_pair_gives_the_same_results_again(pair: Pair, tmp_path: Path) -> None:
    require_equal_reruns(pair, tmp_path)


def test_the_quick_pairs_are_shipped_ones() -> None:
    assert {name_of(pair) for pair in PAIRS} >= QUICK
    assert len(PAIRS) > 30


def test_another_seed_gives_other_results(tmp_path: Path) -> None:
    """So that equality above is no accident of a training that does nothing."""
    options = {"model": "mlp", "device": "cpu", "max_steps": STEPS, "results": tmp_path, "progress": False}
    first, second = bench("cosine", seeds=[0, 1], **options).records
    folder = Store(tmp_path)
    compared = compare_results(first, second, folder.artifacts(first), folder.artifacts(second))
    assert not compared.counts_differ
    assert {text.partition(":")[0] for text in compared.differs} >= {"test mse", "learning curve", "results by example"}
