"""The data set: dog breeds, from folders of pictures, one folder for each breed."""

from __future__ import annotations

from pathlib import Path

from zoo_core import Context, DataUnavailableError, Signature, UnknownSplitError
from zoo_core.data.columns import Array
from zoo_core.data.images import find_split, folders, image_folder, read_images

SIZE = (224, 224)
SPLITS = {"train": ("train",), "val": ("valid", "val"), "test": ("test",)}
NEEDS = "it must hold train/<breed>/*.jpg, test/<breed>/*.jpg and, if it has one, valid/<breed>/*.jpg"


class DogBreeds:
    """Pictures of dogs: x uint8 (n, 3, 224, 224), RGB; y int64 (n,), the index of the breed.

    Breeds are the folders of `train`, by name, as many as there are; pictures come in the order of their names. Grey
    pictures are converted, those of another size resized. `val` is the folder `valid` (or `val`), where there is one.
    Raises:
        DataUnavailableError: `train` or `test` is not here, or a breed has no pictures.
        DamagedDataError: a picture cannot be read, or `valid` or `test` has other breeds than `train`.
        UnknownSplitError: there is no `valid`.
    """

    def __init__(self, ctx: Context) -> None:
        root = ctx.folder()
        try:
            self._home = find_split(root, "train").parent
        except DataUnavailableError as error:
            raise DataUnavailableError(f"{error}; {NEEDS}") from error
        classes = image_folder(self._folder("train")).classes
        self.signature = Signature(input_shape=(3, *SIZE), outputs=len(classes), classes=classes)

    def load(self, split: str) -> dict[str, Array]:
        if split not in SPLITS:
            raise UnknownSplitError(f"dog breeds have no split {split!r}")
        files = image_folder(self._folder(split), self.signature.classes)
        return {"x": read_images(files.paths, SIZE), "y": files.labels}

    def _folder(self, split: str) -> Path:
        """Beside `train`, never below it, where a breed may be called like a split."""
        for inside in folders(self._home):
            if inside.name.lower() in SPLITS[split]:
                return inside
        if split == "val":
            raise UnknownSplitError(f"{self._home} holds no folder 'valid'")
        raise DataUnavailableError(f"{self._home} holds no folder {split!r}; {NEEDS}")
