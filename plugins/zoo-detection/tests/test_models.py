"""The detectors: their losses and detections, what a cell or a window learns, and weights from COCO."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import detection
from torchvision.ops import box_iou
from zoo_detection.detections import Target, as_rows, suppress
from zoo_detection.models import on_torchvision
from zoo_detection.models.one_shot import cell_centres, matched_cells, one_shot
from zoo_detection.models.sliding_window import all_windows, sliding_window

from zoo_core import Signature, WeightsError

SIGNATURE = Signature(input_shape=(3, 64, 96), outputs=4, classes=("a", "b", "c", "d"))
TARGETS: list[Target] = [
    {"boxes": torch.tensor([[8.0, 8, 40, 40], [50, 10, 90, 60]]), "labels": torch.tensor([0, 3])},
    {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)},
]
BUILDERS: dict[str, Callable[[Signature], Any]] = {
    "one-shot": lambda data: one_shot(data, 8),
    "sliding-window": lambda data: sliding_window(data, 4, 0.4),
    "retinanet-small": lambda data: on_torchvision.retinanet_small(data, 0, 16),
    "ssdlite": lambda data: on_torchvision.ssdlite(data, 64),
    "faster-rcnn": lambda data: on_torchvision.faster_rcnn(data, 64),
    "retinanet": lambda data: on_torchvision.retinanet(data, 64),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def picture(*boxes: tuple[int, int, int, int]) -> Tensor:
    """A grey picture with a red box, and a blue one if there are two."""
    x = torch.full((3, 64, 96), 0.5)
    for (left, top, right, bottom), colour in zip(boxes, ((0.9, 0.1, 0.1), (0.1, 0.1, 0.9)), strict=False):
        x[:, top:bottom, left:right] = torch.tensor(colour)[:, None, None]
    return x


@pytest.mark.parametrize("name", BUILDERS)
def test_every_model_has_a_loss_for_all_of_its_parts_and_returns_detections_best_first(name: str) -> None:
    torch.manual_seed(0)
    model, x = BUILDERS[name](SIGNATURE), torch.rand(2, 3, 64, 96)
    loss = model.loss(x, TARGETS)
    assert loss.shape == ()
    loss.backward()
    assert [key for key, item in model.named_parameters() if item.grad is None] == []
    nothing = model.loss(x, TARGETS[1:] * 2)
    nothing.backward()
    assert bool(torch.isfinite(nothing))
    with torch.no_grad():
        found = model.eval()(x)
    assert (found.shape, found.dtype) == ((2, 100, 6), torch.float32)
    rows = found[found[..., 4] > 0]
    assert set(rows[:, 5].tolist()) <= {0.0, 1.0, 2.0, 3.0}
    assert bool((found[:, :-1, 4] >= found[:, 1:, 4]).all())
    assert bool((rows[:, 4] <= 1).all())


# what several detectors share


def test_of_two_boxes_that_overlap_the_better_one_of_a_class_stays() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]])
    scores = torch.tensor([[0.5, 0.0], [0.9, 0.3], [0.0, 0.001]])
    found = suppress(boxes, scores, max_overlap=0.5, min_score=0.01)
    assert found.shape == (100, 6)
    assert found[:3].tolist() == [pytest.approx([0, 0, 10, 9, 0.9, 0]), pytest.approx([0, 0, 10, 9, 0.3, 1]), [0.0] * 6]


def test_more_than_a_hundred_detections_are_cut_to_the_best() -> None:
    scores = torch.linspace(0, 1, 150)
    rows = as_rows(torch.zeros(150, 4), scores, torch.zeros(150))
    assert rows[:, 4].tolist() == scores.flip(0)[:100].tolist()


# one-shot


def test_a_cell_has_its_middle_half_a_stride_from_its_border() -> None:
    assert cell_centres(torch.zeros(1, 1, 2, 3), 8).tolist() == [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12]]


def grids() -> tuple[Tensor, Tensor]:
    """The cells of pictures of 96 x 96 pixels: 144 of 8 pixels, 36 of 16 and 9 of 32."""
    centres = [cell_centres(torch.zeros(1, 1, 96 // stride, 96 // stride), stride) for stride in (8, 16, 32)]
    return torch.cat(centres), torch.tensor([8.0] * 144 + [16.0] * 36 + [32.0] * 9)


@pytest.mark.parametrize(("side", "stride"), [(5, 8), (63, 8), (64, 16), (90, 16), (150, 32)])
def test_the_longer_side_of_a_box_chooses_its_grid_and_three_by_three_cells_learn_it(side: int, stride: int) -> None:
    centres, strides = grids()
    box = torch.tensor([[44.0 - side / 2, 43, 44.0 + side / 2, 45]])  # the middle, (44, 44), is that of a cell of 8
    cells, objects = matched_cells(box, torch.tensor([1]), centres, strides, count=2)
    cells -= len(centres)  # of the second picture
    assert set(strides[cells].tolist()) == {stride}
    assert objects.tolist() == [0] * 9
    distance = (centres[cells] - 44).abs().amax(1)
    assert float(distance.max()) < 1.5 * stride


def test_a_cell_between_two_objects_learns_the_smaller() -> None:
    centres, strides = grids()
    boxes = torch.tensor([[0.0, 0, 60, 60], [22.0, 22, 38, 38]])
    _, objects = matched_cells(boxes, torch.tensor([0, 0]), centres, strides, count=1)
    assert set(objects.tolist()) == {1}
    _, objects = matched_cells(boxes, torch.tensor([0, 1]), centres, strides, count=2)
    assert objects.tolist() == [0] * 9 + [1] * 9


def test_one_shot_learns_a_picture_by_heart() -> None:
    torch.manual_seed(0)
    boxes = [(10, 12, 34, 30), (50, 20, 80, 50)]
    x = torch.stack([picture(*boxes), picture(boxes[0])])
    targets: list[Target] = [
        {"boxes": torch.tensor(boxes[:count], dtype=torch.float32), "labels": torch.tensor([2, 1][:count])}
        for count in (2, 1)
    ]
    model: Any = one_shot(SIGNATURE, 8)
    optimizer = torch.optim.AdamW(model.parameters())
    for step in range(80):
        optimizer.param_groups[0]["lr"] = 0.005 * (1 - step / 80)
        optimizer.zero_grad()
        model.loss(x, targets).backward()
        optimizer.step()
    with torch.no_grad():
        found = model.eval()(x)
    for rows, target in zip(found, targets, strict=True):
        assert set(rows[rows[:, 4] > 0.5, 5].tolist()) == set(target["labels"].tolist())
        for box, label in zip(target["boxes"], target["labels"], strict=True):
            best = rows[rows[:, 5] == label][0]  # they are sorted
            assert float(box_iou(best[None, :4], box[None])) > 0.6


# sliding-window


def test_windows_cover_the_picture_and_stay_inside() -> None:
    windows = all_windows(torch.zeros(1, 3, 64, 96), 0.4)
    assert windows[:, :2].amin(0).tolist() == [0, 0]
    assert windows[:, 2:].amax(0).tolist() == pytest.approx([96, 64])
    size = windows[:, 2:] - windows[:, :2]
    assert sorted({round(ratio, 3) for ratio in (size[:, 1] / size[:, 0]).tolist()}) == [1.0, 2.0]
    assert float(box_iou(windows, torch.tensor([[30.0, 20, 60, 50]])).max()) > 0.6


# weights


def published(net: nn.Module) -> dict[str, Tensor]:
    """The weights of a detector of COCO's 91 classes as torchvision's files name them: those of earlier versions."""
    names = {}
    for name in net.state_dict():
        old = name.replace("_blocks.0.0.", "_blocks.0.").replace("_blocks.1.0.", "_blocks.1.")
        names[old.replace("rpn.head.conv.0.0.", "rpn.head.conv.")] = name
    state = net.state_dict()
    return {old: state[name] for old, name in names.items() if "num_batches" not in name}


def test_weights_from_coco_go_everywhere_but_into_the_heads() -> None:
    whole = detection.fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None)
    weights = published(whole)
    assert "rpn.head.conv.weight" in weights
    model: Any = on_torchvision.faster_rcnn(SIGNATURE, 64, weights)
    own, given = model.detector.state_dict(), whole.state_dict()
    others = [name for name in own if not name.startswith("roi_heads.box_predictor.")]
    assert all(torch.equal(own[name], given[name]) for name in others)
    assert own["roi_heads.box_predictor.cls_score.weight"].shape == (5, 1024)


def test_batch_norm_of_a_backbone_with_weights_is_frozen_and_one_without_is_trained() -> None:
    """As in torchvision, whose pretrained Faster R-CNN has FrozenBatchNorm2d."""
    weights = published(detection.fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None))
    for given, frozen in ((weights, True), (None, False)):
        model: Any = on_torchvision.faster_rcnn(SIGNATURE, 64, given)
        norms = [item for item in model.detector.backbone.modules() if isinstance(item, nn.BatchNorm2d)]
        before = norms[0].running_mean.clone()
        model.train()
        model.loss(torch.rand(2, 3, 64, 96), TARGETS).backward()
        assert torch.equal(norms[0].running_mean, before) is frozen
        assert [norm.weight.grad is None for norm in norms] == [frozen] * len(norms)
        with torch.no_grad():
            model(torch.rand(1, 3, 64, 96))
        assert model.training
        assert [norm.training for norm in norms] == [not frozen] * len(norms)
        assert model.state_dict().keys() == on_torchvision.faster_rcnn(SIGNATURE, 64).state_dict().keys()


def test_weights_that_do_not_fit_are_refused() -> None:
    whole = detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)
    weights = whole.state_dict()
    first = next(iter(weights))
    assert isinstance(on_torchvision.ssdlite(SIGNATURE, 64, weights), nn.Module)
    for wrong, message in (
        ({name: tensor for name, tensor in weights.items() if name != first}, f"{first} is missing"),
        ({**weights, "other.weight": torch.zeros(1)}, "other.weight is not in the model"),
        ({**weights, first: torch.zeros(3)}, "size mismatch"),
    ):
        with pytest.raises(WeightsError, match=message):
            on_torchvision.ssdlite(SIGNATURE, 64, wrong)
