"""Kind `image-classification`, version 1: a class from an image.

Columns: x uint8 (n, channels, height, width), raw; y integer (n,), classes from 0. Optional: `group`, integer (n,), for
examples that belong together, such as the frames of a track.
Model: forward takes float (batch, channels, height, width). The kind divides x by 255, resizes it if the recipe or the
model's spec asks for another size (bilinear, with antialiasing), and normalises it by the mean and std of the train
split's channels, or by the model's own; `normalize=false` in the recipe turns the last step off. The model returns
logits (batch, classes) and computes no loss.
Loss: cross-entropy with the recipe's label smoothing; with mixup or cutmix, the mean over both labels by their shares.
Metric: `accuracy`; also macro precision, recall and F1, a table per class and the confusion matrix. With groups also
`group_accuracy`: the share of groups whose mean log-probability is highest for the true class.
One unit is one image. Images are augmented and prepared on the device, in channels-last layout for convolution nets.
"""

from __future__ import annotations

from zoo_core.kinds.kind import Kind
from zoo_core.kinds.names import import_on_use
from zoo_core.kinds.recipes import AUGMENTATION, NORMALIZE, SUPERVISED
from zoo_core.specs import Param

KIND = Kind(
    name="image-classification",
    summary="a class from an image: (batch, channels, height, width) -> (batch, classes) logits, cross-entropy",
    interface=__doc__ or "",  # the text above: `zoo show` and the reference print it
    recipe={
        **SUPERVISED,
        "label_smoothing": Param(default=0.0, help="label smoothing of the cross-entropy", minimum=0.0),
        "normalize": NORMALIZE,
        "image_size": Param(
            default=0,
            help="resize images to this height and width; 0: the data's size, or the model's only one",
            minimum=0,
        ),
        **AUGMENTATION,
    },
    task_entry="zoo_core.kinds.image_classification.objective:image_classification_task",
    takes_images=True,
    resizes_images=True,
    metric="accuracy",
    higher_is_better=True,
    example_shape=(3, 32, 32),
    draw_entry="zoo_core.kinds.image_classification.examples:draw",
    smallest_model_entry="zoo_core.kinds.examples:linear_model",
    output_shape_entry="zoo_core.kinds.examples:one_output_each",
    perfect_and_wrong_entry="zoo_core.kinds.examples:perfect_and_wrong_logits",
    templates="zoo_core.kinds.image_classification",
)

__getattr__ = import_on_use(
    __name__,
    "objective",
    ("image_classification_task", "ImageObjective"),
    renamed={"ImageClassification": "image_classification_task", "ImageTreaty": "ImageObjective"},
)
