"""The losses against loops over examples, the recipe's choice, and a model's own loss."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from zoo_metric_learning.losses import EmbeddingLoss, contrastive, nearest_is_same, supcon, triplet

from zoo_core import Recipe

LABELS = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2])
RECIPE = {"margin": 0.2, "temperature": 0.1, "per_class": 3}


def units(seed: int = 0) -> Tensor:
    return F.normalize(torch.randn(9, 5, generator=torch.Generator().manual_seed(seed)).double(), dim=1)


def distance(x: Tensor, y: Tensor) -> float:
    return float(((x - y) ** 2).sum())


def others(row: int, *, same: bool) -> list[int]:
    return [j for j in range(9) if j != row and (LABELS[j] == LABELS[row]) == same]


def test_supcon_is_the_mean_over_positives_of_a_cross_entropy_among_all_others() -> None:
    unit, losses = units(), []
    for i in range(9):
        total = sum(math.exp(float(unit[i] @ unit[j]) / 0.1) for j in range(9) if j != i)
        shares = [math.exp(float(unit[i] @ unit[j]) / 0.1) / total for j in others(i, same=True)]
        losses.append(-sum(map(math.log, shares)) / len(shares))
    assert float(supcon(unit, LABELS, 0.1)) == pytest.approx(sum(losses) / 9, rel=1e-9)


def test_supcon_leaves_out_examples_without_another_of_their_class() -> None:
    unit = units()[:4]
    alone = supcon(unit, torch.tensor([0, 0, 1, 2]), 0.1)
    similarity = (unit @ unit.T / 0.1).fill_diagonal_(-torch.inf)
    shares = similarity.log_softmax(1)
    assert float(alone) == pytest.approx(-float(shares[0, 1] + shares[1, 0]) / 2, rel=1e-9)


def test_the_triplet_loss_takes_the_nearest_negative_that_is_farther_than_the_positive() -> None:
    unit, losses = units(1), []
    for i in range(9):
        negatives = sorted(distance(unit[i], unit[j]) for j in others(i, same=False))
        for p in others(i, same=True):
            pull = distance(unit[i], unit[p])
            push = next((away for away in negatives if away > pull), negatives[-1])
            losses.append(max(0.0, pull - push + 0.2))
    assert len(losses) == 18
    assert float(triplet(unit, LABELS, 0.2, positives=2)) == pytest.approx(sum(losses) / 18, rel=1e-9)


def test_the_contrastive_loss_adds_the_means_of_both_sorts_of_pairs() -> None:
    unit = units()
    pull = [distance(unit[i], unit[j]) for i in range(9) for j in others(i, same=True)]
    push = [max(0.0, 1 - math.sqrt(distance(unit[i], unit[j]))) ** 2 for i in range(9) for j in others(i, same=False)]
    expected = (sum(pull) / len(pull) + sum(push) / len(push)) / 2
    assert float(contrastive(unit, LABELS, 1.0)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["supcon", "triplet", "contrastive"])
def test_equal_embeddings_have_finite_gradients(name: str) -> None:
    embeddings = torch.ones(9, 5, requires_grad=True)
    loss, _ = EmbeddingLoss(Recipe({**RECIPE, "loss": name}))(embeddings, LABELS)
    loss.backward()  # type: ignore[no-untyped-call]
    assert embeddings.grad is not None
    assert torch.isfinite(embeddings.grad).all()


@pytest.mark.parametrize("name", ["supcon", "triplet", "contrastive"])
def test_every_loss_brings_a_class_together(name: str) -> None:
    embeddings = units(2).float().requires_grad_()
    loss = EmbeddingLoss(Recipe({**RECIPE, "loss": name, "margin": 0.5}))
    before = float(nearest_is_same(F.normalize(embeddings.detach(), dim=1), LABELS))
    for _ in range(60):
        (gradient,) = torch.autograd.grad(loss(embeddings, LABELS)[0], embeddings)
        with torch.no_grad():
            embeddings -= 2 * gradient
    assert before < 1.0
    assert float(loss(embeddings, LABELS)[1]) == 1.0


def test_without_a_key_the_loss_is_supcon_and_a_models_own_one_replaces_it() -> None:
    embeddings = units().float()
    loss = EmbeddingLoss(Recipe(RECIPE))
    assert float(loss(embeddings, LABELS)[0]) == pytest.approx(float(supcon(embeddings, LABELS, 0.1)))
    loss.take_loss(lambda output, target: nn.functional.cross_entropy(output, target))
    assert float(loss(embeddings, LABELS % 5)[0]) == pytest.approx(float(F.cross_entropy(embeddings, LABELS % 5)))


def test_the_score_of_a_batch_is_the_share_whose_nearest_is_of_its_class() -> None:
    angles = torch.tensor([0.0, 10.0, 15.0, 90.0]).deg2rad()
    unit = torch.stack([angles.cos(), angles.sin()], 1)
    hits = nearest_is_same(unit, torch.tensor([0, 0, 1, 1]))
    assert float(hits) == 0.5  # 0 finds 10, and 90 finds 15; but 10 and 15 find each other
