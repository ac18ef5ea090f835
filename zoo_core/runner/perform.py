"""Performs a trial that another machine planned: plans it here, compares, runs it, and packs what it left."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import msgspec

from zoo_core.errors import MachineError, PluginError, UsageError
from zoo_core.registry import Pair, Registry
from zoo_core.results.store import Store
from zoo_core.runner.core_leases import leased_cores
from zoo_core.runner.devices import find_devices
from zoo_core.runner.executor import LocalExecutor
from zoo_core.runner.grid import as_one_value
from zoo_core.runner.listener import NoDisplay
from zoo_core.runner.pair_recipe import pair_parameters
from zoo_core.runner.plan import make_plan
from zoo_core.runner.planned_trial import PlannedTrial, portable_key
from zoo_core.runner.preflight import download_unpinned_weights
from zoo_core.runner.remote_trial import RemoteTrial, code_of, differences, pack, versions_of
from zoo_core.runner.request import Request
from zoo_core.runner.run import Run

SAME = "install the same versions on all machines"


def perform(content: str) -> bytes:
    """Run the trial of a `RemoteTrial` in JSON, and return its record and files, packed.

    Raises UsageError if anything here differs from what was planned, and the errors of a local run: DataError,
    MachineError, KeyboardInterrupt.
    """
    wanted = msgspec.json.decode(content, type=RemoteTrial)
    plugins = {name.partition(":")[0] for name in (wanted.task, wanted.dataset, wanted.model)}
    registry, executor = Registry.load(plugins), LocalExecutor()
    with tempfile.TemporaryDirectory(prefix="zoo-trial-") as folder, leased_cores(wanted.max_threads) as cpus:
        store = Store(Path(folder))
        request = _make_request(wanted, registry)
        found = find_devices(request.devices, executor)
        request = replace(request, devices=[*found], device_names=found, cpus=cpus, max_threads=wanted.max_threads)
        download_unpinned_weights(request, executor)  # the key holds their hash
        plan = make_plan(request, registry, store)
        (trial,) = plan.todo
        _require_same(wanted, trial, registry)
        outcome = Run(plan, store, executor, registry.versions, NoDisplay()).run()
        for fault in outcome.faults:
            raise MachineError(fault)
        if outcome.interrupted:
            raise KeyboardInterrupt
        (record,) = outcome.new
        return pack(record, store.artifacts(record))


def _make_request(wanted: RemoteTrial, registry: Registry) -> Request:
    """Make the request of one trial. Raises UsageError if a plugin is missing or another version here."""
    plugins = {f"plugin {name}": version for name, version in registry.versions.items()}
    named = {name: version for name, version in wanted.versions.items() if name.startswith("plugin ")}
    if differ := differences(named, plugins):
        failed = "".join(f"; plugin {item.name} did not load: {item.reason}" for item in registry.failed)
        raise UsageError(f"{'; '.join(differ)}: {SAME}{failed}")
    task = registry.task(wanted.task)
    pair = Pair(task, registry.model(wanted.model, task))
    params = pair_parameters(pair.task, pair.model)
    left_out = {key: param.unset for key, param in params.items() if param.unset is not None}
    return Request(
        pairs=[pair],
        seeds=[wanted.seed],
        devices=[wanted.device],
        dataset=wanted.dataset,
        offline=wanted.offline,
        data_root=Path(wanted.data_root) if wanted.data_root else None,
        overrides=as_one_value(params, {**left_out, **wanted.recipe}),
        budget_s=wanted.budget_s,
        timeout_s=wanted.timeout_s,
        dtype=wanted.dtype,
        compiled=wanted.compiled,
        threads=wanted.threads,
        force=True,
        weights=wanted.weights,
        save=wanted.save,
        onnxruntime=wanted.onnxruntime,
        inspect=wanted.inspect,
        profile=wanted.profile,
        sandbox=wanted.sandbox,
        max_memory_mib=wanted.max_memory_mib,
        command=wanted.command,
    )


def _require_same(wanted: RemoteTrial, trial: PlannedTrial, registry: Registry) -> None:
    """Raise UsageError, which says what differs, unless this is the experiment that was planned elsewhere."""
    differ = differences(wanted.versions, versions_of(trial, registry.versions))
    differ += differences(wanted.code, code_of(trial))
    differ += differences({"data": wanted.fingerprint}, {"data": trial.fingerprint})
    if differ:
        raise UsageError(f"{'; '.join(differ)}: {SAME}")
    if portable_key(trial) != wanted.experiment:
        raise PluginError("the trial that was planned here is another experiment than the one that was sent")
