"""What a worker does with a CheckJob: prepare the subject, run the checks in order, tell of each. Torch inside."""

from __future__ import annotations

import faulthandler
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import torch
from msgspec.structs import replace

from zoo_core.checks import Check, Subject
from zoo_core.checks.dataset import DatasetSubject
from zoo_core.checks.model import ModelSubject
from zoo_core.checks.plugin import PluginSubject
from zoo_core.checks.suite import blocked, make, outcome_of
from zoo_core.checks.table import find
from zoo_core.checks.task import TaskSubject
from zoo_core.checks.watch import Watch
from zoo_core.files import cache_dir
from zoo_core.registry import Registry
from zoo_core.runner.events import CheckBegan, CheckEnded, CheckJob, Found
from zoo_core.runner.training import Send

LONGEST = 600  # characters of a reason


def run_checks(job: CheckJob, send: Send) -> None:
    """Run the job's checks; those whose needs are not met are told of as such."""
    scratch, work = Path(job.folder) / "scratch", Path(job.folder) / "work"
    for folder in (scratch, work):
        folder.mkdir(exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(scratch / "inductor")  # torch's own; a server may know the old folder
    os.chdir(work)
    torch.set_num_threads(1)
    watch = Watch([scratch, cache_dir()])
    subject = prepare(job, scratch, watch)
    states = dict(job.outcomes)
    for name in job.checks:
        check = find(job.what, name)  # type: ignore[arg-type]
        send(CheckBegan(name=name))
        ended = blocked(check, states) or run_one(check, subject, job.timeout_s)
        states[name] = outcome_of(ended)
        send(ended)
    send(Found(value=True))


def run_one(check: Check, subject: object, timeout_s: float) -> CheckEnded:
    """Make one check; a hang past `timeout_s` ends this process, which the parent understands."""
    faulthandler.dump_traceback_later(timeout_s, exit=True, file=sys.__stderr__ or 2)
    try:
        # Plugin code runs inside: whatever it raises, SystemExit included, is why the check failed.
        ended = make(check, subject, (Exception, SystemExit), told)
    finally:
        faulthandler.cancel_dump_traceback_later()
    return replace(ended, reason=ended.reason[:LONGEST])


def told(error: BaseException) -> str:
    """An exception in one line, with the last place in code that is neither the zoo's nor torch's."""
    traceback.print_exception(error)  # whole, into the log
    first = next((line for line in str(error).splitlines() if line.strip()), "")
    apart = tuple(str(Path(module.__file__ or "").parent) for module in (sys.modules["zoo_core"], torch))
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(apart)]
    frames = [frame for frame in frames if Path(frame.filename).is_file()]
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {first}{where}"


def prepare(job: CheckJob, scratch: Path, watch: Watch) -> Any:
    """The subject as its checks want it; nothing of the plugin but its specs has run yet."""
    registry = Registry.load()
    root = Path(job.data_root) if job.data_root else None
    if job.what == "plugin":
        return PluginSubject(Subject(what="plugin", name=job.subject, plugin=job.subject), registry, watch)
    if job.what == "dataset":
        return DatasetSubject(registry.dataset(job.subject), root, watch)
    if job.what == "task":
        return TaskSubject(registry.task(job.subject), registry, scratch, root, watch)
    task = registry.task(job.task) if job.task else None
    return ModelSubject(registry.model(job.subject, task), task, registry, scratch, root, watch)
