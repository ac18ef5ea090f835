"""torchvision's detectors, with heads for our classes. Weights from COCO go into all other parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torchvision.models import detection, mobilenet_v3_small
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from zoo_core import Signature, WeightsError
from zoo_detection.detections import MAX_DETECTIONS, Target, as_rows, class_count

MIN_SCORE = 0.02
CANDIDATES = 200  # boxes of a class and a level of RetinaNet that non-maximum suppression considers
REGIONS = 64  # of a picture, that train Faster R-CNN's heads: as many as in Fast R-CNN, where torchvision takes 512
SMALL_LEVELS = {"3": 24, "8": 48, "11": 96}  # layers of MobileNetV3-Small at 1/8, 1/16 and 1/32, and their channels
SMALL_ANCHORS = (16, 32, 64, 128, 256)  # pixels, of the five levels: half of the original's, for small pictures
SHARES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))  # of an anchor's size: three anchors an octave, as in the paper


class OnTorchvision(nn.Module):
    """A detector of torchvision; see `zoo_detection.task` for what it takes and returns.

    first_label: torchvision's number of our class 0: 1 if the detector has a class for the background, else 0.
    frozen: parts whose BatchNorm layers are not trained, and keep their statistics.
    """

    def __init__(self, detector: nn.Module, *, first_label: int, frozen: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        self.detector, self._first = detector, first_label
        self._frozen = [layer for part in frozen for layer in part.modules() if isinstance(layer, nn.BatchNorm2d)]
        for layer in self._frozen:
            layer.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for layer in self._frozen:
            layer.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width) in [0, 1] -> detections (batch, 100, 6)."""
        training = self.training
        self.eval()  # in training mode it wants targets
        with _full_precision(x):
            found = self.detector(list(x.float()))
        self.train(training)
        return torch.stack([as_rows(item["boxes"], item["scores"], item["labels"] - self._first) for item in found])

    def loss(self, x: Tensor, targets: Sequence[Target]) -> Tensor:
        """Return the sum of the detector's losses."""
        moved = [{"boxes": item["boxes"], "labels": item["labels"] + self._first} for item in targets]
        with _full_precision(x):
            losses: dict[str, Tensor] = self.detector(list(x.float()), moved)
        return torch.stack(list(losses.values())).sum()


def ssdlite(signature: Signature, size: int, weights: Mapping[str, Tensor] | None = None) -> nn.Module:
    """Build SSDlite on MobileNetV3-Large (Sandler et al. 2018, arXiv:1801.04381; Howard et al. 2019, arXiv:1905.02244).

    size: pixels a side to which pictures are scaled, 0 for none.
    """
    net = detection.ssdlite320_mobilenet_v3_large(
        weights=None,
        weights_backbone=None,
        num_classes=class_count(signature) + 1,
        score_thresh=MIN_SCORE,
        detections_per_img=MAX_DETECTIONS,
    )
    height, width = _canvas(signature, size)
    net.transform = GeneralizedRCNNTransform(
        height, width, *_statistics(net.transform), size_divisible=1, fixed_size=(width, height)
    )
    load(net, weights, without="head.classification_head.")
    return OnTorchvision(net, first_label=1)


def faster_rcnn(signature: Signature, size: int, weights: Mapping[str, Tensor] | None = None) -> nn.Module:
    """Build Faster R-CNN (Ren et al. 2015, arXiv:1506.01497) on MobileNetV3-Large with a feature pyramid.

    size: pixels of the shorter side to which pictures are scaled, 0 for none.
    """
    net = detection.fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=class_count(signature) + 1,
        box_score_thresh=MIN_SCORE,
        box_detections_per_img=MAX_DETECTIONS,
        box_batch_size_per_image=REGIONS,
        **_sizes(signature, size),
    )
    load(net, weights, without="roi_heads.box_predictor.")
    return OnTorchvision(net, first_label=1, frozen=_pretrained(net.backbone, weights))


def retinanet(signature: Signature, size: int, weights: Mapping[str, Tensor] | None = None) -> nn.Module:
    """Build RetinaNet (Lin et al. 2017, arXiv:1708.02002) on ResNet-50 with a feature pyramid; `size` as above."""
    net = detection.retinanet_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=class_count(signature),
        score_thresh=MIN_SCORE,
        detections_per_img=MAX_DETECTIONS,
        topk_candidates=CANDIDATES,
        **_sizes(signature, size),
    )
    load(net, weights, without="head.classification_head.cls_logits.")
    return OnTorchvision(net, first_label=0, frozen=_pretrained(net.backbone, weights))


def retinanet_small(signature: Signature, size: int, width: int) -> nn.Module:
    """Build RetinaNet on MobileNetV3-Small, with `width` channels in pyramid and heads instead of 256."""
    channels = list(SMALL_LEVELS.values())
    levels = {layer: str(number) for number, layer in enumerate(SMALL_LEVELS)}
    features = mobilenet_v3_small(weights=None).features
    backbone = BackboneWithFPN(features, levels, channels, width, extra_blocks=LastLevelP6P7(width, width))
    sizes = tuple(tuple(round(anchor * share) for share in SHARES) for anchor in SMALL_ANCHORS)
    net = detection.RetinaNet(
        backbone,
        class_count(signature),
        anchor_generator=AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes)),
        score_thresh=MIN_SCORE,
        detections_per_img=MAX_DETECTIONS,
        topk_candidates=CANDIDATES,
        **_sizes(signature, size),
    )
    return OnTorchvision(net, first_label=0)


def _pretrained(backbone: nn.Module, weights: Mapping[str, Tensor] | None) -> list[nn.Module]:
    """Return the parts whose BatchNorm torchvision freezes: the backbone, if it starts from weights.

    Batches are too small to renew the statistics of COCO. SSDlite, made for large batches, trains its own there too.
    """
    return [] if weights is None else [backbone]


def load(net: nn.Module, weights: Mapping[str, Tensor] | None, *, without: str) -> None:
    """Copy weights into a detector, but for the parts whose names begin with `without`.

    torchvision's own method knows the names in the files of earlier versions. Raises WeightsError.
    """
    if weights is None:
        return
    given = {name: tensor for name, tensor in weights.items() if not name.startswith(without)}
    try:
        wrong = net.load_state_dict(given, strict=False)
    except RuntimeError as error:  # of shapes
        raise WeightsError(f"the weights do not fit the model: {' '.join(str(error).split())[:300]}") from error
    # A frozen BatchNorm, as in the files of COCO, counts no batches.
    missing = [name for name in wrong.missing_keys if not name.startswith(without) and "num_batches" not in name]
    problems = [f"{name} is missing" for name in missing]
    problems += [f"{name} is not in the model" for name in wrong.unexpected_keys]
    if problems:
        raise WeightsError(f"the weights do not fit the model: {'; '.join(problems[:3])} ({len(problems)} in all)")


def _full_precision(x: Tensor) -> AbstractContextManager[Any]:
    """Turn autocast off where the device has it: boxes in pixels are too fine for bfloat16."""
    device = x.device.type
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()


def _canvas(signature: Signature, size: int) -> tuple[int, int]:
    """Return height and width of the pictures that the detector gets."""
    height, width = (size or side or 0 for side in signature.input_shape[1:])
    return height, width


def _sizes(signature: Signature, size: int) -> dict[str, Any]:
    """Return the sizes to which torchvision's detectors scale pictures: the shorter side, and the longest."""
    height, width = (side or 1 for side in signature.input_shape[1:])
    shorter = size or min(height, width)
    return {"min_size": shorter, "max_size": -(-shorter * max(height, width) // min(height, width))}


def _statistics(transform: nn.Module) -> tuple[list[float], list[float]]:
    known = cast(GeneralizedRCNNTransform, transform)
    return known.image_mean, known.image_std
