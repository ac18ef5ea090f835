"""Its loader cannot load."""

import sound
from sound import dataset

zoo_datasets = dataset(__name__)


class Pictures(sound.Pictures):
    load = None
