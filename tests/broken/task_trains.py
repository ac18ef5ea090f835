"""Its training ends after one step."""

import sound
from sound import task

zoo_tasks = task(__name__, entry=f"{__name__}:Task")


class Task(sound.Task):
    def train(self, ctx, net, recipe):
        yield next(super().train(ctx, net, recipe))
