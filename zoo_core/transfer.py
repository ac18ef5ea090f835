"""Transfer learning: a pretrained backbone, frozen except for its last parts, and a new head."""

from __future__ import annotations

from torch import Tensor, nn


class Transfer(nn.Module):
    """A model with `forward(x) == head(backbone(x))`, of which the head and the last parts of the backbone are trained.

    unfreeze: how many parts to train. A part is a child of `backbone` that has parameters; the children must be in the
        order in which they run. With 0, the features of the backbone are computed once per split instead of once per
        epoch (see `zoo_core.kinds.features`).

    >>> net = Transfer(nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 4)), nn.Linear(4, 2), unfreeze=1)
    >>> [name for name, parameter in net.named_parameters() if parameter.requires_grad]
    ['backbone.2.weight', 'backbone.2.bias', 'head.weight', 'head.bias']
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, *, unfreeze: int = 0) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        parts = [part for part in backbone.children() if any(True for _ in part.parameters())]
        backbone.requires_grad_(False)  # parameters outside of parts, such as a position embedding, stay frozen
        for part in parts[max(0, len(parts) - unfreeze) :]:
            part.requires_grad_(True)

    def forward(self, x: Tensor) -> Tensor:
        """Apply backbone and head.

        Shapes: x (batch, ...), as the backbone takes it -> (batch, outputs).
        """
        output: Tensor = self.head(self.backbone(x))
        return output
