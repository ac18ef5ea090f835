"""Trains the judge: `python -m zoo_gan.make_judge --data-root FOLDER_WITH_MNIST --out judge.safetensors`.

The training data are MNIST's train images and four copies of scikit-learn's train digits, which have other writers and
another resolution. Prints accuracies, the scores of noise, and the file's sha256, which goes into `judge.py`. New
weights change all scores, so they require a new version of the task.
"""

from __future__ import annotations

import argparse
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from zoo_core import Context
from zoo_core.data.columns import Array
from zoo_core.data.open import data_context
from zoo_gan.curve import X_RANGE, Curve
from zoo_gan.data import Digits, Mnist
from zoo_gan.images import MIN_TEST_SAMPLES
from zoo_gan.judge import Judge
from zoo_gan.metrics import distance_to_line, frechet_distance
from zoo_gan.plugin import zoo_datasets

EPOCHS, BATCH, COPIES = 4, 128, 4
LR, WEIGHT_DECAY = 0.01, 0.01


def main() -> None:
    """Train the judge, save it and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-root", type=Path, required=True, help="the folder that holds MNIST's four files")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    spec = next(spec for spec in zoo_datasets() if spec.name == "gan-mnist")
    mnist, digits = Mnist(data_context(spec, Context(data_root=arguments.data_root))), Digits(Context())
    sets = [mnist.load("train"), *[digits.load("train")] * COPIES]
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    judge = Judge()
    train(judge, *(torch.from_numpy(np.concatenate([one[name] for one in sets])) for name in ("x", "y")))
    judge.eval()
    save_file(judge.state_dict(), arguments.out)
    print_line(f"sha256 {sha256(arguments.out.read_bytes()).hexdigest()}")
    for name, dataset in (("MNIST", mnist), ("8x8 digits", digits)):
        print_line(f"{name}: {figures(judge, dataset.load('train'), dataset.load('test'))}")
    print_line(f"curve: uniform points in the box have distance {box_distance():.3f}")


def train(judge: Judge, images: Tensor, labels: Tensor) -> None:
    """Train on images uint8 (n, 1, 28, 28) and labels int64 (n,), with AdamW and a one-cycle learning rate."""
    steps = len(images) // BATCH
    optimizer = torch.optim.AdamW(judge.parameters(), LR, weight_decay=WEIGHT_DECAY, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=EPOCHS * steps)
    for _ in range(EPOCHS):
        for rows in torch.split(torch.randperm(len(images))[: steps * BATCH], BATCH):
            loss = F.cross_entropy(judge(images[rows].float() / 127.5 - 1), labels[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()


def figures(judge: Judge, train: dict[str, Array], test: dict[str, Array]) -> str:
    """Describe the accuracy on test, and the Fréchet distances of noise and of real training images to test."""
    features, digits = judge.classify(test["x"])
    count = max(MIN_TEST_SAMPLES, len(test["x"]))
    noise = np.random.default_rng(0).integers(0, 256, (count, *test["x"].shape[1:]), dtype=np.uint8)
    noise_distance = frechet_distance(features, judge.classify(noise)[0])
    real_distance = frechet_distance(features, judge.classify(train["x"][:count])[0])
    accuracy = (digits == test["y"]).mean()
    return (
        f"accuracy {accuracy:.4f}, Frechet distance of noise {noise_distance:.2f}, "
        f"of real training images {real_distance:.4f}"
    )


def box_distance() -> float:
    """Return the mean distance to the curve of points that are uniform in its bounding box."""
    line = Curve(Context()).load("test")["x"]
    box = np.array([X_RANGE, (line[:, 1].min(), line[:, 1].max())])
    points = np.random.default_rng(0).uniform(box[:, 0], box[:, 1], (20_000, 2))
    return float(distance_to_line(points, line[::10])[0].mean())


def print_line(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
