"""Runs a trial in bubblewrap: without network and home folder, with few files to read, and with limits.

The worker that the executor starts then runs no code of the model. It starts the sandbox, in which another worker does
the job, checks each event from there and passes it on, and ends the sandbox if it takes too much. See docs/sandbox.md.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
import psutil

from zoo_core.errors import UsageError
from zoo_core.results.records import Measured, Status
from zoo_core.runner import events
from zoo_core.runner.events import Event, ExtrasBegan, Job, JobFailed, TrialDone, TrialJob
from zoo_core.runner.hidden_labels import CANNOT_HIDE, hides_labels
from zoo_core.runner.memory_watch import WATCH_S, family, takes_more
from zoo_core.runner.sandbox_view import arguments, environment

NAME = "bubblewrap"  # in records
INSIDE, MEMORY, OUTPUT = "ZOO_IN_SANDBOX", "ZOO_SANDBOX_MIB", "ZOO_SANDBOX_OUTPUT_MIB"
MAX_MESSAGE_BYTES = 2**28
MEMORY_SHARE = 0.75  # of the memory that is free when the trial starts
PROCESSES, PROCESSES_PER_CORE = 64, 2
PROBE_S = 20.0
# `-c`: the search path is set before anything of the zoo is imported.
BOOT = "import sys; sys.path[:] = sys.argv[2:]; from zoo_core.runner.sandboxed import main; main(int(sys.argv[1]))"


def require() -> None:
    """Raise UsageError if this system has no bubblewrap, or does not let this user run it, or a limit is no number."""
    _memory()
    _named_limit(OUTPUT)
    if sys.platform != "linux":
        raise UsageError(f"--sandbox needs {NAME}, which only Linux has: run the trial in a container instead")
    try:
        probe = subprocess.run(
            [_bubblewrap(), *arguments(None, []), "--ro-bind", "/", "/", "true"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROBE_S,
            check=False,
        )
        problem = probe.stderr.strip().partition("\n")[0] if probe.returncode else ""
    except (OSError, subprocess.SubprocessError) as error:
        problem = str(error)
    if problem:
        raise UsageError(
            f"--sandbox: {NAME} does not work here ({problem}): the system must let users create namespaces, which "
            "many containers forbid"
        )


def _bubblewrap() -> str:
    found = shutil.which("bwrap")
    if found is None:
        raise UsageError(f"--sandbox needs {NAME} (the command bwrap): install it, such as with `apt install {NAME}`")
    return found


def handler_of(job: Job) -> tuple[str, bool]:
    """Return the function that does a job in this process, and whether it sends its events itself."""
    if isinstance(job, TrialJob) and job.sandbox and INSIDE not in os.environ:
        return f"{__name__}:run_in_sandbox", True
    return job.handler, job.sends_events


def run_in_sandbox(job: TrialJob, send: Callable[[Event], None]) -> None:
    """Do the job in a sandbox and send its events. If it takes too much, the last event says what."""
    if hides_labels(job) and not job.scored_apart:
        send(JobFailed(error="", reason=CANNOT_HIDE))
        return
    memory = job.max_memory_mib << 20 or _memory()
    with _started(job, memory) as (process, receiver), _watching(process, memory, job.log_folder) as excess:
        last, has_results = _pass_on(receiver, send)
        if last is not None:
            process.kill()  # with all that it started
        code = process.wait()
    if job.log_folder:
        _keep_only_files(Path(job.staging))
    if excess:
        _send_excess(job, excess[0], send, has_results=has_results)
    elif last is not None:
        send(last)
    else:
        _end_like(code)


def _memory() -> int:
    """Return the bytes that the trial may take: those that the user names, or most of what is free. Raises UsageError.

    MEMORY: the environment variable with a number of MiB.
    """
    return _named_limit(MEMORY) or int(psutil.virtual_memory().available * MEMORY_SHARE)


def _named_limit(variable: str) -> int:
    """Return the bytes that an environment variable names in MiB; 0 if it is not set. Raises UsageError."""
    named = os.environ.get(variable, "")
    if named and not (named.isascii() and named.isdigit() and int(named)):
        raise UsageError(f"{variable}={named!r}: give a number of MiB, such as 4096")
    return int(named or 0) << 20


@contextlib.contextmanager
def _started(job: TrialJob, memory: int) -> Iterator[tuple[subprocess.Popen[bytes], Connection]]:
    """Start the sandbox; yield its process, and the pipe for the events from it."""
    receiver, sender = Pipe(duplex=False)
    paths = sys.path[:]
    python = [sys.executable, "-P", "-c", BOOT, str(sender.fileno()), *paths]
    with tempfile.TemporaryFile() as content:
        content.write(events.encode(job))
        content.seek(0)
        process = subprocess.Popen(
            [_bubblewrap(), *arguments(job, paths, memory=memory), "--", *python],
            stdin=content,
            env={**environment(), INSIDE: str(memory)},
            pass_fds=[sender.fileno()],
        )
    sender.close()
    try:
        yield process, receiver
    finally:
        process.kill()
        process.wait()
        receiver.close()


def _pass_on(receiver: Connection, send: Callable[[Event], None]) -> tuple[Event | None, bool]:
    """Pass on the events from the sandbox, except the last one, which is returned; None if its worker died before.

    Also returns whether a trial's results came before its extras.
    """
    has_results = False
    while True:
        try:
            event: Event = events.decode_event(receiver.recv_bytes(MAX_MESSAGE_BYTES))
        except (EOFError, OSError):
            return None, has_results
        except msgspec.MsgspecError as error:
            return JobFailed(error="", reason=f"the sandbox sent an invalid event: {error}"), has_results
        if isinstance(event, events.LAST_EVENTS):
            return event, has_results
        has_results = has_results or isinstance(event, ExtrasBegan)
        send(event)


@contextlib.contextmanager
def _watching(process: subprocess.Popen[bytes], memory: int, staging: str) -> Iterator[list[str]]:
    """Kill the sandbox if all its processes together take too much, and then put what it was into the list.

    staging: the folder that the trial writes to, whose size OUTPUT limits; "" for none.
    """
    excess: list[str] = []
    output = _named_limit(OUTPUT) if staging else 0
    done = threading.Event()
    processes = PROCESSES + PROCESSES_PER_CORE * (os.cpu_count() or 1)

    def watch() -> None:
        while not done.wait(WATCH_S):
            members = family(process.pid)  # orphans belong to the sandbox's first process, so are found
            if len(members) > processes:
                excess.append(f"it started more than {processes} processes")
            elif takes_more(members, memory):
                excess.append(f"it took more than {memory >> 20} MiB of memory")
            elif output and _size(Path(staging)) > output:
                excess.append(f"it wrote more than {output >> 20} MiB of files")
            if excess:
                process.kill()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield excess
    finally:
        done.set()
        watcher.join()


def _size(folder: Path) -> int:
    """Return the bytes that a folder takes on the disk. Links are not followed."""
    size = 0
    for home, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # it was removed meanwhile
                size += os.lstat(os.path.join(home, name)).st_blocks * 512  # noqa: PTH118 - many files, often
    return size


def _keep_only_files(folder: Path) -> None:
    """Remove links, pipes and the like, through which a later reader would leave the folder, or wait."""
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if not stat.S_ISREG(mode := path.lstat().st_mode) and not stat.S_ISDIR(mode):
                path.unlink()


def _send_excess(job: TrialJob, excess: str, send: Callable[[Event], None], *, has_results: bool) -> None:
    """Send the end of a job that took too much. A trial that is scored fails without an end of its own."""
    reason = f"the sandbox was ended: {excess}"
    status: Status = "out_of_memory" if "memory" in excess else "error"
    if job.sends_events and not has_results:
        send(TrialDone(status=status, measured=Measured(), phases={}, reason=reason))
    else:
        send(JobFailed(error="", reason=reason))


def _end_like(code: int) -> None:
    """End this process as the worker in the sandbox ended: bubblewrap returns 128 and the signal."""
    if code > 128 and code - 128 in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):
            signal.signal(code - 128, signal.SIG_DFL)
        os.kill(os.getpid(), code - 128)
    os._exit(abs(code) or 1)
