"""`zoo doctor`: facts about the machine and the installation, for bug reports."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated, Any

from zoo_core.cli.options import JSON
from zoo_core.registry import Registry
from zoo_core.ui.console import output, print_json, print_table
from zoo_core.ui.formats import format_value


def doctor_command(as_json: Annotated[bool, JSON] = False) -> None:
    """Show versions, devices, threads, the cache, and why plugins did not load."""
    registry = Registry.load()
    facts = collect_facts(registry)
    if as_json:
        print_json(facts)
        return
    rows = [(key, format_value(value)) for key, value in facts.items() if key != "failed_plugins"]
    print_table(["what", "found"], rows)
    for plugin in registry.failed:
        output().print(f"\nplugin {plugin.name} {plugin.version} did not load: {plugin.reason}", style="red")
        output().print(plugin.traceback)
    if not registry.failed:
        output().print("all plugins loaded")


def collect_facts(registry: Registry) -> dict[str, Any]:
    """Return machine, software, devices, cache and failed plugins as JSON values."""
    from zoo_core.files import cache_dir
    from zoo_core.measure.environment import describe

    cache = cache_dir()
    return {
        **describe(registry.versions),
        "devices": find_device_names(),
        "cache": str(cache),
        "cache_mib": sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) >> 20,
        "failed_plugins": [
            {"name": plugin.name, "version": plugin.version, "reason": plugin.reason, "traceback": plugin.traceback}
            for plugin in registry.failed
        ],
    }


def find_device_names() -> list[str] | str:
    """Return the devices that torch finds in a worker process, or the reason why they are unknown."""
    if find_spec("torch") is None:
        return "unknown: torch is not installed"
    from zoo_core.errors import ZooError
    from zoo_core.runner.devices import list_accelerators
    from zoo_core.runner.executor import LocalExecutor

    try:
        devices = list_accelerators(LocalExecutor())
    except ZooError as error:
        return f"unknown: {error}"
    return ["cpu", *(f"{device.spelling} ({device.name}, {device.memory_mib} MiB)" for device in devices)]
