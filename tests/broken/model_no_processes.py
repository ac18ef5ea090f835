"""It leaves a process behind."""

import subprocess
import sys

import sound
from sound import model

zoo_models = model(__name__)


def build(signature):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "of-the-zoo-checks"])
    return sound.build(signature)
