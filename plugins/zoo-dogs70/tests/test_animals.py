"""The animals that the small backbone is trained on: none is a drawn dog, and no trait of theirs is a drawn dog's."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw
from zoo_dogs70 import drawn
from zoo_dogs70.drawn import Array, DrawnDogs, Points
from zoo_dogs70.pretraining import animals
from zoo_dogs70.pretraining.animals import EARS, HIDDEN, SEED, TRAITS, draw_animals

from zoo_core import Context

COUNT = 200


@pytest.fixture(scope="module")
def drawn_animals() -> tuple[Array, Array]:
    return draw_animals(COUNT, seed=0)


def labels_of(drawn_animals: tuple[Array, Array], trait: str) -> Array:
    column: Array = drawn_animals[1][:, list(TRAITS).index(trait)]
    return column


def test_the_columns_have_the_promised_form(drawn_animals: tuple[Array, Array]) -> None:
    pictures, labels = drawn_animals
    assert (pictures.shape, pictures.dtype) == ((COUNT, 3, 64, 64), np.uint8)
    assert (labels.shape, labels.dtype) == ((COUNT, len(TRAITS)), np.int64)


def test_the_same_seed_gives_the_same_animals_and_another_seed_others(drawn_animals: tuple[Array, Array]) -> None:
    again, other = draw_animals(20, seed=0)[0], draw_animals(20, seed=1)[0]
    assert np.array_equal(again, drawn_animals[0][:20])
    assert all(not np.array_equal(one, two) for one, two in zip(again, other, strict=True))


def test_every_label_is_a_value_of_its_trait_or_hidden(drawn_animals: tuple[Array, Array]) -> None:
    for trait, values in TRAITS.items():
        found = set(labels_of(drawn_animals, trait).tolist())
        assert found - {HIDDEN} <= set(range(len(values)))
        assert found - {HIDDEN}, trait


def test_a_trait_is_labelled_where_the_view_shows_it(drawn_animals: tuple[Array, Array]) -> None:
    views = np.array(animals.VIEWS)[labels_of(drawn_animals, "view")]
    shown_in = {"ears": "head", "muzzle": "head", "crown": "head", "tail": "side", "toe 0": "paw", "toe 4": "paw"}
    for trait, view in shown_in.items():
        assert np.array_equal(labels_of(drawn_animals, trait) != HIDDEN, views == view)
    assert (labels_of(drawn_animals, "coat") != HIDDEN).all()


def test_no_breed_of_the_drawn_dogs_can_be_drawn() -> None:
    """Not even one trait: a breed of `drawn-dogs` is a coat, ears and a muzzle, in train and in test alike."""
    assert not set(TRAITS["coat"]) & set(drawn.COATS)
    assert not set(TRAITS["ears"]) & set(drawn.EARS)
    assert not set(TRAITS["muzzle"]) & set(drawn.MUZZLES)


def mask(outline: Points) -> Array:
    """The pixels inside an ear's outline, at 40 pixels to the head's radius."""
    image = Image.new("1", (200, 200))
    ImageDraw.Draw(image).polygon([(100 + 40 * x, 100 + 40 * y) for x, y in drawn.smooth(outline)], fill=1)
    return np.asarray(image)


def test_no_ear_has_the_outline_of_a_drawn_dogs_ear() -> None:
    ours = {name: mask(outline) for name, outline in EARS.items()}
    for dog, outline in drawn.EARS.items():
        theirs = mask(outline)
        assert theirs.sum() > 500
        for name, ear in ours.items():
            overlap = (ear & theirs).sum() / (ear | theirs).sum()
            assert overlap < 0.7, f"{name} and {dog}"


def test_the_generators_seeds_are_not_those_of_the_drawn_dogs(drawn_animals: tuple[Array, Array]) -> None:
    assert len(DrawnDogs.sizes) < SEED  # they seed with [number of the split, number of the picture]

    class FewDogs(DrawnDogs):
        sizes = {"train": 1, "val": 1, "test": 1}

    dogs = {picture.tobytes() for split in FewDogs.sizes for picture in FewDogs(Context()).load(split)["x"]}
    assert len(dogs) == 210
    assert not dogs & {picture.tobytes() for picture in drawn_animals[0]}
