"""Trains the small backbone: `python -m zoo_dogs70.make_backbone --out small.safetensors`.

The training pictures are drawn animals, none of them a dog. The net learns to name every trait that a picture shows;
the layers that name them are thrown away. Takes about four minutes on one core. Prints the accuracy for each trait on
animals that it has not seen, and the file's sha256, which goes into `plugin.py`.
"""

from __future__ import annotations

import argparse
from hashlib import sha256
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core.kinds.augment import recolour, shift
from zoo_dogs70.models.small import FEATURES, small_backbone
from zoo_dogs70.plugin import SMALL_MEAN, SMALL_STD
from zoo_dogs70.pretraining.animals import HIDDEN, TRAITS, draw_animals

PICTURES, TEST_PICTURES, EPOCHS, BATCH = 10_000, 500, 6, 32
LR, WEIGHT_DECAY, REACH = 0.004, 0.02, 4
SIZES = [len(values) for values in TRAITS.values()]


def main() -> None:
    """Train the backbone, save it and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    backbone, namer = small_backbone().to(memory_format=torch.channels_last), nn.Linear(FEATURES, sum(SIZES))
    images, labels = map(torch.from_numpy, draw_animals(arguments.pictures, seed=0))
    train(nn.Sequential(backbone, namer), images, labels, arguments.epochs)
    save_file(halved(backbone), arguments.out)
    print_line(f"sha256 {sha256(arguments.out.read_bytes()).hexdigest()}")
    unseen, named = map(torch.from_numpy, draw_animals(TEST_PICTURES, seed=1))
    for name, accuracy in accuracies(nn.Sequential(backbone, namer), unseen, named).items():
        print_line(f"{name}: {accuracy:.3f}")


def halved(backbone: nn.Module) -> dict[str, Tensor]:
    """Return the tensors to save: numbers as float16, which halves the file."""
    state = backbone.state_dict()
    return {name: (item.half() if item.is_floating_point() else item).contiguous() for name, item in state.items()}


def train(net: nn.Module, images: Tensor, labels: Tensor, epochs: int) -> None:
    """Train on images uint8 (n, 3, 64, 64) and labels int64 (n, traits), with AdamW and a one-cycle learning rate."""
    steps = len(images) // BATCH
    optimizer = torch.optim.AdamW(net.parameters(), LR, weight_decay=WEIGHT_DECAY, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=epochs * steps)
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.split(torch.randperm(len(images))[: steps * BATCH], BATCH):
            loss = traits_loss(net(inputs(augmented(images[rows]))), labels[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += loss.item()
        print_line(f"epoch {epoch + 1}: loss {total / steps:.3f}")


def augmented(images: Tensor) -> Tensor:
    """Shift each image, and permute the colours of half of them: uint8 (n, 3, 64, 64)."""
    count = len(images)
    top, left = torch.randint(-REACH, REACH + 1, (2, count))
    images = shift(images, top, left, torch.zeros(count, dtype=torch.bool))
    order = torch.where(torch.rand(count, 1) < 0.5, torch.arange(3), torch.rand(count, 3).argsort(1))
    return recolour(images, order)


def inputs(images: Tensor) -> Tensor:
    """Normalise images (n, 3, H, W) from 0 to 255 as the zoo does for a model with this mean and std."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (SMALL_MEAN, SMALL_STD))
    return ((images.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


def traits_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum the cross-entropies of all traits; those that a picture does not show count nothing.

    Shapes: logits (n, sum of the traits' values), labels (n, traits) -> ().
    """
    losses = [
        F.cross_entropy(part, label, ignore_index=HIDDEN, reduction="sum") / len(label)
        for part, label in zip(torch.split(logits, SIZES, 1), labels.T, strict=True)
    ]
    return torch.stack(losses).sum()


def accuracies(net: nn.Module, images: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the share of right names for each trait, among the pictures that show it."""
    net.eval()
    with torch.no_grad():
        logits = torch.cat([net(inputs(part)) for part in torch.split(images, 200)])
    right = {}
    for name, part, label in zip(TRAITS, torch.split(logits, SIZES, 1), labels.T, strict=True):
        shown = label != HIDDEN
        right[name] = (part.argmax(1) == label)[shown].float().mean().item()
    return right


def print_line(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
