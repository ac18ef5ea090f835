"""Draws three sheets of a network's layer: Grad-CAM, feature maps, and the images that most activate its channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from zoo_core.columns import Array
from zoo_core.errors import UsageError
from zoo_core.inside import FEATURE_MAPS, GRAD_CAM, MOST_ACTIVATING
from zoo_core.inside.layers import Layer
from zoo_core.inside.maps import as_shares, class_of, class_share, feature_maps, grad_cam, on_image
from zoo_core.inside.sheets import pairs, rows_of_maps, spotlights

BATCH = 16  # images at once
EXPLAINED = 12  # images on the sheet of Grad-CAM, unless the person names files
WITH_MAPS, SHOWN_MAPS = 4, 15  # images on the sheet of feature maps, and channels of each: two rows of eight tiles
SCANNED = 2000  # images among which the most activating ones are found
SHOWN_CHANNELS, BEST = 8, 8  # channels on the sheet of the most activating images, and images of each


@dataclass(frozen=True, kw_only=True, slots=True)
class Images:
    """Images to look at, by row.

    count: how many. read: returns rows as uint8 (n, channels, height, width). caption: names the image of a row.
    shows_all: whether a sheet shows all of them, rather than some that are spread over the rows.
    noun: what they are, in the plural.
    """

    count: int
    read: Callable[[Sequence[int]], Array]
    caption: Callable[[int], str]
    shows_all: bool
    noun: str

    def chosen(self, count: int) -> list[int]:
        """Return up to `count` rows: spread over all of them, or the first ones."""
        if self.shows_all or self.count <= count:
            return [*range(min(count, self.count))]
        return [int(row) for row in np.linspace(0, self.count - 1, count)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A network in evaluation mode, its layer, and how to use it.

    make_inputs: from raw images to the argument of forward. classes: names in the order of the outputs; empty if the
    outputs are no scores of classes. resized: see `on_image`.
    """

    model: nn.Module
    layer: Layer
    make_inputs: Callable[[Array], Tensor]
    classes: Sequence[str]
    resized: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """A sheet. name: such as `grad-cam`. shows: what it shows, in words."""

    name: str
    shows: str
    picture: Array


def draw(
    subject: Subject, images: Images, *, of_class: int | None = None, channels: Sequence[int] = ()
) -> Iterator[Drawing]:
    """Yield the sheets, each when it is drawn.

    of_class: the class that Grad-CAM explains, by default the predicted one of each image. channels: those to show, by
    default the ones that differ most between the images. The most activating images are drawn only of a data set.
    Raises UsageError for a channel that the layer does not have.
    """
    wrong = next((channel for channel in channels if not 0 <= channel < subject.layer.shape[0]), None)
    if wrong is not None:
        raise UsageError(
            f"layer {subject.layer.name} has no channel {wrong}: it has {subject.layer.shape[0]}, counted from 0"
        )
    if subject.classes:
        yield _draw_grad_cam(subject, images, of_class)
    yield _draw_maps(subject, images, channels)
    if not images.shows_all:
        yield _draw_most_activating(subject, images, channels)


def _draw_grad_cam(subject: Subject, images: Images, of_class: int | None) -> Drawing:
    rows = images.chosen(images.count if images.shows_all else EXPLAINED)
    shares, below = [], []
    for part in _parts(rows):
        raw = images.read(part)
        x = subject.make_inputs(raw)
        output = subject.model(x).float()
        labels = class_of(output) if of_class is None else torch.full_like(class_of(output), of_class)
        maps = grad_cam(subject.model, subject.layer, x, labels)
        shares.append(_on_image(as_shares(maps)[:, None], x, raw, subject)[:, 0])
        for label, share in zip(labels.tolist(), class_share(output, labels).tolist(), strict=True):
            below.append(f"{subject.classes[label]}\n{share:.0%}")
    what = "the predicted class" if of_class is None else subject.classes[of_class]
    picture = pairs(images.read(rows), np.concatenate(shares), [images.caption(row) for row in rows], below)
    return Drawing(name=GRAD_CAM, shows=f"evidence for {what}, in {len(rows)} {images.noun}", picture=picture)


def _draw_maps(subject: Subject, images: Images, channels: Sequence[int]) -> Drawing:
    rows = images.chosen(WITH_MAPS)
    raw = images.read(rows)
    x = subject.make_inputs(raw)
    maps = feature_maps(subject.model, subject.layer, x)
    shown = [*channels[:SHOWN_MAPS]] or _most_varied(maps.amax((2, 3)), SHOWN_MAPS)
    drawn = _on_image(maps[:, shown], x, raw, subject)
    names = [f"channel {channel}" for channel in shown]
    picture = rows_of_maps(raw, drawn, [images.caption(row) for row in rows], names)
    of = f"{len(shown)} of {maps.shape[1]} channels"
    return Drawing(name=FEATURE_MAPS, shows=f"{of}, in {len(rows)} {images.noun}", picture=picture)


def _draw_most_activating(subject: Subject, images: Images, channels: Sequence[int]) -> Drawing:
    rows = images.chosen(SCANNED)
    found = [feature_maps(subject.model, subject.layer, x).amax((2, 3)).cpu() for x in _inputs(subject, images, rows)]
    peaks = torch.cat(found)  # (images, channels)
    shown = [*channels[:SHOWN_CHANNELS]] or _most_varied(peaks, SHOWN_CHANNELS)
    best = peaks[:, shown].topk(min(BEST, len(rows)), dim=0).indices.T.tolist()  # rows of peaks, by shown channel
    chosen = [rows[number] for numbers in best for number in numbers]
    captions = [
        f"channel {channel}\n{float(peaks[number, channel]):.3g}"
        for channel, numbers in zip(shown, best, strict=True)
        for number in numbers
    ]
    of_tile = [channel for channel, numbers in zip(shown, best, strict=True) for _ in numbers]
    shares = []
    for part in _parts(range(len(chosen))):
        raw = images.read([chosen[number] for number in part])
        x = subject.make_inputs(raw)
        maps = feature_maps(subject.model, subject.layer, x)
        own = maps[torch.arange(len(part)), [of_tile[number] for number in part]][:, None]
        shares.append(_on_image(as_shares(own), x, raw, subject)[:, 0])
    picture = spotlights(images.read(chosen), np.concatenate(shares), captions)
    of = f"{len(shown)} of {peaks.shape[1]} channels"
    return Drawing(
        name=MOST_ACTIVATING,
        shows=f"the {images.noun} that most activate {of}, of {len(rows):,}",
        picture=picture,
    )


def _parts(rows: Sequence[int]) -> Iterator[Sequence[int]]:
    for begin in range(0, len(rows), BATCH):
        yield rows[begin : begin + BATCH]


def _inputs(subject: Subject, images: Images, rows: Sequence[int]) -> Iterator[Tensor]:
    for part in _parts(rows):
        yield subject.make_inputs(images.read(part))


def _on_image(maps: Tensor, x: Tensor, raw: Array, subject: Subject) -> Array:
    """Enlarge maps (n, channels, height, width) to the raw images, as a numpy array."""
    height, width = x.shape[2:]
    enlarged = on_image(maps, (height, width), (raw.shape[2], raw.shape[3]), resized=subject.resized)
    return enlarged.cpu().numpy()


def _most_varied(peaks: Tensor, count: int) -> list[int]:
    """Return the channels whose largest value (images, channels) varies most between the images, in their order."""
    spread = peaks.std(0, correction=0)
    return sorted(spread.topk(min(count, len(spread))).indices.tolist())
