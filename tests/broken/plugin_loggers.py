"""The class of its logger lacks two methods."""

from zoo_core import LoggerSpec, hookimpl


@hookimpl
def zoo_loggers():
    return [LoggerSpec(name="broken", summary="Half of a logger.", entry=f"{__name__}:Half")]


class Half:
    def began(self, trial): ...

    def evaluated(self, point): ...
