"""Kind `segmentation`, version 1: a class for every pixel of an image.

Data: column x, uint8 (n, channels, height, width), raw; column y, uint8 (n, height, width), classes from 0. If the
signature has `extra["ignore_index"]`, pixels of that class count neither in the loss nor in any score. An optional
column `group`, integer (n,), numbers images that belong together, such as the frames of a drive. One unit is one image.
Inputs: normalised as in `image-classification`. Training uses random squares of `crop_size`; evaluation uses whole
images. Height and width become multiples of 32: images of other sizes are padded by reflection on all sides, and the
predictions are cut back.
Model: forward takes float (batch, channels, height, width) and returns logits (batch, classes, height, width), of a
floating-point type and with the height and width of its input. Two classes are two logits. It must not depend on the
size of the images.
Loss: the recipe's `loss`, by default cross-entropy, plus `dice_weight` times 1 - soft Dice (Milletari et al. 2016,
arXiv:1606.04797). Both weight the classes by `class_balance` (1: median frequency balancing, Eigen and Fergus 2015,
arXiv:1411.4734). The model's own `loss(output, target)` replaces all of this: output has the size of the image, target
is int64 (batch, height, width), and ignored pixels are -100, as torch's losses expect.
Scores, from the pixels of the whole split: `mean_iou`, over the classes that occur in the targets or predictions,
`mean_dice` and `pixel_accuracy`. With two classes also `dice` and `iou` of the class `extra["positive"]`, by default
the second. `per_example` has a value for each image: the score plus the image's influence on it, because the score is
not a mean over images (`zoo_core.metrics.ratio_by_example`).
`boundary_f1` (Csurka et al. 2013, doi:10.5244/C.27.32) is the F1 of boundary pixels: one matches if the other map has
one of the same class nearer than 0.75 % of the image's diagonal. It is the mean over the images of the mean over the
classes with a boundary in the image's targets, as in Badrinarayanan et al. 2017, arXiv:1511.00561.
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
    interface=__doc__ or "",  # docs/reference/kinds.md prints the text above
    recipe={
        **SUPERVISED,
        "batch_size": Param(default=4, help="examples per step", minimum=1),
        "normalize": NORMALIZE,
        "crop_size": Param(
            default=0, help="train on random squares with this many pixels a side; 0: on whole images", minimum=0
        ),
        "loss": Param(
            default="cross-entropy",
            unset="cross-entropy",
            choices=("cross-entropy", "focal", "dice"),
            help="focal: with focus 2; dice: 1 - soft Dice alone",
        ),
        "dice_weight": Param(default=0.0, help="weight of 1 - soft Dice, which is added to the loss", minimum=0.0),
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
    output_shape_entry="zoo_core.kinds.segmentation.examples:output_shape",
    takes_images=True,
    metric="mean_iou",
    higher_is_better=True,
    example_shape=(3, 32, 32),
    max_overfit_loss_share=0.5,  # a few steps do not learn all of the thousands of pixels
    draw_entry="zoo_core.kinds.segmentation.examples:draw",
    smallest_model_entry="zoo_core.kinds.segmentation.examples:pixel_model",
    perfect_and_wrong_entry="zoo_core.kinds.segmentation.examples:perfect_and_wrong",
    templates="zoo_core.kinds.segmentation",
)

__getattr__ = import_on_use(
    __name__,
    "objective",
    ("segmentation_task", "SegmentationObjective"),
    renamed={"Segmentation": "segmentation_task", "SegmentationTreaty": "SegmentationObjective"},
)
