"""It contacts a host and hides that this failed."""

import contextlib
import socket

import sound
from sound import model

zoo_models = model(__name__)


def build(signature):
    with contextlib.suppress(Exception):
        socket.getaddrinfo("example.org", 443)
    return sound.build(signature)
