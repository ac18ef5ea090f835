"""It leaves a process behind."""

import subprocess
import sys

import sound
from sound import task

zoo_tasks = task(__name__, entry=f"{__name__}:Task")


class Task(sound.Task):
    def prepare(self, ctx, data, recipe):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "of-the-zoo-checks"])
        super().prepare(ctx, data, recipe)
