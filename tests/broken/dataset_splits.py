"""It gives test examples whatever split it is asked for."""

import sound
from sound import dataset

zoo_datasets = dataset(__name__)


class Pictures(sound.Pictures):
    def load(self, split):
        return super().load(split if split in self.sizes else "test")
