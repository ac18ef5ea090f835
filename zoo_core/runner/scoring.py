"""Scores the predictions of a trial in a second process, which has the labels but not the model's code.

The worker hands its predictions over before it may open the labels. So code that replaces a metric, or reads labels
while the model predicts, changes nothing here. A difference from the worker's own results makes the trial an error.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import asdict, replace

from zoo_core.errors import MachineError, ZooError, machine_error_of
from zoo_core.files import is_files_fault, open_regular, own_cache
from zoo_core.reasons import reason_of
from zoo_core.results.records import Measured, Status, TableFacts
from zoo_core.runner.events import ScoreJob, TrialJob
from zoo_core.runner.executor import LocalExecutor, WorkerResult, exit_reason
from zoo_core.runner.hidden_labels import HIDDEN_LABELS, NO_PICTURES, hides_labels, remove_made_from_decoys
from zoo_core.runner.interrupts import deferred_interrupts

if TYPE_CHECKING:
    from zoo_core.columns import Array
    from zoo_core.protocols import Evaluation

PREDICTIONS = "predictions.npy"
LEAST_TIMEOUT_S, TIMEOUT_FACTOR = 60.0, 10.0  # of the scoring: a multiple of the whole trial's time, but not less
TOLERANCE = 1e-6  # relative, between the results of the two processes


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """The status of a trial after the second scoring, and the reason. `fault`: of the machine; "" if there was none."""

    status: Status = "ok"
    reason: str = ""
    fault: str = ""


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """The results of the second process. `problem`: what is wrong with the worker's files; "" if nothing.

    per_example, left_out: as in `Measured`, if the worker had no labels.
    """

    scores: dict[str, float | None] = {}
    tables: dict[str, TableFacts] = {}
    problem: str = ""
    per_example: str = ""
    left_out: dict[str, str] = {}


def save_predictions(outputs: Array, staging: Path) -> str:
    """Write the outputs (n, ...) to a file, and return its hash.

    The file is in the staging folder. If its disk is full, or if it was removed during the trial, it is among the
    temporary files, so that a long training is not lost. Raises OSError if neither works.
    """
    import numpy as np

    last = _places(staging)[-1]
    for path in _places(staging):
        try:
            np.save(path, outputs, allow_pickle=False)
            return _file_sha256(path)
        except OSError:
            _remove(path)
            if path == last:
                raise
    raise AssertionError("there is always a place")


def _places(staging: Path) -> tuple[Path, Path]:
    """Return where the file of predictions may be. Worker and parent know it, so neither has to trust the other."""
    return staging / PREDICTIONS, Path(tempfile.gettempdir()) / f"zoo-{staging.name}-{PREDICTIONS}"


def remove_predictions(staging: Path) -> None:
    """Remove the file of predictions, which is no artifact, or whatever the trial's code put in its place."""
    for path in _places(staging):
        _remove(path)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def _file_sha256(path: Path) -> str:
    with open_regular(path, follow_links=False) as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _sha256_or_nothing(path: Path) -> str:
    """Return the hash of a file; "" for one that the trial's code removed, or replaced by a link, pipe or folder.

    Raises OSError for a fault of the machine.
    """
    try:
        return _file_sha256(path)
    except OSError as error:
        if not is_files_fault(error):
            raise
        return ""


def score_predictions(job: ScoreJob) -> dict[str, Any]:
    """Score the predictions of a trial in this process, which never imports the model. Returns a `Scored`."""
    import numpy as np

    from zoo_core.data.open import open_data
    from zoo_core.protocols import Context
    from zoo_core.recipe import Recipe
    from zoo_core.runner.build import prepare_task
    from zoo_core.runner.evaluation import finite_scores, table_facts
    from zoo_core.runner.job_specs import find_task_and_dataset

    path = next((path for path in _places(Path(job.staging)) if _sha256_or_nothing(path) == job.sha256), None)
    if path is None:
        return asdict(Scored(problem="the file of predictions is not the one that was handed over"))
    spec, dataset = find_task_and_dataset(job)
    root = Path(job.data_root) if job.data_root else None
    ctx = Context(seed=job.seed, cache=own_cache(job.task), data_root=root, offline=job.offline)
    data = open_data(dataset, ctx, job.fingerprint, job.code.dataset if job.code else None)
    data.unseal()
    task: Any = prepare_task(spec, ctx, data, Recipe(job.recipe))  # of a kind that is scored apart: it has `score`
    evaluation = task.score(np.load(path, allow_pickle=False), "test")
    if job.hidden:
        return asdict(_keep_results(evaluation, Path(job.staging)))
    scored = Scored(
        scores=finite_scores(evaluation.scores),
        tables=table_facts(evaluation.tables),
        problem=_compare_rows(Path(job.staging), job.per_example, evaluation.per_example),
    )
    return asdict(scored)


def _keep_results(evaluation: Evaluation, staging: Path) -> Scored:
    """Write the results by example, as the worker would have done with the labels."""
    from zoo_core.runner.artifacts import Artifacts
    from zoo_core.runner.evaluation import finite_scores

    kept = Artifacts(staging)
    kept.keep_tables(evaluation.tables)
    kept.keep_per_example(evaluation.per_example)
    return Scored(
        scores=finite_scores(evaluation.scores),
        tables=kept.tables,
        per_example=kept.per_example,
        left_out=kept.left_out,
    )


def _compare_rows(staging: Path, name: str, expected: Mapping[str, Array]) -> str:
    """Return which array in the worker's file of results by example differs from the expected one; "" if none does."""
    import numpy as np

    if not name or not staging.is_dir():  # too large to be kept, or the results folder was moved meanwhile
        return ""
    try:
        with np.load(staging / name, allow_pickle=False) as found:
            arrays: dict[str, Array] = dict(found)
    except Exception as error:  # the worker's file may hold anything, and claim any size
        if machine_error_of(error) is not None:
            raise
        return f"the results by example cannot be read ({reason_of(error)})"
    for key in sorted({*arrays, *expected}):
        if key not in arrays or key not in expected or not _same_array(arrays[key], expected[key]):
            return f"results by example, {key}"
    return ""


def _same_array(left: Array, right: Array) -> bool:
    import numpy as np

    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    if left.dtype.kind in "fc":
        return bool(np.allclose(left, right, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True))
    return bool(np.array_equal(left, right))


def check_score(job: TrialJob, result: WorkerResult, executor: LocalExecutor) -> Checked:
    """Score the predictions of a finished trial again, and return the trial's status. Raises no error.

    If the second process fails, or Ctrl-C ends it, the trial is `interrupted`: the next call runs it again. An earlier
    Ctrl-C, such as during the extras, does not prevent the scoring.
    """
    done = result.trial_done
    assert done is not None  # a trial with the status ok
    score_job = ScoreJob(
        **{**asdict(job), "device": "cpu", "max_memory_mib": 0},
        sha256=result.order.predicted,
        per_example=done.measured.per_example,
        hidden=hides_labels(job),
    )
    if score_job.hidden:
        remove_made_from_decoys(Path(job.staging))
    try:
        with deferred_interrupts() as interrupts, interrupts.set_aside():
            scored = executor.run(score_job, timeout_s=max(LEAST_TIMEOUT_S, TIMEOUT_FACTOR * result.wall_s))
        if scored.interrupted:
            return Checked(status="interrupted", reason="stopped while the predictions were scored")
        if scored.job_result is None:
            return _not_scored(_why_not(scored), is_fault=_met_fault(scored))
        found = msgspec.convert(scored.job_result.value, Scored)
    except (OSError, ZooError, msgspec.ValidationError) as error:  # such as no process could be started
        fault = machine_error_of(error)
        return _not_scored(str(fault or error), is_fault=fault is not None)
    if score_job.hidden and not found.problem:
        return _take_over(found, result)
    if difference := _find_difference(found, done.measured):
        result.order.cheat = f"the worker's results are not those of its predictions: {difference}"
        return Checked(status="error", reason=result.order.cheat)
    return Checked()


def _take_over(scored: Scored, result: WorkerResult) -> Checked:
    """Put the results of the second process in the place of the worker's, which had no labels."""
    done = result.trial_done
    assert done is not None
    measured = replace(
        done.measured,
        scores=scored.scores,
        tables=scored.tables,
        per_example=scored.per_example,
        pictures={},
        texts={},
        left_out={**done.measured.left_out, **scored.left_out, HIDDEN_LABELS: NO_PICTURES},
    )
    result.trial_done = replace(done, measured=measured)
    if None in scored.scores.values():
        names = ", ".join(name for name, value in scored.scores.items() if value is None)
        return Checked(status="diverged", reason=f"not a finite number on test: {names}")
    return Checked()


def _met_fault(result: WorkerResult) -> bool:
    return result.job_failed is not None and result.job_failed.error == MachineError.__name__


def _why_not(scored: WorkerResult) -> str:
    if scored.job_failed is not None:
        return scored.job_failed.reason
    return "it took too long" if scored.timed_out else f"its process ended: {exit_reason(scored.exit_code)}"


def _not_scored(why: str, *, is_fault: bool) -> Checked:
    reason = f"the predictions could not be scored, run the command again: {why}"
    return Checked(status="interrupted", reason=reason, fault=why if is_fault else "")


def _find_difference(scored: Scored, claimed: Measured) -> str:
    """Return the first result in which the two processes differ; "" if none."""
    if scored.problem and not scored.scores:
        return scored.problem
    for name in sorted({*scored.scores, *claimed.scores}):
        expected, found = scored.scores.get(name), claimed.scores.get(name)
        if not _same(expected, found):
            return f"{name} is {_shown(expected)}, not {_shown(found)}"
    for name, table in claimed.tables.items():  # a table that was too large is not there
        if name not in scored.tables or not _same(msgspec.to_builtins(scored.tables[name]), msgspec.to_builtins(table)):
            return f"table {name}"
    return scored.problem


def _same(left: Any, right: Any) -> bool:
    """Return whether two JSON values are equal, up to rounding of numbers."""
    if isinstance(left, float) and isinstance(right, int | float):
        return math.isclose(left, right, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)


def _shown(value: float | None) -> str:
    return "no number" if value is None else f"{value:.6g}"
