"""It leaves a process behind."""

import subprocess
import sys

import sound
from sound import dataset

zoo_datasets = dataset(__name__)


class Pictures(sound.Pictures):
    def load(self, split):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "of-the-zoo-checks"])
        return super().load(split)
