"""The data sets of zoo-metric-learning. Imports no torch."""

from __future__ import annotations

from zoo_core import DatasetSpec, Download, Signature

EMBEDDING = 64  # numbers in an embedding, suggested to models by the signature of opened data
QUARTERS = 4  # of a turn; each makes a letter another one
GLYPH, PICTURE = Signature(input_shape=(1, 35, 35)), Signature(input_shape=(3, 64, 64))
OMNIGLOT = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/"

DATASETS = (
    DatasetSpec(
        name="omniglot",
        title="Omniglot: characters of 50 alphabets, each drawn by twenty people",
        origin="real",
        licence="MIT",
        homepage="https://github.com/brendenlake/omniglot",
        size_mib=15.2,
        layout="images_background/<alphabet>/<character>/*.png and, if it has one, images_evaluation like it, unpacked",
        signature=GLYPH,
        downloads=(
            Download(
                name="images_background.zip",
                urls=(f"{OMNIGLOT}images_background.zip",),
                md5="68d2efa1b9178cc56df9314c21c6e718",
            ),
            Download(
                name="images_evaluation.zip",
                urls=(f"{OMNIGLOT}images_evaluation.zip",),
                md5="6b91aef0f799c5bb55b94e3f2daec811",
            ),
        ),
        entry="zoo_metric_learning.data:Omniglot",
    ),
    DatasetSpec(
        name="drawn-glyphs",
        title="Drawn glyphs: characters of invented alphabets, each in many hands",
        origin="synthetic",
        licence="CC0-1.0",
        signature=GLYPH,
        entry="zoo_metric_learning.drawn:DrawnGlyphs",
    ),
    DatasetSpec(
        name="class-folders",
        title="A local folder with a folder of pictures for each class, such as faces",
        origin="real",
        licence="that of the pictures",
        layout="<class>/*.jpg, or train/<class>/*.jpg and test/<class>/*.jpg with no class in both",
        signature=PICTURE,
        entry="zoo_metric_learning.data:ClassFolders",
    ),
)
