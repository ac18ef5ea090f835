"""MNIST's four official files: where they are downloaded, and how they are read. Several plugins have tasks on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.errors import DamagedDataError, UnknownSplitError
from zoo_core.specs import Download

if TYPE_CHECKING:
    from zoo_core.columns import Array
    from zoo_core.protocols import Context

SOURCES = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
CHECKSUMS = {  # sha256
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
DOWNLOADS = tuple(
    Download(name=name, urls=tuple(source + name for source in SOURCES), sha256=digest)
    for name, digest in CHECKSUMS.items()
)
LAYOUT = "the four official files, " + ", ".join(CHECKSUMS) + ", packed or unpacked, at any depth"
DIGITS = tuple("0123456789")
SIZE = 28
PREFIXES = {"train": "train", "test": "t10k"}


def read_mnist(ctx: Context, split: str) -> dict[str, Array]:
    """Read a split: x uint8 (n, 1, 28, 28), white digits on black, and y int64 (n,); 60,000 in train, 10,000 in test.

    The files are packed (`.gz`) or not, in one folder at any depth below the data root.
    Raises:
        DataUnavailableError: a file is missing and cannot be downloaded, or may not be read.
        DamagedDataError: a file is cut or not an IDX file, or there is not one label 0 to 9 for each 28x28 image;
        all labels are the same; the files lie in several folders.
        UnknownSplitError: the split is neither `train` nor `test`.
    """
    from zoo_core.data.idx import find_idx, read_idx  # here: a listing reads this module, and imports no NumPy
    from zoo_core.data.labels import require_two_classes

    if split not in PREFIXES:
        raise UnknownSplitError(f"MNIST has no split {split!r}")
    files = tuple(CHECKSUMS)
    images_file = find_idx(ctx, f"{PREFIXES[split]}-images-idx3-ubyte.gz", files)
    labels_file = find_idx(ctx, f"{PREFIXES[split]}-labels-idx1-ubyte.gz", files)
    images, labels = read_idx(images_file), read_idx(labels_file)
    if images.ndim != 3 or images.shape[1:] != (SIZE, SIZE) or not len(images):
        raise DamagedDataError(f"{images_file} holds {images.shape}, not images of 28x28: fetch it again")
    if labels.shape != images.shape[:1]:
        raise DamagedDataError(f"{labels_file} holds {labels.shape} labels for {len(images)} images of {images_file}")
    if labels.max() > 9:
        raise DamagedDataError(f"{labels_file} holds the label {labels.max()}, which is not a digit: fetch it again")
    require_two_classes(labels, labels_file)
    return {"x": images[:, None], "y": labels.astype("int64")}
