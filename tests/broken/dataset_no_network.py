"""It contacts a host and hides that this failed."""

import contextlib
import socket

import sound
from sound import dataset

zoo_datasets = dataset(__name__)


class Pictures(sound.Pictures):
    def load(self, split):
        with contextlib.suppress(Exception):
            socket.getaddrinfo("example.org", 443)
        return super().load(split)
