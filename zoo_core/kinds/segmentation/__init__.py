"""Kind `segmentation`, version 1: a class for every pixel of an image.

Columns: x uint8 (n, channels, height, width), raw; y uint8 (n, height, width), classes from 0. If the signature has
`extra["ignore_index"]`, pixels of that class count neither in the loss nor in any score.
Model: forward takes float (batch, channels, height, width), normalised as in `image-classification`. Height and width
are multiples of 32: images of other sizes are padded by reflection on all sides, and the predictions are cut back. The
model returns logits (batch, classes, height, width) and computes no loss; two classes are two logits. It trains on
squares of `crop_size` and predicts whole images, so it must not depend on their size.
Loss: cross-entropy, plus `dice_weight` times 1 - soft Dice (Milletari et al. 2016, arXiv:1606.04797). Both weight the
classes by `class_balance` (1: median frequency balancing, Eigen and Fergus 2015, arXiv:1411.4734).
Metrics: `mean_iou`, over the classes that occur in the targets or predictions of the whole split, `mean_dice` and
`pixel_accuracy`. With two classes also `dice` and `iou` of the class `extra["positive"]`, by default the second. All
count the pixels of the whole split; `per_example` has the task's metric per image, with mean IoU in place of mean Dice.
One unit is one image.
"""

from __future__ import annotations

from zoo_core.kinds.kind import Kind
from zoo_core.kinds.names import import_on_use
from zoo_core.kinds.recipes import AUGMENTATION, NORMALIZE, SUPERVISED
from zoo_core.specs import Param

KIND = Kind(
    name="segmentation",
    summary="a class for every pixel: (batch, channels, height, width) -> (batch, classes, height, width) logits, "
    "cross-entropy",
    interface=__doc__ or "",  # the text above: `zoo show` and the reference print it
    recipe={
        **SUPERVISED,
        "batch_size": Param(default=4, help="examples per step", minimum=1),
        "normalize": NORMALIZE,
        "crop_size": Param(
            default=0, help="train on random squares with this many pixels a side; 0: on whole images", minimum=0
        ),
        "dice_weight": Param(
            default=0.0, help="weight of 1 - soft Dice, which is added to the cross-entropy", minimum=0.0
        ),
        "class_balance": Param(
            default=0.0,
            help="weight each class by (median pixel share / its pixel share) to this power; 0: equal weights",
            minimum=0.0,
        ),
        "flip": AUGMENTATION["flip"],
        "turn": Param(default=False, help="draw one of the eight views: mirrored, upside down, quarter turns"),
        "contrast": AUGMENTATION["contrast"],
        "brightness": AUGMENTATION["brightness"],
    },
    task_entry="zoo_core.kinds.segmentation.objective:segmentation_task",
    takes_images=True,
    metric="mean_iou",
    higher_is_better=True,
    example_shape=(3, 32, 32),
    max_overfit_loss_share=0.5,  # a few steps do not learn all of the thousands of pixels
    draw_entry="zoo_core.kinds.segmentation.examples:draw",
    smallest_model_entry="zoo_core.kinds.segmentation.examples:pixel_model",
    output_shape_entry="zoo_core.kinds.segmentation.examples:output_shape",
    perfect_and_wrong_entry="zoo_core.kinds.examples:perfect_and_wrong_logits",
    templates="zoo_core.kinds.segmentation",
)

__getattr__ = import_on_use(
    __name__,
    "objective",
    ("segmentation_task", "SegmentationObjective"),
    renamed={"Segmentation": "segmentation_task", "SegmentationTreaty": "SegmentationObjective"},
)
