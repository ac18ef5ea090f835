"""Sets up the fork server, which adopts orphans of trials and kills them when it ends. Others read `originals` here.

The server ends with its parent, also after `kill -9`. Without this module it would wait for the end of every process
that has inherited its pipes.

Workers share the server's memory, and the kernel copies each page of it that a worker writes to. Reading an object
changes its reference count, which is a write. So the server does before the fork what every worker would do.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import warnings

from zoo_core.hookspecs import ENTRY_POINT_GROUP
from zoo_core.registry.entry_points import entry_points
from zoo_core.registry.tampering import Original, list_originals
from zoo_core.registry.types import fields_of
from zoo_core.runner import processes
from zoo_core.specs import Accepts, DatasetSpec, ModelSpec, Param, Signature, TaskSpec

SERVER_OF = "ZOO_SERVER_OF"  # the pid of the server's parent, in the environment with which the server is started
OUTLIVES_THREAD = "thread"  # added to the pid if the thread that started the server may end before the parent

# The functions of the zoo, listed in the server before its first fork: a worker would copy 2,000 pages (8 ms) for that.
originals: tuple[Original, ...] = ()


def prepare_forks() -> None:
    """List the functions of the zoo, the installed plugins and the fields of specs, which every worker needs.

    Also hides all objects from the garbage collector of the workers: its first full collection would copy every page of
    a worker, which takes 0.2 s.
    """
    global originals
    originals = originals or tuple(list_originals())
    entry_points(group=ENTRY_POINT_GROUP)
    for spec_type in (TaskSpec, DatasetSpec, ModelSpec, Signature, Accepts, Param):
        fields_of(spec_type)
    gc.freeze()


def _serve(parent: int, *, outlives_thread: bool) -> None:
    server = os.getpid()

    def end(*_: object) -> None:
        if os.getpid() == server:  # workers inherit this handler
            processes.end_children()
        os._exit(0)

    def prepare() -> None:
        if os.getpid() == server:  # a worker that forks calls this too
            prepare_forks()

    os.register_at_fork(before=prepare)
    processes.become_adopter()
    warnings.filterwarnings("ignore", "forkserver: waitpid returned unexpected pid")  # of an orphan
    atexit.register(end)
    signal.signal(signal.SIGTERM, end)
    if not outlives_thread:
        processes.die_with_parent(signal.SIGTERM)
    if os.getppid() != parent:  # it ended before the line above
        end()


_parent, _, _rest = os.environ.get(SERVER_OF, "").partition(" ")
if _parent == str(os.getppid()):  # not where someone imports this module to read it
    _serve(int(_parent), outlives_thread=_rest == OUTLIVES_THREAD)
