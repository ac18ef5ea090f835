"""It opens the test split in `prepare`."""

import sound
from sound import task

zoo_tasks = task(__name__, entry=f"{__name__}:Task")


class Task(sound.Task):
    def prepare(self, ctx, data, recipe):
        data.split("test")
        super().prepare(ctx, data, recipe)
