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

DATASETS: list[DatasetSpec] = [
    DatasetSpec(
        name="road-sign-detection",
        title="Road signs: photos of streets, boxes of four classes",
        origin="real",
        licence="CC0-1.0",
        homepage="https://www.kaggle.com/datasets/andrewmvd/road-sign-detection",
        size_mib=218.0,
        layout=VOC_LAYOUT,
        signature=Signature(input_shape=(3, *CANVAS), outputs=len(ROAD_SIGNS), classes=ROAD_SIGNS),
        entry="zoo_detection.data:RoadSigns",
    ),
    DatasetSpec(
        name="drawn-roads",
        title="Drawn roads: four kinds of signs among look-alikes, under any light",
        origin="synthetic",
        licence="CC0-1.0",
        signature=Signature(input_shape=(3, *DRAWN), outputs=len(ROAD_SIGNS), classes=ROAD_SIGNS),
        entry="zoo_detection.drawn:DrawnRoads",
    ),
    DatasetSpec(
        name="dog-and-cat-detection",
        title="Cats and dogs: photos, boxes of the heads",
        origin="real",
        licence="as its Kaggle page states",
        homepage="https://www.kaggle.com/datasets/andrewmvd/dog-and-cat-detection",
        layout=VOC_LAYOUT,
        signature=Signature(input_shape=(3, *CANVAS), outputs=len(PETS), classes=PETS),
        entry="zoo_detection.data:CatsAndDogs",
    ),
    DatasetSpec(
        name="drawn-animals",
        title="Drawn cats and dogs: boxes of the heads, among rabbits, bears and balls",
        origin="synthetic",
        licence="CC0-1.0",
        signature=Signature(input_shape=(3, *DRAWN), outputs=len(PETS), classes=PETS),
        entry="zoo_detection.drawn:DrawnAnimals",
    ),
    DatasetSpec(
        name="coco-boxes",
        title="A local folder of pictures with boxes in COCO's JSON",
        origin="real",
        licence="that of the files",
        layout="annotations.json, or annotations/instances_train*.json and instances_val*.json, and the pictures that "
        "these name",
        signature=Signature(input_shape=(3, *CANVAS)),
        entry="zoo_detection.data:CocoBoxes",
    ),
]
