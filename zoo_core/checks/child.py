"""The worker's part of the suite: prepares a job's subject, runs its checks and reports each result. Torch inside."""

from __future__ import annotations

import faulthandler
import os
import sys
import tempfile
import traceback
from pathlib import Path

import torch
from msgspec.structs import replace

from zoo_core.checks import Check, Subject
from zoo_core.checks.prepare import PreparedSubject, Workspace, prepare_subject
from zoo_core.checks.suite import find_blocker, outcome_of, run_check
from zoo_core.checks.table import find_check
from zoo_core.checks.watch import Watch
from zoo_core.files import cache_dir
from zoo_core.reasons import reason_of
from zoo_core.registry import Registry
from zoo_core.runner.events import CheckBegan, CheckEnded, CheckJob, JobResult
from zoo_core.runner.training import Send

MAX_REASON_CHARS = 600


def run_checks(job: CheckJob, send: Send) -> None:
    """Run the job's checks in order. A check whose needs are not met is reported without running it."""
    scratch, work = Path(job.folder) / "scratch", Path(job.folder) / "work"
    for folder in (scratch, work):
        folder.mkdir(exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(scratch / "inductor")  # torch may have read the old TMPDIR already
    os.chdir(work)
    torch.set_num_threads(1)
    watch = Watch([scratch, cache_dir()])
    subject = prepare_job_subject(job, Workspace(folder=scratch, data_root=_data_root(job), watch=watch))
    outcomes = dict(job.outcomes)
    for name in job.checks:
        check = find_check(job.what, name)  # type: ignore[arg-type]
        send(CheckBegan(name=name))
        ended = find_blocker(check, outcomes) or run_check_in_time(check, subject, job.timeout_s)
        outcomes[name] = outcome_of(ended)
        send(ended)
    send(JobResult(value=True))


def _data_root(job: CheckJob) -> Path | None:
    return Path(job.data_root) if job.data_root else None


def prepare_job_subject(job: CheckJob, workspace: Workspace) -> PreparedSubject:
    """Prepare the subject that the job names; `job.subject` is its key in the registry."""
    subject = Subject(what=job.what, name=job.subject, plugin=job.subject, task=job.task)  # type: ignore[arg-type]
    return prepare_subject(subject, Registry.load(), workspace)


def run_check_in_time(check: Check, subject: PreparedSubject, timeout_s: float) -> CheckEnded:
    """Run one check. After `timeout_s`, this process ends, and the parent reports the timeout."""
    faulthandler.dump_traceback_later(timeout_s, exit=True, file=sys.__stderr__ or 2)
    try:
        # The check runs plugin code, which can raise anything, SystemExit included. The check then fails.
        ended = run_check(check, subject, (Exception, SystemExit), describe_error)
    finally:
        faulthandler.cancel_dump_traceback_later()
    return replace(ended, reason=ended.reason[:MAX_REASON_CHARS])


def describe_error(error: BaseException) -> str:
    """Describe an exception in one line, and log its traceback."""
    traceback.print_exception(error)
    return reason_of(error)
