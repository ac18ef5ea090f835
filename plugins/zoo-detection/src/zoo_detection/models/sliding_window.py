"""A classifier that looks at every window of a picture: simple, slow and inexact, which is why detectors exist.

Windows of several sizes and two shapes lie at regular places. Each one is scaled to 24x24 pixels and classified alone,
as one of the classes or as background; so found Rowley et al. faces (1998, doi:10.1109/34.655647). The window is the
box.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import box_iou, roi_align

from zoo_core import Signature
from zoo_detection.detections import Target, class_count, suppress

CROP = 24  # pixels a side of what the classifier gets
SMALLEST, GROWTH = 16.0, 1.45  # pixels, the shorter side of the smallest windows; by this factor the next are larger
SHAPES = ((1.0, 1.0), (1.0, 2.0))  # width and height, in shorter sides
SHIFT = 0.15  # largest shift of the sides of a training window of an object, as a share of the object's sides
COPIES, BACKGROUNDS = 6, 32  # training windows of each object, and of the background of each picture
MAX_BACKGROUND_OVERLAP = 0.3  # IoU of a window of the background with an object
MAX_OVERLAP, MIN_SCORE = 0.3, 0.05


class SlidingWindow(nn.Module):
    """A detector; see the module, and `zoo_detection.task` for what it takes and returns."""

    def __init__(self, signature: Signature, width: int, step: float) -> None:
        super().__init__()
        self.step = step
        self.classes = class_count(signature)
        widths = (3, width, 2 * width, 4 * width)
        self.classifier = nn.Sequential(
            *(
                layer
                for inputs, outputs in pairwise(widths)
                for layer in (
                    nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False),
                    nn.BatchNorm2d(outputs),
                    nn.ReLU(inplace=True),
                )
            ),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(4 * width * (CROP // 8) ** 2, self.classes + 1),  # the last class is the background
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width) in [0, 1] -> detections (batch, 100, 6)."""
        windows = all_windows(x, self.step)
        found = []
        for picture in x:  # one at a time: the windows of a picture are hundreds of times its size
            scores = self.classify(picture[None], [windows]).softmax(1)[:, : self.classes]
            found.append(suppress(windows, scores, max_overlap=MAX_OVERLAP, min_score=MIN_SCORE))
        return torch.stack(found)

    def classify(self, x: Tensor, windows: list[Tensor]) -> Tensor:
        """Return logits (windows, classes + 1) of the windows of each picture, (n, 4) in pixels."""
        crops = roi_align(x - 0.5, windows, CROP, sampling_ratio=1, aligned=True)
        logits: Tensor = self.classifier(crops)
        return logits.float()

    def loss(self, x: Tensor, targets: Sequence[Target]) -> Tensor:
        """Return the cross-entropy of windows around the objects and windows of the background."""
        everywhere = all_windows(x, self.step)
        windows, labels = [], []
        for target in targets:
            objects = target["boxes"].repeat(COPIES, 1)
            sides = (objects[:, 2:] - objects[:, :2]).repeat(1, 2)
            shifted = objects + SHIFT * sides * (2 * torch.rand_like(objects) - 1)
            outside = everywhere
            if len(objects):
                outside = everywhere[box_iou(everywhere, target["boxes"]).amax(1) < MAX_BACKGROUND_OVERLAP]
            chosen = outside[torch.randint(len(outside), (BACKGROUNDS,), device=x.device)]
            windows.append(torch.cat([shifted, chosen]))
            background = torch.full((BACKGROUNDS,), self.classes, device=x.device)
            labels.append(torch.cat([target["labels"].repeat(COPIES), background]))
        return F.cross_entropy(self.classify(x, windows), torch.cat(labels))


def all_windows(x: Tensor, step: float) -> Tensor:
    """Return windows that cover a picture of x, (batch, 3, height, width): x1, y1, x2, y2 in pixels, (n, 4).

    step: from one window to the next, at most, in shorter sides.
    """
    (height, width), device = x.shape[2:], x.device
    windows, side = [], SMALLEST
    while side <= min(height, width):
        for across, down in SHAPES:
            if down * side <= height and across * side <= width:
                left, top = (
                    torch.linspace(0.0, room, math.ceil(room / (step * side)) + 1, device=device)
                    for room in (width - across * side, height - down * side)
                )
                corners = torch.stack(torch.meshgrid(left, top, indexing="xy"), 2).flatten(0, 1)
                ends = [corners[:, :1] + across * side, corners[:, 1:] + down * side]
                windows.append(torch.cat([corners, *ends], 1))
        side *= GROWTH
    return torch.cat(windows)


def sliding_window(signature: Signature, width: int, step: float) -> nn.Module:
    """Build the detector; `width`: channels of the classifier's first layer; `step` as in `all_windows`."""
    return SlidingWindow(signature, width, step)
