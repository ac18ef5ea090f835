"""The class of its executor lacks two methods."""

from zoo_core import ExecutorSpec, hookimpl


@hookimpl
def zoo_executors():
    return [ExecutorSpec(name="broken", summary="A third of an executor.", entry=f"{__name__}:Third")]


class Third:
    def submit(self, work): ...
