"""It writes a file into the current folder."""

from pathlib import Path

import sound
from sound import dataset

zoo_datasets = dataset(__name__)


class Pictures(sound.Pictures):
    def load(self, split):
        Path("note.txt").write_text("I was here")
        return super().load(split)
