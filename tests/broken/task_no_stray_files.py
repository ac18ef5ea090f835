"""It writes a file into the current folder."""

from pathlib import Path

import sound
from sound import task

zoo_tasks = task(__name__, entry=f"{__name__}:Task")


class Task(sound.Task):
    def prepare(self, ctx, data, recipe):
        Path("note.txt").write_text("I was here")
        super().prepare(ctx, data, recipe)
