"""Loads a plugin's module without letting it change this process: its output, its folder, its signals, its end.

A plugin's module runs in the process of the command, and in each worker. What it prints must not mix with JSON, a
relative path must still mean the caller's folder, and an import that hangs must not hang the command.
"""

from __future__ import annotations

import contextlib
import locale
import os
import signal
import sys
import threading
from collections.abc import Iterator

from zoo_core.errors import PluginError

LIMIT = "ZOO_IMPORT_LIMIT"  # the environment variable with the seconds that a plugin's module may take
LIMIT_S = 30.0
REPEAT_S = 1.0  # a plugin may catch the exception that stops it, and go on
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM", "SIGPIPE", "SIGCHLD")


class _TooSlowError(BaseException):
    """Stops an import. No Exception, because plugins catch those."""


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Restore what a plugin changes during the block. Raises PluginError if its code hangs or ends the process."""
    with _restored(), _output_to_stderr(), _without_exit(), _limited():
        yield


@contextlib.contextmanager
def _restored() -> Iterator[None]:
    """Restore folder, mode of new files, standard streams, arguments and locale, in the main thread also signals."""
    folder, streams, words = _folder(), (sys.stdin, sys.stdout, sys.stderr), sys.argv[:]
    language = locale.setlocale(locale.LC_ALL)
    mode = os.umask(0o077)
    os.umask(mode)
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)] if _in_main_thread() else []
    handlers = {number: signal.getsignal(number) for number in numbers}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, []) if hasattr(signal, "pthread_sigmask") else set()
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = streams
        sys.argv[:] = words
        os.umask(mode)
        if folder and _folder() != folder:
            os.chdir(folder)
        if locale.setlocale(locale.LC_ALL) != language:
            locale.setlocale(locale.LC_ALL, language)
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)


def _folder() -> str:
    """Return the current folder; "" if it was removed."""
    try:
        return os.getcwd()  # noqa: PTH109 - Path.cwd() takes five times as long
    except OSError:
        return ""


@contextlib.contextmanager
def _output_to_stderr() -> Iterator[None]:
    """Send what is printed to standard error, also by compiled code and child processes."""
    with contextlib.ExitStack() as stack, contextlib.redirect_stdout(sys.stderr):
        with contextlib.suppress(OSError):  # one of them is closed
            stdout = os.dup(1)
            stack.callback(os.close, stdout)
            os.dup2(2, 1)
            stack.callback(os.dup2, stdout, 1)
        yield


@contextlib.contextmanager
def _without_exit() -> Iterator[None]:
    """Turn `os._exit` of this process into a PluginError; a fork of it may exit."""
    own, leave = os.getpid(), os._exit

    def refuse(status: int) -> None:
        if os.getpid() != own:
            leave(status)
        raise PluginError(f"its module calls os._exit({status}), which would end the whole program")

    os._exit = refuse  # type: ignore[assignment]
    try:
        yield
    finally:
        os._exit = leave


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Stop the block after some seconds, in the main thread of systems with SIGALRM."""
    if not _in_main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    limit_s = _limit_s()

    def stop(*_: object) -> None:
        raise _TooSlowError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_s, REPEAT_S)
    try:
        yield
    except _TooSlowError as error:
        raise PluginError(
            f"its module did not load within {limit_s:g} s: move slow work out of it, or set {LIMIT} to more seconds"
        ) from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _limit_s() -> float:
    """Return the seconds in `ZOO_IMPORT_LIMIT`, or the default if there is no number above 0."""
    try:
        limit_s = float(os.environ.get(LIMIT, LIMIT_S))
    except ValueError:
        return LIMIT_S
    return limit_s if 0 < limit_s < float("inf") else LIMIT_S


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
