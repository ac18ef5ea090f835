"""Kind `image-classification`, version 1: a class from an image.

Data: column x, uint8 (n, channels, height, width), raw; column y, integer (n,), classes from 0. An optional column
`group`, integer (n,), numbers examples that belong together, such as the frames of a track. One unit is one image.
With `train_per_class` in the recipe, train has at most that many examples of each class, chosen by the trial's seed.
Inputs: made on the device, in channels-last layout for convolution nets, in this order. In training, images are
augmented as the recipe asks; mixup and cutmix add to a batch the labels `y_mixed` of the other images, and `share`, the
weight of `y`. Images are resized if the recipe or the model's spec asks for another size (bilinear, with antialiasing).
They are divided by 255 and normalised by the mean and std of the train split's channels, or by the model's own; with
`normalize=false` in the recipe they are only divided.
Model: forward takes float (batch, channels, height, width) and returns logits (batch, classes), of a
floating-point type.
Loss: the recipe's `loss`, by default cross-entropy, with label smoothing; or the model's own `loss(output, target)`,
where target is int64 (batch,). With mixup or cutmix: `share` times the loss for `y`, plus 1 - `share` times the loss
for `y_mixed`.
Scores: the metric `accuracy`; macro precision, recall and F1; a table per class, and the confusion matrix. With groups
also `group_accuracy`: the share of groups whose mean log-probability is highest for the true class.
"""

from __future__ import annotations

from zoo_core.kinds.kind import Kind
from zoo_core.kinds.names import import_on_use
from zoo_core.kinds.recipes import AUGMENTATION, CLASS_LOSS, NORMALIZE, SUPERVISED
from zoo_core.specs import Param

KIND = Kind(
    name="image-classification",
    summary="a class from an image: (batch, channels, height, width) -> (batch, classes) logits, cross-entropy",
    interface=__doc__ or "",  # docs/reference/kinds.md prints the text above
    recipe={
        **SUPERVISED,
        "loss": CLASS_LOSS,
        "label_smoothing": Param(default=0.0, help="label smoothing of the loss", minimum=0.0),
        "train_per_class": Param(
            default=0,
            unset=0,
            help="train on this many examples of each class, chosen by the seed; 0: on all. Val, test, and the mean "
            "and std of `normalize` stay as they are",
            minimum=0,
        ),
        "normalize": NORMALIZE,
        "image_size": Param(
            default=0,
            help="resize images to this height and width; 0: the data's size, or the model's only one",
            minimum=0,
        ),
        **AUGMENTATION,
    },
    task_entry="zoo_core.kinds.image_classification.objective:image_classification_task",
    output_shape_entry="zoo_core.kinds.examples:one_output_each",
    scored_apart=True,
    takes_images=True,
    resizes_images=True,
    metric="accuracy",
    higher_is_better=True,
    example_shape=(3, 32, 32),
    draw_entry="zoo_core.kinds.image_classification.examples:draw",
    smallest_model_entry="zoo_core.kinds.examples:linear_model",
    perfect_and_wrong_entry="zoo_core.kinds.examples:perfect_and_wrong_logits",
    templates="zoo_core.kinds.image_classification",
)

__getattr__ = import_on_use(
    __name__,
    "objective",
    ("image_classification_task", "ImageObjective"),
    renamed={"ImageClassification": "image_classification_task", "ImageTreaty": "ImageObjective"},
)
