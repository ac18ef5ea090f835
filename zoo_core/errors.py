"""Every error the zoo raises on purpose.

    ZooError
    ├── UsageError                 the caller's mistake; the command line exits with 2
    │   ├── UnknownNameError       no task, dataset, model, plugin or key of that name
    │   ├── AmbiguousNameError     several plugins have that name
    │   ├── IncompatibleError      this model cannot be run on this task
    │   ├── RecipeError            a hyper-parameter's key or value does not fit
    │   └── DeviceError            the device named is not there
    ├── PluginError                a plugin cannot be used; the others go on
    │   ├── InvalidSpecError       metadata that breaks a rule
    │   ├── DuplicateNameError     one name registered twice
    │   ├── EntryError             an entry that does not resolve to an object
    │   └── MisspeltMethodError    a method whose name is nearly that of an optional one
    ├── DataError                  what is wrong with a data set's files
    │   ├── DataUnavailableError   not here, and cannot be fetched now
    │   ├── DamagedDataError       here, but cannot be read
    │   ├── UnsafeArchiveError     an archive that would write outside its folder
    │   ├── UnknownSplitError      a split the data set does not have
    │   └── SealedSplitError       the test split was asked for before the final score
    ├── WeightsError               a file of weights that cannot be read, or does not fit
    ├── OfflineError               something tried to reach the network under `--offline`
    └── RecordError                a record file that cannot be read
        ├── DamagedRecordError
        └── NewerSchemaError

Messages are for people: what was wrong, with which value, what to do next.
"""

from __future__ import annotations

from collections.abc import Iterable

FAILURE, USAGE, INTERRUPTED = 1, 2, 130  # exit codes of commands; 0: all trials ok or skipped


class ZooError(Exception):
    """Anything the zoo reports on purpose."""


class UsageError(ZooError):
    """The caller's mistake: the command line prints it and exits with 2."""


class UnknownNameError(UsageError):
    """A name nobody registered; the message suggests the nearest ones.

    `what` is the thing in words ("task"), `known` the names there are, `hint` the next command to try.
    """

    def __init__(self, what: str, name: str, known: Iterable[str], hint: str = "") -> None:
        import difflib  # 5 ms that only somebody with a wrong name pays

        names = sorted(set(known))
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
        if near:
            advice = f"did you mean {' or '.join(near)}?"
        elif names:
            advice = f"known: {', '.join(names[:12])}{' ...' if len(names) > 12 else ''}"
        else:
            advice = f"no {what} is known"
        super().__init__(f"unknown {what} {name!r}: {advice}" + (f" ({hint})" if hint else ""))


class AmbiguousNameError(UsageError):
    """A bare name that several plugins use; the message lists the qualified ones."""

    def __init__(self, what: str, name: str, qualified: Iterable[str]) -> None:
        super().__init__(f"{what} {name!r} is ambiguous: say one of {', '.join(sorted(qualified))}")


class IncompatibleError(UsageError):
    """A model that cannot be run on a task: another kind, or an input it does not accept."""


class RecipeError(UsageError):
    """A hyper-parameter with a key or a value that does not fit."""


class DeviceError(UsageError):
    """A device that this machine, or this build of torch, does not have."""


class PluginError(ZooError):
    """A plugin that cannot be used."""


class InvalidSpecError(PluginError):
    """Metadata that breaks a rule; the message names the field and its value."""


class DuplicateNameError(PluginError):
    """One name registered twice; the message names both."""


class EntryError(PluginError):
    """An entry `package.module:name` that does not resolve; the message says which part is missing."""


class MisspeltMethodError(PluginError):
    """A task or an objective with a method whose name is nearly that of an optional one; the message suggests it."""


class DataError(ZooError):
    """Something is wrong with a data set's files."""


class DataUnavailableError(DataError):
    """The data are not here and cannot be fetched now; the message says how to get them, also offline."""


class DamagedDataError(DataError):
    """A file of the data cannot be read; the message names the file."""


class UnsafeArchiveError(DataError):
    """An archive with a member that would be written outside its folder; nothing was extracted."""


class UnknownSplitError(DataError):
    """A split that the data set does not have."""


class SealedSplitError(DataError):
    """The test split was asked for before the final score."""


class WeightsError(ZooError):
    """A file of weights, or a checkpoint, that cannot be read or does not fit the model."""


class OfflineError(ZooError):
    """Something tried to reach the network although `--offline` was given."""


class RecordError(ZooError):
    """A record file that cannot be read; it is reported and left as it is."""


class DamagedRecordError(RecordError):
    """A record file that is cut, is not JSON or does not have a record's fields."""


class NewerSchemaError(RecordError):
    """A record written by a newer version of the zoo."""
