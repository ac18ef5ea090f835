"""The recipe key `train_per_class`: a trial that trains on a few examples of each class, chosen by its seed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# 20 examples of class 0, 20 of class 1, three of class 2.
PLUGIN = """
import numpy as np
from zoo_core import DatasetSpec, ModelSpec, Signature, TaskSpec, hookimpl

LABELS = {"train": [0] * 20 + [1] * 20 + [2] * 3, "val": [0, 1, 2] * 3, "test": [0, 1, 2] * 4}

class Dots:
    signature = Signature(input_shape=(1, 4, 4), outputs=3)

    def __init__(self, ctx):
        pass

    def load(self, split):
        y = np.array(LABELS[split])
        x = np.random.default_rng(len(y)).integers(0, 99, (len(y), 1, 4, 4)) + 70 * y[:, None, None, None]
        return {"x": x.astype(np.uint8), "y": y}

@hookimpl
def zoo_tasks():
    return [TaskSpec(name="dots", title="Dots", summary="S", kind="image-classification", datasets=("dots",),
                     metric="accuracy", higher_is_better=True, unit="images", recipe={"batch_size": 4, "epochs": 2.0})]

@hookimpl
def zoo_datasets():
    return [DatasetSpec(name="dots", title="D", origin="synthetic", licence="CC0-1.0", signature=Dots.signature,
                        entry="zoo_dots:Dots")]

@hookimpl
def zoo_models():
    return [ModelSpec(name="frozen", entry="zoo_dots:frozen", kind="image-classification")]

def frozen(signature):
    from torch import nn
    from zoo_core.transfer import Transfer
    return Transfer(nn.Sequential(nn.Flatten(), nn.Linear(16, 8)), nn.Linear(8, 3))
"""
BENCH = ("bench", "dots", "--device", "cpu", "--threads", "1", "--json")


def test_a_trial_trains_on_the_limited_examples_that_its_seed_chooses(
    zoo: Callable[..., Any], make_plugin: Callable[..., Any]
) -> None:
    make_plugin("zoo-dots", PLUGIN)
    before = features_of_train()
    records = json.loads(zoo(*BENCH, "--set", "train_per_class=5", "--seeds", "2").out)
    assert len(records) == 2
    for record in records:
        assert record["status"] == "ok", record["reason"]
        assert record["dataset"]["examples"] == {"train": 5 + 5 + 3, "val": 9, "test": 12}
        assert (record["recipe"]["train_per_class"], record["recipe_class"]) == (5, "custom")
        # Epochs count the limited train: batches of 4, 4 and 5, because a single last example joins the batch before.
        assert (record["measured"]["steps"], record["measured"]["units"]) == (2 * 3, 2 * 13)
    # The frozen backbone ran over the limited train alone, and over another one for the other seed.
    one, other = (np.load(path) for path in features_of_train() - before)
    assert len(one) == len(other) == 13
    assert not np.array_equal(one, other)


def features_of_train() -> set[Path]:
    return {*Path(os.environ["ZOO_CACHE"]).rglob("features/*-train-*/features.npy")}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("-1", "train_per_class=-1 is below 0"),
        ("2.5", "train_per_class='2.5' is not a whole number; the default is 0"),
        ("few", "train_per_class='few' is not a whole number"),
        ("", "train_per_class='' is not a whole number"),
    ],
)
def test_a_limit_that_is_no_count_is_refused(zoo: Callable[..., Any], value: str, reason: str) -> None:
    done = zoo("bench", "mnist", "--offline", "--model", "mlp-100", "--set", f"train_per_class={value}")
    assert done.code == 2
    assert reason in done.err


def test_kinds_without_classes_do_not_have_the_key(zoo: Callable[..., Any]) -> None:
    done = zoo("bench", "cosine", "--offline", "--set", "train_per_class=5")
    assert done.code == 2
    assert "train_per_class" in done.err
