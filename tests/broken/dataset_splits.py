"""It returns the test examples for every split name."""

import sound
from sound import dataset

zoo_datasets = dataset(__name__)


class Pictures(sound.Pictures):
    def load(self, split):
        return super().load(split if split in self.sizes else "test")
