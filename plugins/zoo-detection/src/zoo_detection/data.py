"""The data sets of files: Pascal VOC folders (road signs, cats and dogs), and any folder with COCO's JSON."""

from __future__ import annotations

from zoo_core import Context, Signature
from zoo_core.data.columns import Column
from zoo_detection.annotated import Splits
from zoo_detection.coco import find_coco
from zoo_detection.datasets import CANVAS, HEADS, SIGNS
from zoo_detection.voc import find_voc


class RoadSigns:
    """Road signs in a Pascal VOC folder, scaled to 320x320: the columns of `zoo_detection.canvas.to_columns`.

    Lists in ImageSets/Main give the splits; without a list of test, val is test. Without lists, every fifth picture is
    test. Pictures that cannot be used are left out, see `zoo_detection.annotated.fit_objects`.
    Raises:
        DataUnavailableError: the folders are missing, or no picture of a split can be used.
        DamagedDataError: a picture or an annotation cannot be read, or has a class that is none of the four; a picture
        is in two splits.
    """

    signature = SIGNS

    def __init__(self, ctx: Context) -> None:
        self._splits = Splits(find_voc(ctx.folder(), self.signature.classes, ctx.leave_out), CANVAS, ctx.leave_out)

    def load(self, split: str) -> dict[str, Column]:
        return self._splits.load(split)


class CatsAndDogs(RoadSigns):
    """Heads of cats and dogs, as `RoadSigns` reads signs."""

    signature = HEADS


class CocoBoxes:
    """A local folder of pictures with boxes in COCO's JSON, scaled to 320x320: the columns of `to_columns`.

    Files are found by name: instances_train*.json and instances_val*.json (with a third one for test, val stays val),
    `_annotations.coco.json` in train/, valid/ and test/, or annotations.json alone, of which every fifth picture is
    test. Categories are the classes, in the order of their ids.
    Raises:
        DataUnavailableError: there is no such file, or no picture of a split can be used.
        DamagedDataError: a picture or a file cannot be read, or a file contradicts itself.
    """

    def __init__(self, ctx: Context) -> None:
        classes, splits = find_coco(ctx.folder(), ctx.leave_out)
        self._splits = Splits(splits, CANVAS, ctx.leave_out)
        self.signature = Signature(input_shape=(3, *CANVAS), outputs=len(classes), classes=classes)

    def load(self, split: str) -> dict[str, Column]:
        return self._splits.load(split)
