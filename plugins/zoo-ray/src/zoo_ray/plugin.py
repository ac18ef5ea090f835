"""Contents of zoo-ray: the executor `ray`. Imports no ray."""

from __future__ import annotations

from zoo_core import ExecutorSpec, hookimpl


@hookimpl
def zoo_executors() -> list[ExecutorSpec]:
    return [
        ExecutorSpec(
            name="ray",
            summary="Tasks of Ray, each with CPUs and a GPU of its own, on this machine or a cluster",
            address="auto for the cluster of this machine, or HOST:PORT; by default RAY_ADDRESS or a new cluster",
            needs=("ray",),
            entry="zoo_ray.executor:RayExecutor",
        )
    ]
