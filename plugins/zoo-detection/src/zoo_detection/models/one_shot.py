"""A one-stage detector of our own: it looks once at the picture, and each cell of three grids says what lies around it.

Top to bottom: `Backbone`, a small residual net, makes features of 1/8, 1/16 and 1/32 of the size. `Neck` adds the
coarse ones to the finer ones (Lin et al. 2017, arXiv:1612.03144). `Head` returns for each cell a logit per class, and
the centre and the size of a box. There are no anchors: a cell learns the object in whose centre it lies (as in FCOS,
Tian et al. 2019, arXiv:1904.01355). Focal loss (Lin et al. 2017, arXiv:1708.02002) and complete IoU (Zheng et al. 2019,
arXiv:1911.08287) train it. Non-maximum suppression leaves one box for each object.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import complete_box_iou_loss, sigmoid_focal_loss

from zoo_core import Signature
from zoo_detection.detections import Target, class_count, joined_targets, suppress

STRIDES = (8, 16, 32)  # pixels a side of a cell
MAX_CELLS = 8.0  # the longer side of a box, in cells; a longer one belongs to the next grid
NEAR = 1.5  # cells: a cell learns a box if their centres are nearer than that, across and down
FIRST_SIZE = 4.0  # cells, of a box before training
PRIOR = 0.01  # probability of a class before training; with 0.5 the many empty cells would drown the few others
BOX_WEIGHT = 1.0  # of the loss of the boxes, when the focal loss has weight 1
ALPHA = 0.5  # of the focal loss: cells with and without an object weigh the same; in the paper, of many anchors, 0.25
MAX_OVERLAP, MIN_SCORE = 0.5, 0.02


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Residual(nn.Module):
    """Two convolutions and a way past them: (batch, width, h, w) -> the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            convolution(width, width), nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + cast(Tensor, self.layers(x)))


class Backbone(nn.Module):
    """(batch, 3, h, w) -> features of 2, 4 and 8 times `width` channels, at 1/8, 1/16 and 1/32 of the size."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(convolution(3, width // 2, 2), convolution(width // 2, width, 2))
        self.stages = nn.ModuleList(
            nn.Sequential(convolution(before, 2 * before, 2), Residual(2 * before))
            for before in (width, 2 * width, 4 * width)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        x, features = self.stem(x), []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class Neck(nn.Module):
    """Brings all features to `width` channels and adds what the coarser grids know to the finer ones."""

    def __init__(self, inputs: Sequence[int], width: int) -> None:
        super().__init__()
        self.sides = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in inputs)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        merged: list[Tensor] = []
        for side, x in zip(reversed(self.sides), reversed(features), strict=True):
            x = side(x)
            merged.append(x + F.interpolate(merged[-1], x.shape[2:]) if merged else x)
        return merged[::-1]


class Head(nn.Module):
    """The same for every grid: (batch, width, h, w) -> (batch, h * w, classes + 4).

    It has GroupNorm, as in FCOS: the statistics of BatchNorm would mix those of the three grids.
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(
                layer
                for _ in range(2)
                for layer in (
                    nn.Conv2d(width, width, 3, 1, 1, bias=False),
                    nn.GroupNorm(math.gcd(8, width), width),
                    nn.ReLU(inplace=True),
                )
            )
        )
        self.last = nn.Conv2d(width, classes + 4, 1)
        bias = cast(Tensor, self.last.bias)
        nn.init.normal_(self.last.weight, std=0.01)
        nn.init.zeros_(bias)
        nn.init.constant_(bias[:classes], -math.log((1 - PRIOR) / PRIOR))

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.last(self.layers(x))
        return outputs.flatten(2).transpose(1, 2).float()


class OneShot(nn.Module):
    """A detector; see the module, and `zoo_detection.task` for what it takes and returns."""

    mean: Tensor
    std: Tensor

    def __init__(self, signature: Signature, width: int) -> None:
        super().__init__()
        self.classes = class_count(signature)
        for name, values, default in (("mean", signature.mean, 0.5), ("std", signature.std, 0.25)):
            self.register_buffer(name, torch.tensor(values or (default,) * 3).view(1, 3, 1, 1))
        self.backbone = Backbone(width)
        self.neck = Neck((2 * width, 4 * width, 8 * width), 2 * width)
        self.head = Head(2 * width, self.classes)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width) in [0, 1] -> detections (batch, 100, 6)."""
        logits, boxes, *_ = self.cells(x)
        pictures = zip(boxes, logits.sigmoid(), strict=True)
        return torch.stack([suppress(*found, max_overlap=MAX_OVERLAP, min_score=MIN_SCORE) for found in pictures])

    def cells(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what every cell says, and where it is.

        Shapes: logits (batch, cells, classes); boxes (batch, cells, 4) and centres of the cells (cells, 2), in pixels;
        strides (cells,).
        """
        grids = self.neck(self.backbone((x - self.mean) / self.std))
        outputs = torch.cat([self.head(grid) for grid in grids], 1)
        places = [cell_centres(grid, stride) for grid, stride in zip(grids, STRIDES, strict=True)]
        centres = torch.cat(places)
        strides = torch.cat([torch.full_like(place[:, 0], side) for place, side in zip(places, STRIDES, strict=True)])
        logits, shift, size = outputs.tensor_split((self.classes, self.classes + 2), 2)
        centre = centres + shift * strides[:, None]
        half = FIRST_SIZE / 2 * strides[:, None] * size.clamp(-4, 4).exp()  # the exponential stays finite
        return logits, torch.cat([centre - half, centre + half], 2), centres, strides

    def loss(self, x: Tensor, targets: Sequence[Target]) -> Tensor:
        """Return the focal loss of all cells plus the loss of the boxes of the cells that have an object."""
        logits, boxes, centres, strides = self.cells(x)
        true_boxes, labels, pictures = joined_targets(targets)
        cells, objects = matched_cells(true_boxes, pictures, centres, strides, count=len(targets))
        wanted = torch.zeros_like(logits).flatten(0, 1)
        wanted[cells, labels[objects]] = 1.0
        count = max(1, len(cells))
        focal: Tensor = sigmoid_focal_loss(logits.flatten(0, 1), wanted, ALPHA, reduction="sum") / count
        overlap: Tensor = (
            complete_box_iou_loss(boxes.flatten(0, 1)[cells], true_boxes[objects], reduction="sum") / count
        )
        return focal + BOX_WEIGHT * overlap


def cell_centres(grid: Tensor, stride: int) -> Tensor:
    """Return x and y of the centre of each cell of a grid (batch, width, h, w), float32 (h * w, 2), in pixels."""
    y, x = (stride * (torch.arange(count, device=grid.device) + 0.5) for count in grid.shape[2:])
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), 2).flatten(0, 1)


def matched_cells(
    boxes: Tensor, pictures: Tensor, centres: Tensor, strides: Tensor, *, count: int
) -> tuple[Tensor, Tensor]:
    """Return the numbers of the cells that learn an object, counted over the batch, and the object of each.

    An object belongs to the grid that its longer side chooses, there to the three by three cells around its centre. Of
    several objects a cell learns the smallest.
    Shapes: boxes (objects, 4), pictures (objects,), centres (cells, 2), strides (cells,) -> both int64 (matched,).
    count: of the pictures.
    """
    centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    near = ((centres - centre[:, None]).abs() < NEAR * strides[:, None]).all(2)  # (objects, cells)
    longest = size.amax(1, keepdim=True)
    fits = (longest < MAX_CELLS * strides) | (strides == STRIDES[-1])
    fits &= (longest >= MAX_CELLS / 2 * strides) | (strides == STRIDES[0])
    objects, cells = (near & fits).nonzero(as_tuple=True)
    by_area = size.prod(1).argsort()
    rank = by_area.argsort()
    first = torch.full((count * len(centres),), len(boxes), device=boxes.device)
    first = first.scatter_reduce(0, pictures[objects] * len(centres) + cells, rank[objects], "amin")
    matched = (first < len(boxes)).nonzero(as_tuple=True)[0]
    return matched, by_area[first[matched]]


def one_shot(signature: Signature, width: int) -> nn.Module:
    """Build the detector; `width`: channels at a quarter of the size, half of those of the finest grid."""
    return OneShot(signature, width)
