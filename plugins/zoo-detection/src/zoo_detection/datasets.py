"""The data sets of zoo-detection. Imports no torch."""

from __future__ import annotations

from zoo_core import DatasetSpec, Signature

ROAD_SIGNS = ("crosswalk", "speedlimit", "stop", "trafficlight")
PETS = ("cat", "dog")
CANVAS, DRAWN = (320, 320), (128, 128)  # height and width in pixels
VOC_LAYOUT = (
    "images/ and annotations/ with a picture and a Pascal VOC XML file of the same name, or JPEGImages/, Annotations/ "
    "and ImageSets/Main/train.txt, val.txt, test.txt (without test.txt, val is the test split)"
)


def _signature(size: tuple[int, int], classes: tuple[str, ...] = ()) -> Signature:
    return Signature(input_shape=(3, *size), outputs=len(classes) or None, classes=classes)


SIGNS, DRAWN_SIGNS = _signature(CANVAS, ROAD_SIGNS), _signature(DRAWN, ROAD_SIGNS)
HEADS, DRAWN_HEADS = _signature(CANVAS, PETS), _signature(DRAWN, PETS)

DATASETS: list[DatasetSpec] = [
    DatasetSpec(
        name="road-sign-detection",
        title="Road signs: photos of streets, boxes of four classes",
        origin="real",
        licence="CC0-1.0",
        homepage="https://www.kaggle.com/datasets/andrewmvd/road-sign-detection",
        size_mib=218.0,
        layout=VOC_LAYOUT,
        signature=SIGNS,
        entry="zoo_detection.data:RoadSigns",
    ),
    DatasetSpec(
        name="drawn-roads",
        title="Drawn roads: four kinds of signs among look-alikes, under any light",
        origin="synthetic",
        licence="CC0-1.0",
        signature=DRAWN_SIGNS,
        entry="zoo_detection.drawn:DrawnRoads",
    ),
    DatasetSpec(
        name="dog-and-cat-detection",
        title="Cats and dogs: photos, boxes of the heads",
        origin="real",
        licence="as its Kaggle page states",
        homepage="https://www.kaggle.com/datasets/andrewmvd/dog-and-cat-detection",
        layout=VOC_LAYOUT,
        signature=HEADS,
        entry="zoo_detection.data:CatsAndDogs",
    ),
    DatasetSpec(
        name="drawn-animals",
        title="Drawn cats and dogs: boxes of the heads, among rabbits, bears and balls",
        origin="synthetic",
        licence="CC0-1.0",
        signature=DRAWN_HEADS,
        entry="zoo_detection.drawn:DrawnAnimals",
    ),
    DatasetSpec(
        name="coco-boxes",
        title="A local folder of pictures with boxes in COCO's JSON",
        origin="real",
        licence="that of the files",
        layout="annotations.json, or annotations/instances_train*.json and instances_val*.json, and the pictures that "
        "these name",
        signature=_signature(CANVAS),
        entry="zoo_detection.data:CocoBoxes",
    ),
]
