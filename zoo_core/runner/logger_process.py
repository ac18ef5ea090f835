"""One logger of a run: its process, the files with its calls, and what becomes of it."""

from __future__ import annotations

import contextlib
import logging
import os
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import psutil
from msgspec import MsgspecError

from zoo_core.errors import MachineError
from zoo_core.files import hide_home
from zoo_core.quote import one_line, without_login
from zoo_core.reasons import add_output
from zoo_core.registry.plugins import missing_needs
from zoo_core.results.records import encode_line
from zoo_core.runner import events
from zoo_core.runner.events import Event, JobFailed, JobResult, LoggerReady, LogJob
from zoo_core.runner.executor import exit_reason
from zoo_core.runner.inbox import MessageError
from zoo_core.runner.interrupts import Interrupts
from zoo_core.runner.log import limiting_log, read_log_tail
from zoo_core.runner.log_calls import NICENESS, End, calls_file
from zoo_core.runner.request import LogTarget
from zoo_core.runner.start import Start, Worker

EXIT_S = 0.5  # for the exit code of a process that has closed its pipe
MAX_WAITING_MIB = 256  # of calls that a logger has not read yet
MAX_REASON_CHARS = 600

LOG = logging.getLogger("zoo")


class LoggerProcess:
    """One logger of a run. `where`: what its `close` returned, None before. `failure`: why it was given up, or ""."""

    def __init__(self, log: LogTarget, folder: Path) -> None:
        self.name, self._log, self._folder = log.spec.name, log, folder
        self.where: str | None = None
        self.failure = ""
        self._is_ready = False
        self._worker: Worker | None = None
        self._file: BinaryIO | None = None
        self._number = 0
        self._resources = ExitStack()

    @property
    def is_over(self) -> bool:
        return self.where is not None or bool(self.failure)

    @property
    def is_starting(self) -> bool:
        return not (self._is_ready or self.is_over)

    def start(self) -> None:
        """Start the process. It is not waited for."""
        if missing := missing_needs(self._log.spec):
            self.give_up(f"it needs {' and '.join(missing)}: pip install {' '.join(missing)}")
            return
        job = LogJob(entry=self._log.spec.entry, target=self._log.target, folder=str(self._folder.absolute()))
        try:
            self._folder.mkdir()
            self._resources.enter_context(limiting_log(self._folder))
            self._worker = Start().worker(events.encode(job), dict(os.environ), Interrupts())
        except (OSError, ValueError, MachineError) as error:  # ValueError: a path or target that is not UTF-8
            self.give_up(str(error))

    def lower_priority(self) -> None:
        """Let the trials that begin now go before a process that is still starting; others have done so themselves."""
        if self.is_starting and self._worker is not None and self._worker.seen is not None and hasattr(os, "nice"):
            with contextlib.suppress(psutil.Error):
                self._worker.seen.nice(NICENESS)

    def begin_trial(self) -> None:
        """Begin the file for a trial's calls. Gives the logger up if too much waits."""
        if self._file is not None:  # the machine failed during the trial before
            self.end_trial()
        self.poll()
        if self.is_over:
            return
        if self._waiting_bytes() > MAX_WAITING_MIB << 20:
            self.give_up(f"it is too slow: more than {MAX_WAITING_MIB} MiB wait for it")
            return
        self._number += 1
        try:
            self._file = calls_file(self._folder, self._number).open("xb", buffering=0)
        except OSError as error:
            self.give_up(str(error))

    def _waiting_bytes(self) -> int:
        """Return the size of all calls that the logger has not read."""
        total = 0
        for path in self._folder.glob("*.calls"):
            with contextlib.suppress(FileNotFoundError):  # the logger has just read it
                total += path.stat().st_size
        return total

    def write(self, line: bytes) -> None:
        """Write one call for the logger to read."""
        if self.is_over or self._file is None:
            return
        try:
            if self._file.write(line) != len(line):
                raise OSError("a call could not be written in full: is the disk full?")
        except OSError as error:
            self.give_up(str(error))

    def end_trial(self, *, last: bool = False) -> None:
        """End the file of the trial. `last`: no trial follows."""
        self.write(encode_line(End(last=last)))
        if self._file is not None:
            self._file.close()
            self._file = None

    def end_run(self) -> None:
        """Tell the logger that no trial follows."""
        self.begin_trial()
        self.end_trial(last=True)

    def poll(self, wait_s: float = 0.0) -> None:
        """Look, for at most `wait_s`, whether the logger became ready, has failed or is done."""
        if self._worker is None or self.is_over:
            return
        was_alive = self._worker.is_alive()
        try:
            messages = self._worker.inbox.receive(wait_s)
            for message in messages:
                self._see(events.decode_event(message))
        except (MessageError, MsgspecError) as error:
            self.give_up(f"it sent an invalid event: {error}")
            return
        if not messages and (self._worker.inbox.closed or not was_alive) and not self.is_over:
            self._worker.process.join(EXIT_S)
            reason = f"its process ended: {exit_reason(self._worker.exit_code)}"
            self.give_up(add_output(reason, read_log_tail(self._folder), crashed=True))

    def _see(self, event: Event) -> None:
        match event:
            case LoggerReady():
                self._is_ready = True
            case JobResult():
                self.where = one_line(without_login(str(event.value)), MAX_REASON_CHARS)
            case JobFailed():
                self.give_up(event.reason)

    def give_up(self, reason: str) -> None:
        """Call the logger no more, and say why, without the passwords that libraries put into their errors."""
        if self.is_over:
            return
        self.failure = one_line(without_login(hide_home(reason)), MAX_REASON_CHARS)
        LOG.warning("warning: logger %s: %s; trials and records are not affected", self.name, self.failure)

    def end(self) -> None:
        """End the process and everything that it started."""
        if self._file is not None:
            self._file.close()
        if self._worker is not None:
            if self.where is not None:
                self._worker.wait()  # libraries have work to do at the exit
            self._worker.end()
            self._worker.inbox.close()
        self._resources.close()
