"""`zoo doctor`: what one pastes into a bug report."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated, Any

import typer

from zoo_core.registry import Registry
from zoo_core.ui.console import output, print_json, print_table


def doctor_command(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show versions, devices, threads, caches, and the plugins that did not load with the reason."""
    registry = Registry.load()
    facts = examine(registry)
    if as_json:
        print_json(facts)
        return
    print_table(["what", "found"], [(key, _text(value)) for key, value in facts.items() if key != "failed_plugins"])
    for plugin in registry.failed:
        output().print(
            f"\nplugin {plugin.name} {plugin.version} did not load: {plugin.reason}", style="red", markup=False
        )
        output().print(plugin.traceback, markup=False)
    if not registry.failed:
        output().print("every plugin loaded")


def examine(registry: Registry) -> dict[str, Any]:
    """The machine, the software, the devices torch sees, the cache, the failed plugins; JSON values."""
    from zoo_core.files import cache_dir
    from zoo_core.measure.environment import describe

    cache = cache_dir()
    return {
        **describe(registry.versions),
        "devices": devices(),
        "cache": str(cache),
        "cache_mib": sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) >> 20,
        "failed_plugins": [
            {"name": plugin.name, "version": plugin.version, "reason": plugin.reason, "traceback": plugin.traceback}
            for plugin in registry.failed
        ],
    }


def devices() -> list[str] | str:
    """The devices torch sees, asked in a process of its own; or why that is not known."""
    if find_spec("torch") is None:
        return "unknown: torch is not installed"
    import msgspec

    from zoo_core.errors import ZooError
    from zoo_core.measure.environment import Device
    from zoo_core.runner.events import DevicesJob
    from zoo_core.runner.executor import LocalExecutor

    try:
        found = msgspec.convert(LocalExecutor().ask(DevicesJob()), list[Device])
    except (ZooError, RuntimeError) as error:
        return f"unknown: {error}"
    return ["cpu", *(f"{device.spelling} ({device.name}, {device.memory_mib} MiB)" for device in found)]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items()) or "-"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "-")
