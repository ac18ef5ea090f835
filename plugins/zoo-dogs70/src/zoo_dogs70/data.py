"""The data set: dog breeds, from folders of pictures, one folder for each breed."""

from __future__ import annotations

from zoo_core import Context, Signature, UnknownSplitError
from zoo_core.data.columns import Array
from zoo_core.data.images import find_splits, image_folder, read_images

SIZE = (224, 224)
NEEDS = "it must hold train/<breed>/*.jpg, test/<breed>/*.jpg and, if it has one, valid/<breed>/*.jpg"


class DogBreeds:
    """Pictures of dogs: x uint8 (n, 3, 224, 224), RGB; y int64 (n,), the index of the breed.

    Breeds are the folders of `train`, by name, as many as there are; pictures come in the order of their names. Grey
    pictures are converted, those of another size resized. `val` is the folder `valid`, `val` or `validation`, where
    there is one.
    Raises:
        DataUnavailableError: `train` or `test` is not here, or a breed has no pictures.
        DamagedDataError: a picture cannot be read, or `valid` or `test` has other breeds than `train`.
        UnknownSplitError: there is no `valid`.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx, self._splits = ctx, find_splits(ctx.folder(), NEEDS)
        classes = image_folder(self._splits["train"]).classes
        self.signature = Signature(input_shape=(3, *SIZE), outputs=len(classes), classes=classes)

    def load(self, split: str) -> dict[str, Array]:
        if split not in self._splits:
            raise UnknownSplitError(f"dog breeds have no split {split!r}, only {', '.join(self._splits)}")
        files = image_folder(self._splits[split], self.signature.classes, leave_out=self._ctx.leave_out)
        return {"x": read_images(files.paths, SIZE), "y": files.labels}
