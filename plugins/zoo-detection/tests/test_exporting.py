"""Detectors in exported files find what they find in an evaluation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from zoo_detection.detections import suppress
from zoo_detection.exporting import for_one_picture, suppress_by_mask
from zoo_detection.models.one_shot import one_shot

from zoo_core import IncompatibleError, Signature


def boxes_and_scores(count: int, classes: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    corners = 60 * torch.rand(count, 2, generator=generator)
    sizes = 4 + 30 * torch.rand(count, 2, generator=generator)
    return torch.cat([corners, corners + sizes], 1), torch.rand(count, classes, generator=generator)


@pytest.mark.parametrize(("count", "classes"), [(3, 2), (40, 1), (300, 3), (900, 4)])
def test_suppression_without_changing_sizes_finds_the_same_boxes(count: int, classes: int) -> None:
    for seed in range(5):
        boxes, scores = boxes_and_scores(count, classes, seed)
        for limits in ({"max_overlap": 0.5, "min_score": 0.2}, {"max_overlap": 0.1, "min_score": 0.9}):
            expected = suppress(boxes, scores, **limits)
            torch.testing.assert_close(suppress_by_mask(boxes, scores, **limits), expected)


def test_a_picture_without_a_likely_box_gives_only_padding() -> None:
    boxes, scores = boxes_and_scores(20, 2, 0)
    assert not suppress_by_mask(boxes, 0.1 * scores, max_overlap=0.5, min_score=0.2).any()


def test_the_module_of_a_file_takes_levels_and_finds_what_the_detector_finds() -> None:
    torch.manual_seed(0)
    model = one_shot(Signature(input_shape=(3, 64, 64), outputs=2), width=8).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        nn.init.zeros_(model.head.last.bias)  # type: ignore[union-attr, arg-type]  # every class has probability 0.5
        picture = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
        expected = model(picture.float() / 255)
        assert (expected[..., 4] > 0).any()
        torch.testing.assert_close(for_one_picture(model)(picture), expected)


def test_a_detector_that_loops_in_python_is_refused_with_the_reason() -> None:
    with pytest.raises(IncompatibleError, match="it goes through pictures and boxes in Python"):
        for_one_picture(nn.Identity())
