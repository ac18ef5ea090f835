"""One of its numbers is NaN."""

import sound
from sound import dataset

zoo_datasets = dataset(__name__)


class Pictures(sound.Pictures):
    def load(self, split):
        columns = super().load(split)
        return {**columns, "weight": columns["y"] / columns["y"].clip(0, 1).astype("float32")}
