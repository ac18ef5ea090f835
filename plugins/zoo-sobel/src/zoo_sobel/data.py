"""The data sets: grey photos and their horizontal Sobel responses, cut into patches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from zoo_core import Context, DataUnavailableError, Signature, UnknownSplitError
from zoo_core.data.columns import Array
from zoo_core.data.images import SPLIT_NAMES, find_splits, is_picture, read_image
from zoo_core.data.names import natural_key
from zoo_core.data.walk import folders, inner_root, walk

PATCH = 64  # pixels a side of a response; its image has one more on every side
MAX_SIDE = 1024  # pixels; larger photos are reduced, because a phone's would be thousands of patches
MAX_PHOTOS = 400  # they take 1 GB
TEST_DIVISOR = 5  # without folders of splits, the last fifth of the photos is test
PHOTOS = "it must hold two photos or more, or folders train and test with photos"
SIGNATURE = Signature(input_shape=(1, PATCH + 2, PATCH + 2))


class SamplePhotos:
    """scikit-learn's two photos of 640x427: `china.jpg` is train, `flower.jpg` is test. Columns: see `to_columns`.

    There is no val split.
    """

    signature = SIGNATURE

    def __init__(self, ctx: Context) -> None:
        pass

    def load(self, split: str) -> dict[str, Array]:
        from sklearn.datasets import load_sample_image

        if split not in ("train", "test"):
            raise UnknownSplitError(f"scikit-learn's photos have no split {split!r}, only train and test")
        photo = load_sample_image("china.jpg" if split == "train" else "flower.jpg")
        return to_columns([np.asarray(Image.fromarray(photo).convert("L"))])


class PhotoFolder:
    """A local folder of photos of any size, at any depth, in colour or grey. Columns: see `to_columns`.

    Photos are turned upright as their EXIF tag says and converted to grey; transparency is dropped. Photos with a side
    of more than 1,024 pixels are reduced to that. Photos smaller than a patch are left out, and so are those beyond
    400, evenly spread. Folders `train` and `test`, and `val` if there is one, are the splits. Without them the last
    fifth of the photos by path is test, and at least one; numbers in names sort by value.
    Raises:
        DataUnavailableError: there are fewer than two photos, or a split has none that is large enough.
        DamagedDataError: a photo cannot be read, or has more than 8 bits per channel.
    """

    signature = SIGNATURE

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._root = ctx.folder()
        self._splits = split_photos(self._root)

    def load(self, split: str) -> dict[str, Array]:
        if split not in self._splits:
            raise UnknownSplitError(f"the folder has no split {split!r}, only {', '.join(self._splits)}")
        photos = []
        for path in self._few(self._splits[split]):
            photo = read_photo(path)
            if min(photo.shape) < PATCH:
                self._ctx.leave_out(path, f"smaller than {PATCH}x{PATCH} pixels")
            else:
                photos.append(photo)
        if not photos:
            raise DataUnavailableError(
                f"{self._root} holds no photo for {split} with {PATCH} pixels a side or more; {PHOTOS}"
            )
        return to_columns(photos)

    def _few(self, paths: Sequence[Path]) -> list[Path]:
        """Return at most `MAX_PHOTOS` of the paths, evenly spread, and report the others as left out."""
        chosen = {int(row) for row in np.linspace(0, len(paths) - 1, min(len(paths), MAX_PHOTOS))}
        for row, path in enumerate(paths):
            if row not in chosen:
                self._ctx.leave_out(path, f"beyond {MAX_PHOTOS} photos in a split")
        return [paths[row] for row in sorted(chosen)]


def split_photos(root: Path) -> dict[str, list[Path]]:
    """Return the photos of each split. Raises DataUnavailableError if there are too few of them."""
    top = inner_root(root, SPLIT_NAMES)
    if any(folder.name.lower() in SPLIT_NAMES for folder in folders(top)):
        return {split: _photos_below(folder) for split, folder in find_splits(top, PHOTOS).items()}
    photos = _photos_below(top)
    if len(photos) < 2:
        raise DataUnavailableError(f"{root} holds {len(photos)} photos: one is needed for train and one for test")
    count = max(1, len(photos) // TEST_DIVISOR)
    return {"train": photos[:-count], "test": photos[-count:]}


def _photos_below(folder: Path) -> list[Path]:
    names = sorted(walk(folder).files, key=natural_key)
    return [folder / name for name in names if is_picture(Path(name))]


def read_photo(path: Path) -> Array:
    """Read a photo as grey levels, uint8 (height, width), reduced to `MAX_SIDE`. Raises DamagedDataError, DataError."""
    photo: Array = read_image(path, channels=1)[0]
    scale = MAX_SIDE / max(photo.shape)
    if scale >= 1:
        return photo
    height, width = (max(1, round(size * scale)) for size in photo.shape)
    return np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.BILINEAR))  # antialiased


def sobel_response(photo: Array) -> Array:
    """Compute the horizontal Sobel response of grey levels (height, width): int16 (height, width), from -1020 to 1020.

    scipy's default border `reflect` continues a photo by its mirror image, d c b a | a b c d | d c b a.
    """
    response: Array = ndimage.sobel(photo.astype(np.int16), axis=1, mode="reflect")  # in uint8 it would overflow
    return response


def patch_places(size: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return top and left of the patches that cover a photo (height, width); neighbours overlap a little if they must.

    >>> patch_places((64, 150))
    [(0, 0), (0, 43), (0, 86)]
    """
    tops, lefts = (np.linspace(0, side - PATCH, -(-side // PATCH)).astype(int).tolist() for side in size)
    return [(top, left) for top in tops for left in lefts]


def to_columns(photos: Sequence[Array]) -> dict[str, Array]:
    """Cut photos, uint8 (height, width), into patches.

    Columns: x uint8 (n, 1, 66, 66), grey levels; y int16 (n, 1, 64, 64), the Sobel response without the patch's border;
    place int64 (n, 2), top and left in the photo. With several photos also group int64 (n,), the number of the photo.
    x has one pixel more on every side, from the photo or, at its border, from its reflection: so y is the response of
    the whole photo, and a filter of 3x3 pixels needs no padding.
    """
    x, y, places, groups = [], [], [], []
    for number, photo in enumerate(photos):
        bordered, response = np.pad(photo, 1, mode="symmetric"), sobel_response(photo)
        for top, left in patch_places(photo.shape):
            x.append(bordered[top : top + PATCH + 2, left : left + PATCH + 2])
            y.append(response[top : top + PATCH, left : left + PATCH])
            places.append((top, left))
            groups.append(number)
    columns = {"x": np.stack(x)[:, None], "y": np.stack(y)[:, None], "place": np.asarray(places, np.int64)}
    # One group cannot be divided, and val is held out of train by groups.
    return columns if len(photos) == 1 else {**columns, "group": np.asarray(groups, np.int64)}
