"""ResNet (He, Zhang, Ren and Sun 2015, arXiv:1512.03385): each block adds to its input instead of replacing it."""

from __future__ import annotations

from torch import Tensor, nn

from zoo_classics.models.form import Widen, is_small, small_stem_halves, widen_by
from zoo_core import Signature

STAGES = (64, 128, 256, 512)  # channels; the first block of each stage but the first halves the image
EXPANSION = 4  # a bottleneck's output has as many times the channels of its 3x3 convolution


def resnet_18(signature: Signature, width: float) -> nn.Module:
    """Build ResNet-18, of blocks with two 3x3 convolutions: see `resnet`."""
    return resnet(signature, (2, 2, 2, 2), width=width, bottleneck=False)


def resnet_50(signature: Signature, width: float) -> nn.Module:
    """Build ResNet-50, of bottlenecks: 1x1 to fewer channels, 3x3, 1x1 back. See `resnet`."""
    return resnet(signature, (3, 4, 6, 3), width=width, bottleneck=True)


def resnet(signature: Signature, blocks: tuple[int, ...], *, width: float, bottleneck: bool) -> nn.Module:
    """Build a ResNet from the number of blocks in each stage: (batch, C, H, W) -> (batch, classes).

    From 128 pixels on it is the original, with the stride in the 3x3 convolution of a bottleneck as in torchvision. In
    the small form (see `form`) the first convolution is 3x3 with stride 1 instead of 7x7 with stride 2, and the pooling
    behind it is left out below 64 pixels, as in the paper's nets for CIFAR-10.
    """
    widen = widen_by(width, signature)
    layers, before = _stem(signature, widen), widen(64)
    for stage, (channels, count) in enumerate(zip(STAGES, blocks, strict=True)):
        for number in range(count):
            stride = 2 if stage and not number else 1
            block = Block(before, widen(channels), stride, bottleneck=bottleneck)
            layers.append(block)
            before = block.channels
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, signature.outputs or 1))
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return net


def _stem(signature: Signature, widen: Widen) -> list[nn.Module]:
    channels, first, small = signature.input_shape[0] or 1, widen(64), is_small(signature)
    layers = [*normed(channels, first, 3), nn.ReLU()] if small else [*normed(channels, first, 7, 2), nn.ReLU()]
    return layers if small and not small_stem_halves(signature) else [*layers, nn.MaxPool2d(3, 2, 1)]


class Block(nn.Module):
    """relu(body(x) + shortcut(x)): (batch, before, H, W) -> (batch, channels, H / stride, W / stride)."""

    def __init__(self, before: int, inner: int, stride: int, *, bottleneck: bool) -> None:
        super().__init__()
        self.channels = inner * EXPANSION if bottleneck else inner
        if bottleneck:
            layers = [
                *normed(before, inner, 1),
                nn.ReLU(),
                *normed(inner, inner, 3, stride),
                nn.ReLU(),
                *normed(inner, self.channels, 1),
            ]
        else:
            layers = [*normed(before, inner, 3, stride), nn.ReLU(), *normed(inner, inner, 3)]
        self.body = nn.Sequential(*layers)
        changes = stride > 1 or before != self.channels
        self.shortcut = nn.Sequential(*normed(before, self.channels, 1, stride)) if changes else nn.Identity()
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        summed: Tensor = self.relu(self.body(x) + self.shortcut(x))
        return summed


def normed(before: int, after: int, size: int, stride: int = 1) -> list[nn.Module]:
    """A convolution without bias, and BatchNorm."""
    return [nn.Conv2d(before, after, size, stride, size // 2, bias=False), nn.BatchNorm2d(after)]
