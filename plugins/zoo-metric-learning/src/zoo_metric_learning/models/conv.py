"""One small convolution net for all losses, so that a comparison of the models is one of the losses."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core import Signature

POOLED = 3  # how often height and width are halved


class ConvEmbedding(nn.Module):
    """Images (batch, channels, height, width) to embeddings (batch, outputs): four convolutions and a linear layer.

    The layers keep where a stroke is: nothing is averaged over the picture. After Koch, Zemel and Salakhutdinov 2015
    and Vinyals et al. 2016, with widths that grow.
    """

    def __init__(self, signature: Signature, width: int) -> None:
        super().__init__()
        channels, height, width_in = (size or 1 for size in signature.input_shape)
        layers: list[nn.Module] = []
        for number, outputs in enumerate((width, 2 * width, 4 * width, 4 * width)):
            layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
            if number < POOLED:
                layers.append(nn.MaxPool2d(2))
            channels = outputs
        features = channels * (height >> POOLED) * (width_in >> POOLED)
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, signature.outputs or 1))

    def forward(self, x: Tensor) -> Tensor:
        embedding: Tensor = self.layers(x)
        return embedding


class SoftmaxHead(ConvEmbedding):
    """The same net, trained to classify: a linear layer on the embeddings names the training classes.

    Forward returns the embeddings, the outputs of the last layer but one.
    """

    def __init__(self, signature: Signature, width: int) -> None:
        super().__init__(signature, width)
        self.classifier = nn.Linear(signature.outputs or 1, int(signature.extra["train_classes"]))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the cross-entropy of the training classes."""
        return F.cross_entropy(self.classifier(output), target)


def embedding(signature: Signature, width: int) -> nn.Module:
    """Build the net: `width` channels in the first layer, twice and four times as many in the others."""
    return ConvEmbedding(signature, width)


def softmax_head(signature: Signature, width: int) -> nn.Module:
    """Build the net with a classifier of the training classes."""
    return SoftmaxHead(signature, width)
