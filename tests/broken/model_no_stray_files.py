"""It writes a file into the current folder."""

from pathlib import Path

import sound
from sound import model

zoo_models = model(__name__)


def build(signature):
    Path("note.txt").write_text("I was here")
    return sound.build(signature)
