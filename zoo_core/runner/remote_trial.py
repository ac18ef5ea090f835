"""A trial as text, for another machine: names and JSON values, and what must be the same there."""

from __future__ import annotations

import io
import platform
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from zoo_core.entries.unpackaged import PLUGIN as UNPACKAGED
from zoo_core.errors import DamagedRecordError, UsageError, ZooError
from zoo_core.measure.environment import installed_version
from zoo_core.results import records
from zoo_core.results.records import JsonStruct, Record
from zoo_core.runner.planned_trial import PlannedTrial, portable_key
from zoo_core.specs import NO_WEIGHTS

COMPARED = ("zoo-core", "torch", "numpy")  # packages whose versions must be the same on all machines
MAX_FILES, MAX_FILE_BYTES = 10_000, 2**31  # of the artifacts of a trial, all together


class RemoteTrial(JsonStruct, frozen=True, kw_only=True):
    """One trial for another machine. Names are qualified; the fields are those of a `Request` and a `TrialJob`.

    versions: of Python, of packages and of plugins, which must be the same there. code: hashes of the code of the
    model, the data set and the task. experiment: the key without the device's name. device: a device class.
    """

    task: str
    dataset: str
    model: str
    recipe: dict[str, Any]
    seed: int
    device: str
    versions: dict[str, str]
    code: dict[str, str]
    fingerprint: str
    experiment: str
    dtype: str
    compiled: bool
    threads: int
    max_threads: int
    budget_s: float | None
    timeout_s: float | None
    max_memory_mib: int
    data_root: str | None
    offline: bool
    weights: str
    save: bool
    onnxruntime: bool
    inspect: bool
    profile: Literal["", "time", "memory"]
    sandbox: bool
    command: str


class Packed(JsonStruct, frozen=True, kw_only=True):
    """What a trial left: the JSON of its record, and its artifacts as a tar archive."""

    record: bytes
    files: bytes


def to_remote(trial: PlannedTrial, plugins: Mapping[str, str], *, max_threads: int) -> RemoteTrial:
    """Write a planned trial as text. plugins: the versions of the installed plugins.

    Raises UsageError for what other machines do not have: a model without a package, and a file with weights.
    """
    request = trial.request
    if trial.model.plugin == UNPACKAGED:
        raise UsageError(
            f"model {trial.model.name} is in no plugin, so other machines do not have it: put it into a package "
            "(`zoo new`) that is installed on all of them"
        )
    if request.weights not in ("", NO_WEIGHTS):
        raise UsageError("--weights FILE does not go with --executor: other machines do not have the file")
    return RemoteTrial(
        task=trial.task.qualified,
        dataset=trial.dataset.qualified,
        model=trial.model.qualified,
        recipe=dict(trial.recipe),
        seed=trial.seed,
        device=trial.device_class,
        versions=versions_of(trial, plugins),
        code=code_of(trial),
        fingerprint=trial.fingerprint,
        experiment=portable_key(trial),
        dtype=trial.dtype,
        compiled=request.compiled,
        threads=request.threads,
        max_threads=max_threads,
        budget_s=request.budget_s,
        timeout_s=trial.timeout_s,
        max_memory_mib=request.max_memory_mib,
        data_root=str(request.data_root.expanduser().absolute()) if request.data_root else None,
        offline=request.offline,
        weights=request.weights,
        save=request.save,
        onnxruntime=request.onnxruntime,
        inspect=request.inspect,
        profile=request.profile,
        sandbox=request.sandbox,
        command=request.command,
    )


def versions_of(trial: PlannedTrial, plugins: Mapping[str, str]) -> dict[str, str]:
    """Return the versions on this machine that decide a trial's result."""
    involved = {trial.task.plugin, trial.dataset.plugin, trial.model.plugin}
    packages = {name: installed_version(name) for name in COMPARED}
    return {
        "Python": ".".join(platform.python_version_tuple()[:2]),
        **packages,
        **{f"plugin {name}": plugins.get(name, "") for name in sorted(involved)},
    }


def code_of(trial: PlannedTrial) -> dict[str, str]:
    """Return the hashes of the trial's code and metadata on this machine."""
    code = trial.code
    return {
        "code of the model": code.model.sha256,
        "code of the data set": code.dataset.sha256,
        "code of the task": code.task.sha256,
        "metadata of task, data set and model": trial.specs,
    }


def differences(there: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """Say what differs between the caller's machine, `there`, and this one: `torch: 2.9 there, 2.10 here`."""
    return [
        f"{name}: {_short(value)} where the run was started, {_short(here.get(name, ''))} here"
        for name, value in there.items()
        if here.get(name, "") != value
    ]


def _short(value: str) -> str:
    return value[:12] or "none"


def pack(record: Record, artifacts: Path) -> bytes:
    """Pack a record and the regular files in the folder of its artifacts."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for path in sorted(artifacts.rglob("*")) if artifacts.is_dir() else ():
            if path.is_file() and not path.is_symlink():
                archive.add(path, path.relative_to(artifacts).as_posix(), recursive=False)
    return msgspec.msgpack.encode(Packed(record=records.encode(record), files=content.getvalue()))


def unpack(content: bytes, folder: Path) -> Record:
    """Return the record, and write its artifacts into a folder. Nothing in the content is trusted.

    Raises DamagedRecordError; the folder may then hold some of the files.
    """
    try:
        packed = msgspec.msgpack.decode(content, type=Packed)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise DamagedRecordError(f"it is no packed trial: {error}") from error
    record = records.decode(packed.record)
    try:
        with tarfile.open(fileobj=io.BytesIO(packed.files), mode="r:") as archive:
            _extract(archive, folder)
    except (tarfile.TarError, ValueError, ZooError) as error:
        raise DamagedRecordError(f"its files cannot be unpacked: {error}") from error
    return record


def _extract(archive: tarfile.TarFile, folder: Path) -> None:
    """Extract regular files only, not outside of the folder, and not without end. Raises DamagedRecordError."""
    files = total = 0
    for member in archive:
        files, total = files + 1, total + member.size
        if files > MAX_FILES or total > MAX_FILE_BYTES or not member.isreg():
            raise DamagedRecordError(f"{member.name!r} is no regular file, or there are too many bytes or files")
        archive.extract(member, folder, filter="data")
