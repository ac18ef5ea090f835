"""All errors that the zoo raises on purpose.

    ZooError
    ├── UsageError                 the caller's mistake; the command line exits with 2
    │   ├── UnknownNameError       no task, dataset, model, plugin or key of that name
    │   ├── AmbiguousNameError     several plugins have that name
    │   ├── IncompatibleError      this model cannot run on this task
    │   ├── RecipeError            a hyper-parameter's key or value does not fit
    │   ├── ExportError            this model cannot be written into a file of the named format
    │   └── DeviceError            this machine does not have the named device
    ├── PluginError                a plugin cannot be used; the others still work
    │   ├── InvalidSpecError       metadata that breaks a rule
    │   ├── DuplicateNameError     a name that is registered twice
    │   ├── EntryError             an entry that does not resolve to an object
    │   ├── MisspeltMethodError    a method whose name is nearly that of an optional one
    │   ├── WrongOutputError       a model's output of another shape, type or device than its kind says
    │   └── TrainingLengthError    a training with fewer or more steps than its recipe says
    ├── DataError                  a data set's files have a problem
    │   ├── DataUnavailableError   missing, and cannot be fetched now
    │   ├── DamagedDataError       present, but cannot be read
    │   ├── UnsafeArchiveError     an archive that would write outside its folder
    │   ├── UnknownSplitError      a split the data set does not have
    │   └── SealedSplitError       the test split was requested before the final score
    ├── DivergedError              a loss, a score, a weight or an output that is not finite
    ├── ChangedFileError           a file of code or weights changed between the plan of a trial and its use
    ├── WeightsError               a weights file that cannot be read, or does not fit
    ├── OfflineError               something tried to reach the network under `--offline`
    ├── MachineError               a fault of the machine, such as a full disk; never the result of a trial
    └── RecordError                a record file that cannot be read
        ├── DamagedRecordError     not JSON, or not the fields of a record
        └── NewerSchemaError       written by a newer zoo-core

A message says what is wrong, gives the value, and names the next step.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping

FAILURE, USAGE, INTERRUPTED = 1, 2, 130  # exit codes of commands; 0: all trials ok or skipped
LEAST_LIKENESS = 0.6  # of a name that is suggested instead of an unknown one


class ZooError(Exception):
    """Base class of all errors that the zoo raises on purpose."""


def near_names(name: str, known: Iterable[str] | Mapping[str, str]) -> list[str]:
    """Return up to three known names that a person may have meant by `name`, the nearest first.

    A name is near if it differs in case or separators, contains the other, or has most of its characters in order.
    known: the names; as a mapping to words about each, a name is also near if `name` is in these words.

        >>> near_names("ADAM_W", ["adam", "adamw", "sgd"])
        ['adamw', 'adam']
        >>> near_names("learning_rate", {"lr": "learning rate", "epochs": "passes over train"})
        ['lr']
    """
    words = {other: known[other] if isinstance(known, Mapping) else "" for other in known}
    scores = {
        other: _likeness(_folded(name), _folded(other), _folded(about) if isinstance(about, str) else "")
        for other, about in words.items()  # a mapping to specs is a collection of names, too
    }
    least = max(LEAST_LIKENESS, max(scores.values(), default=0.0) - 0.2)  # none that is much worse than the best
    near = sorted((-score, other) for other, score in scores.items() if score >= least)
    return [other for _, other in near[:3]]


def _folded(text: str) -> str:
    return "".join(character for character in text.casefold() if character not in " -_.")


def _likeness(name: str, other: str, about: str) -> float:
    """Return a number from 0 to 1; the texts are folded."""
    import difflib  # takes 5 ms, which only a wrong name costs

    shorter, longer = sorted((name, other), key=len)
    contained = len(shorter) >= 3 and shorter in longer
    meant = 0.5 + 0.4 * len(name) / len(about) if len(name) >= 4 and name in about else 0.0
    return max(difflib.SequenceMatcher(None, name, other).ratio(), 0.75 * contained, meant)


def did_you_mean(name: str, known: Iterable[str] | Mapping[str, str]) -> str:
    """Return `did you mean mnist or mnist-1d?`; "" if no known name is near."""
    near = near_names(name, known)
    return f"did you mean {' or '.join(near)}?" if near else ""


class UsageError(ZooError):
    """A mistake of the caller. The command line prints the message and exits with 2."""


class UnknownNameError(UsageError):
    """An unknown name; the message suggests similar ones.

    what: the thing in words, such as "task". known: all registered names, see `near_names`. hint: the next command.

        >>> print(UnknownNameError("task", "mnst", ["mnist", "cifar10"], hint="`zoo list tasks`"))
        unknown task 'mnst': did you mean mnist? (`zoo list tasks`)
    """

    def __init__(self, what: str, name: str, known: Iterable[str] | Mapping[str, str], hint: str = "") -> None:
        known = known if isinstance(known, Mapping) else list(known)
        names = sorted(set(known))
        advice = did_you_mean(name, known)
        if not advice and names:
            advice = f"known: {', '.join(names[:12])}{' ...' if len(names) > 12 else ''}"
        advice = advice or f"no {what} is known"
        super().__init__(f"unknown {what} {name!r}: {advice}" + (f" ({hint})" if hint else ""))


class AmbiguousNameError(UsageError):
    """A bare name that several plugins use; the message lists the qualified names."""

    def __init__(self, what: str, name: str, qualified: Iterable[str]) -> None:
        super().__init__(f"{what} {name!r} is ambiguous: say one of {', '.join(sorted(qualified))}")


class IncompatibleError(UsageError):
    """A model that cannot run on a task: it is of another kind, or does not accept the inputs."""


class RecipeError(UsageError):
    """A hyper-parameter with an unknown key or an invalid value."""


class ExportError(UsageError):
    """A model that cannot be written into a file of the named format; the message says why."""


class DeviceError(UsageError):
    """A device that this machine or this build of torch does not have."""


class PluginError(ZooError):
    """A plugin that cannot be used."""


class InvalidSpecError(PluginError):
    """Metadata that breaks a rule; the message names the field and its value."""


class DuplicateNameError(PluginError):
    """A name that is registered twice; the message names both plugins or specs."""


class EntryError(PluginError):
    """An entry `package.module:name` that does not resolve; the message says which part is missing."""


class MisspeltMethodError(PluginError):
    """A task or an objective with a method whose name is nearly that of an optional one; the message suggests it."""


class WrongOutputError(PluginError):
    """A model that returns another shape, type or device than its kind says; the message names both."""


class TrainingLengthError(PluginError):
    """A task's training that takes fewer or more steps than its recipe says; the message names both numbers."""


class DataError(ZooError):
    """A problem with a data set's files."""


class DataUnavailableError(DataError):
    """Data that are missing and cannot be fetched now; the message says how to get them, also offline."""


class DamagedDataError(DataError):
    """A data file that cannot be read; the message names the file."""


class UnsafeArchiveError(DataError):
    """An archive with a member that would be written outside the target folder; nothing was extracted."""


class UnknownSplitError(DataError):
    """A split that the data set does not have."""


class SealedSplitError(DataError):
    """The test split was requested before the final score."""


class DivergedError(ZooError):
    """A loss, a score, a weight or an output of a model that is not finite; the message says where."""


class ChangedFileError(ZooError):
    """A file of code or weights that changed between the plan of a trial and its use; the message names it."""


class WeightsError(ZooError):
    """A weights file or a checkpoint that cannot be read, or that does not fit the model."""


class OfflineError(ZooError):
    """An attempt to reach the network under `--offline`."""


class MachineError(ZooError):
    """A fault of the machine, such as a full disk. It says what, where and what to do; it is no result of a trial."""


_FREE_SPACE = "free space there, or use another disk, and run the same command again"
_FAULTS = {  # name in `errno`, or our own for what has none -> fault, and what to do
    "ENOSPC": ("no space is left on the disk", _FREE_SPACE),
    "EDQUOT": ("the disk quota is used up", _FREE_SPACE),
    "EROFS": ("the file system is read-only", "make it writable, or use another disk, and run the same command again"),
    "EIO": ("the disk reports an input/output error", "check the disk, and run the same command again"),
    "ESTALE": ("the network disk has gone away", "mount it again, and run the same command again"),
    "EREMOTEIO": ("the network disk reports an input/output error", "check it, and run the same command again"),
    "EFBIG": ("a file reached the size limit of this process", "raise the limit (`ulimit -f`), and run the same again"),
    "EMFILE": ("this process has too many open files", "raise the limit (`ulimit -n`), and run the same command again"),
    "ENFILE": ("the machine has too many open files", "close programs, and run the same command again"),
    "ENOMEM": ("the machine is short of memory", "close programs, or raise the limit (`ulimit -v`), and run it again"),
    "short write": ("a file could not be written in full", _FREE_SPACE),
    "no temporary folder": ("no folder for temporary files can be written", "free space in /tmp, or set TMPDIR"),
    "no shared memory": ("shared memory is used up", "make /dev/shm larger (`docker run --shm-size 8g`)"),
    "no thread": ("the system starts no more threads", "close programs, or raise the limit (`ulimit -u`)"),
}
# Libraries report these faults in messages of their own, mostly with the system's text: `: Too many open files (24)`.
_IN_WORDS = {  # pattern -> fault
    **{re.escape(os.strerror(getattr(errno, name))): name for name in ("ENOSPC", "EROFS", "EMFILE", "ENFILE", "EFBIG")},
    "database or disk is full": "ENOSPC",  # sqlite3
    "PytorchStreamWriter failed writing": "short write",  # torch.save
    r"\d+ requested and \d+ written": "short write",  # numpy
    "No usable temporary directory": "no temporary folder",  # tempfile
    "out of shared memory": "no shared memory",  # torch's DataLoader
    "can't start new thread": "no thread",  # threading
    "failed to map segment from shared object": "ENOMEM",  # the import of a library
}
_NO_MEMORY = re.compile("can't allocate memory|std::bad_alloc|Unable to allocate")

_IN_WORDS_OF = ("sqlite3", "safetensors_rust")  # modules whose errors are neither OSError nor RuntimeError


def machine_error_of(error: BaseException) -> MachineError | None:
    """Return the fault of the machine that `error`, or an error before it in its chain, reports; None if there is none.

    >>> print(machine_error_of(OSError(errno.ENOSPC, "No space left on device", "/data/a.json")))
    no space is left on the disk (/data/a.json): free space there, or use another disk, and run the same command again
    >>> machine_error_of(FileNotFoundError(errno.ENOENT, "No such file or directory", "a.csv")) is None
    True
    """
    for item in _chain_of(error):
        if isinstance(item, MachineError):
            return item
        name = _fault_of(item)
        if name:
            what, remedy = _FAULTS[name]
            path = getattr(item, "filename", None)
            return MachineError(f"{what}{f' ({os.fsdecode(path)})' if isinstance(path, str | bytes) else ''}: {remedy}")
    return None


def _chain_of(error: BaseException) -> Iterator[BaseException]:
    """Yield the error, then the errors that it was raised from or while they were handled, and those of groups."""
    waiting, seen = [error], set()
    while waiting:
        item = waiting.pop(0)
        if id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        if isinstance(item, BaseExceptionGroup):
            waiting += item.exceptions
        before = item.__cause__ or (None if item.__suppress_context__ else item.__context__)
        if before is not None:
            waiting.append(before)


def _fault_of(error: BaseException) -> str:
    """Return the key of `_FAULTS` for one error, from its number or its words; "" if it is no fault of the machine."""
    name = errno.errorcode.get(error.errno or 0, "") if isinstance(error, OSError) else ""
    if name in _FAULTS:
        return name
    if isinstance(error, MemoryError):
        return "ENOMEM" if _memory_is_limited() else ""
    if not isinstance(error, OSError | RuntimeError | ImportError) and type(error).__module__ not in _IN_WORDS_OF:
        return ""
    words = " ".join(str(item) for item in error.args)
    if _NO_MEMORY.search(words) and _memory_is_limited():
        return "ENOMEM"
    return next((name for pattern, name in _IN_WORDS.items() if re.search(pattern, words)), "")


def _memory_is_limited() -> bool:
    """Return whether `ulimit -v` limits this process: memory that is missing then says nothing about a model."""
    try:
        import resource
    except ImportError:  # Windows
        return False
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


class RecordError(ZooError):
    """A record file that cannot be read. It is reported and left unchanged."""


class DamagedRecordError(RecordError):
    """A record file that is truncated, is not JSON, or lacks a record's fields."""


class NewerSchemaError(RecordError):
    """A record that a newer zoo-core wrote."""
