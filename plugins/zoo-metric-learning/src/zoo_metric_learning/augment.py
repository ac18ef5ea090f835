"""Augmentation of training images: the core's parts, and elastic distortions, which imitate other hands."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo_core import Context, Recipe
from zoo_core.data.batches import Batch
from zoo_core.kinds.augment import Augmentation

CELLS = 4  # a side of the grid whose corners are moved
UNMIXED = {"mixup": 0.0, "cutmix": 0.0}  # mixed images have no class of their own


def elastic(images: Tensor, moves: Tensor) -> Tensor:
    """Distort images (n, channels, height, width) smoothly; borders are reflected (Simard et al. 2003).

    moves: float (n, 2, cells, cells), in pixels to the right and down, interpolated between the cells.
    """
    height, width = images.shape[2:]
    field = F.interpolate(moves, (height, width), mode="bicubic", align_corners=True)
    still = F.affine_grid(
        torch.eye(2, 3, device=images.device).expand(len(images), 2, 3), list(images.shape), align_corners=False
    )
    move = torch.stack([field[:, 0] * (2 / width), field[:, 1] * (2 / height)], 3)  # on the grid, a side is 2 long
    grid = still - move  # where each pixel comes from
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


class Views:
    """Augments batches as the recipe asks. Some images stay as they are, because interpolation blurs thin strokes."""

    def __init__(self, recipe: Recipe, ctx: Context) -> None:
        self._augment = Augmentation(Recipe({**recipe, **UNMIXED}), ctx)
        self._elastic, self._untouched, self._generator = recipe.elastic, recipe.untouched, ctx.generator

    def __call__(self, batch: Batch) -> Tensor:
        """Return the images of the batch, augmented, on the scale 0 to 255."""
        images = self._augment(batch)["x"]
        with torch.autocast(images.device.type, enabled=False):  # levels up to 255 are too fine for bfloat16
            if self._elastic:
                shape = (len(images), 2, CELLS, CELLS)
                images = elastic(images.float(), self._uniform(images, shape, self._elastic))
            if self._untouched:
                kept = self._uniform(images, (len(images), 1, 1, 1), 1.0).abs() < self._untouched
                images = torch.where(kept, batch["x"].to(images.dtype), images)
        return images

    def _uniform(self, images: Tensor, shape: tuple[int, ...], limit: float) -> Tensor:
        return torch.empty(shape, device=images.device).uniform_(-limit, limit, generator=self._generator)
