"""Makes a request from what a person asked for: the options of `zoo bench`, or the arguments of `zoo.bench`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo_core.registry import Registry
from zoo_core.runner.naming import name_models
from zoo_core.runner.request import Request, choose_loggers, make_request
from zoo_core.ui import parsing

NO_TIMEOUT = "none"  # the value of `--timeout` for no limit


def request_from(registry: Registry, asked: Mapping[str, Any], *, command: str, dashes: str = "--") -> Request:
    """Make a request. Values that people write as text are parsed here; None stands for a missing one.

    asked: by the names of the parameters of `bench_command`. dashes: before the names of options in errors.
    Raises UsageError.
    """
    given = dict(asked)
    tasks, models = given.pop("tasks") or [], given.pop("model") or []
    named = name_models(registry, tasks, models, given.pop("name"))
    timeout, dtype = str(given.pop("timeout")), given.pop("dtype")

    def seconds(option: str, text: Any) -> float | None:
        return parsing.parse_duration(f"{dashes}{option}", str(text)) if text else None

    return make_request(
        registry,
        tasks,
        named,
        exclude=given.pop("exclude") or [],
        settings=given.pop("settings") or {},
        seeds=parsing.parse_seeds(given.pop("seeds")),
        devices=given.pop("device") or ["auto"],
        budget_s=seconds("budget", given.pop("budget")),
        timeout_s=seconds("timeout", "" if timeout == NO_TIMEOUT else timeout),
        default_timeout=not timeout,
        limit_s=seconds("limit", given.pop("limit")),
        dtype=parsing.parse_dtype(dtype) if dtype else "",
        profile=parsing.parse_profile(given.pop("profile")),
        max_memory_mib=parsing.parse_memory(f"{dashes}max-memory", str(given.pop("max_memory"))),
        loggers=choose_loggers(registry, given.pop("log") or []),
        command=command,
        **given,
    )
