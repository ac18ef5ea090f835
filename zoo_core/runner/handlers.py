"""The handlers of the small jobs, which return a value. Trials and checks have modules of their own.

What needs torch is imported inside the functions: a new process that only decodes data starts ten times faster.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from zoo_core.data.downloads import fetch
from zoo_core.data.open import open_data
from zoo_core.files import cache_dir, own_cache, portable
from zoo_core.protocols import Context
from zoo_core.registry import Registry
from zoo_core.runner.events import DevicesJob, EvaluateJob, OpenJob, PredictJob, TryJob, WeightsJob


def list_devices(_: DevicesJob) -> object:
    """List the accelerators that torch can use, the current one first."""
    from zoo_core.measure.devices import accelerators

    return accelerators()


def open_dataset(job: OpenJob) -> dict[str, object]:
    """Decode a data set; return its signature, the number of examples by split, and the files left out by reason."""
    spec = Registry.load().dataset(job.dataset)
    ctx = Context(
        cache=own_cache(spec.qualified),
        data_root=Path(job.data_root) if job.data_root else None,
        offline=job.offline,
    )
    data = open_data(spec, ctx, job.fingerprint)
    left_out = msgspec.to_builtins(data.left_out)
    return {"signature": asdict(data.signature), "sizes": data.sizes, "left_out": left_out}


def find_weights(job: WeightsJob) -> str:
    """Return the path of a model's initial weights, after fetching them if needed; "" if it has none."""
    spec = Registry.load().model(job.model)
    if spec.weights is None:
        return ""
    owner = f"the weights of model {spec.qualified}"
    remedy = "give --weights with a file, or --weights none for random initial weights"
    folder = cache_dir() / "weights" / portable(spec.qualified)
    return str(fetch(spec.weights, folder, offline=job.offline, owner=owner, remedy=remedy))


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
