"""Transfer learning: a pretrained backbone, frozen but for its last parts, and a new head."""

from __future__ import annotations

from torch import Tensor, nn


class Transfer(nn.Module):
    """`forward(x) == head(backbone(x))`; of the backbone only the last `unfreeze` parts with parameters are trained.

    A part is a child of `backbone`, in the order in which it runs. With `unfreeze=0` the backbone's features are
    computed once for a split, not once an epoch (`zoo_core.kinds.features`).
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, *, unfreeze: int = 0) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        parts = [part for part in backbone.children() if any(True for _ in part.parameters())]
        backbone.requires_grad_(False)  # parameters of its own, such as a position embedding, stay frozen
        for part in parts[max(0, len(parts) - unfreeze) :]:
            part.requires_grad_(True)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.head(self.backbone(x))
        return output
