"""The handlers of the small jobs, which return a value. Trials and checks have modules of their own.

What needs torch is imported inside the functions: a new process that only decodes data starts ten times faster.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec

from zoo_core import hub
from zoo_core.data.downloads import digest_of, fetch
from zoo_core.data.open import open_data
from zoo_core.entries.codehash import code_of
from zoo_core.entries.loaded import watching_imports
from zoo_core.files import own_cache
from zoo_core.protocols import Context
from zoo_core.registry import Registry
from zoo_core.runner.events import (
    DevicesJob,
    EvaluateJob,
    ExportJob,
    InspectJob,
    OpenJob,
    ParametersJob,
    PredictJob,
    TryJob,
    WeightsJob,
)
from zoo_core.runner.job_specs import find_dataset


def list_devices(_: DevicesJob) -> object:
    """List the accelerators that torch can use, the current one first."""
    from zoo_core.measure.devices import accelerators

    return accelerators()


def open_dataset(job: OpenJob) -> dict[str, object]:
    """Decode a data set; return its signature, the number of examples by split, and the files left out by reason."""
    spec = find_dataset(job.dataset)
    ctx = Context(
        cache=own_cache(spec.qualified),
        data_root=Path(job.data_root) if job.data_root else None,
        offline=job.offline,
    )
    code = job.code or code_of(spec.entry)
    with watching_imports(code.files, lambda *_: None):
        data = open_data(spec, ctx, job.fingerprint, code)
    left_out = msgspec.to_builtins(data.left_out())
    return {"signature": asdict(data.signature), "sizes": data.sizes, "left_out": left_out}


def find_weights(job: WeightsJob) -> str:
    """Return the path of a model's initial weights, after fetching them if needed; "" if it has none."""
    spec = Registry.load().model_or_file(job.model)
    if spec.weights is None:
        return ""
    owner = f"the weights of model {spec.qualified}"
    remedy = "give --weights with a file, or --weights none for random initial weights"
    folder, weights = hub.weights_folder(spec), spec.weights
    if not hub.needs_pin(weights):
        return str(fetch(weights, folder, offline=job.offline, owner=owner, remedy=remedy))
    pin = hub.read_pin(weights, folder)
    if pin is not None:
        weights = replace(weights, urls=(pin.url or pin.asked,), sha256=pin.sha256)
    elif not job.offline:
        weights = hub.fix_revision(weights)
    path = fetch(weights, folder, offline=job.offline, owner=owner, remedy=remedy)
    if pin is None:
        with path.open("rb") as content:
            url = weights.urls[0] if hub.is_fixed(weights.urls[0]) else ""
            hub.save_pin(hub.Pin(asked=spec.weights.urls[0], url=url, sha256=digest_of(content)), weights, folder)
    return str(path)


def try_model(job: TryJob) -> bool:
    """Run the job's model once. Raises IncompatibleError if it cannot take the data."""
    from zoo_core.runner.tryout import try_out

    try_out(job)
    return True


def evaluate_checkpoint(job: EvaluateJob) -> dict[str, Any]:
    """Score a saved model again."""
    from zoo_core.runner import saved_models

    return saved_models.evaluate(job)


def predict_files(job: PredictJob) -> dict[str, Any]:
    """Return the predictions of a saved model for local files, as a table."""
    from zoo_core.runner import saved_models

    return asdict(saved_models.predict(job))


def export_checkpoint(job: ExportJob) -> dict[str, Any]:
    """Write a saved model into a file of another format."""
    from zoo_core.runner import exporting

    return exporting.export(job)


def describe_parameters(job: ParametersJob) -> dict[str, Any]:
    """Return the parameters of a saved model, and draw them if the job asks for it."""
    from zoo_core.runner import parameters

    return parameters.describe(job)


def inspect_model(job: InspectJob) -> dict[str, Any]:
    """Look inside a saved model: list its layers, or write pictures of one of them."""
    from zoo_core.runner.inspection import inspect_checkpoint

    return inspect_checkpoint(job)
