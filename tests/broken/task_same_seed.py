"""Its steps depend on the system's random source."""

import random

import sound
from sound import task

zoo_tasks = task(__name__, entry=f"{__name__}:Task")


class Task(sound.Task):
    def train(self, ctx, net, recipe):
        for step in super().train(ctx, net, recipe):
            next(net.parameters()).data += random.SystemRandom().random()
            yield step
