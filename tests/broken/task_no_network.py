"""It contacts a host and hides that this failed."""

import contextlib
import socket

import sound
from sound import task

zoo_tasks = task(__name__, entry=f"{__name__}:Task")


class Task(sound.Task):
    def prepare(self, ctx, data, recipe):
        with contextlib.suppress(Exception):
            socket.getaddrinfo("example.org", 443)
        super().prepare(ctx, data, recipe)
