"""Runs the trials of a plan on this machine, several at a time if asked: each on cores, and a device, of its own.

One trial at a time runs in the caller's thread. Several run in threads of this process, which wait for their workers.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from zoo_core.errors import UsageError
from zoo_core.measure.cores import can_pin, divide, usable_cpus, whole_cores
from zoo_core.measure.environment import Device
from zoo_core.runner.devices import find_devices, list_accelerators
from zoo_core.runner.executor import LocalExecutor
from zoo_core.runner.interrupts import deferred_interrupts
from zoo_core.runner.planned_trial import PlannedTrial
from zoo_core.runner.request import Request

POLL_S = 0.1  # until the main thread looks for a signal again


@dataclass(frozen=True, slots=True)
class Place:
    """Where a trial runs. cpus: that it is pinned to; empty for all. max_threads: 0 for as many as usable CPUs."""

    cpus: tuple[int, ...] = ()
    max_threads: int = 0


@dataclass(frozen=True, slots=True)
class Numbered:
    """A trial with its number in the run, counted from 1."""

    trial: PlannedTrial
    number: int


RunOne = Callable[[Numbered, Place], None]


def find_slots(
    words: Sequence[str], devices: Mapping[str, str], accelerators: Sequence[Device]
) -> dict[str, tuple[str, ...]]:
    """Return the devices on which the trials of each planned device may run, as torch spells them.

    words: of `--device`. devices: what they stand for, with product names. `cuda` and `auto` allow every accelerator of
    the same kind and product name, `cuda:1` only this one.
    """
    exact = {word for word in words if ":" in word}
    return {
        name: (name,)
        if name in exact or name == "cpu"
        else tuple(other.spelling for other in accelerators if (other.kind, other.name) == (_kind(name), product))
        for name, product in devices.items()
    }


def _kind(device: str) -> str:
    return device.partition(":")[0]


def require_slots(request: Request) -> None:
    """Raise UsageError if more trials than accelerators would run at a time, unless they may share them."""
    found = {device for slots in request.slots.values() for device in slots if device != "cpu"}
    if not found or "cpu" in request.devices or request.share_device or request.jobs <= len(found):
        return
    names = f"{', '.join(sorted(found))} is" if len(found) == 1 else f"{', '.join(sorted(found))} are"
    raise UsageError(
        f"--jobs {request.jobs} takes an accelerator for each trial, and only {names} there for them: give --jobs "
        f"{len(found)}, or --share-device to let trials share one, which makes their times unreliable"
    )


def with_devices(request: Request, executor: LocalExecutor) -> Request:
    """Find the devices of a request, and those on which trials may run side by side. Raises DeviceError, UsageError."""
    found = find_devices(request.devices, executor)
    if request.jobs == 1 or not set(found) - {"cpu"}:
        return replace(request, devices=[*found], device_names=found)
    accelerators = list_accelerators(executor)
    slots = find_slots(request.devices, found, accelerators)
    names = {device.spelling: device.name for device in accelerators}
    request = replace(request, devices=[*found], device_names={**names, **found}, slots=slots)
    require_slots(request)
    return request


class Places:
    """The cores and accelerators of this machine, of which each running trial takes its share.

    own_cores: whether each trial is alone on its cores. alone: the place of a trial that has the machine for itself.
    """

    def __init__(self, request: Request) -> None:
        self.jobs = request.jobs
        self._request = request
        self.alone = Place(tuple(request.cpus), request.max_threads)
        cores = whole_cores(usable_cpus())
        shares = divide(cores, self.jobs) if self.jobs > 1 and can_pin() else []
        if shares and request.threads > len(shares[0]):
            shares = []
        self.own_cores = self.jobs == 1 or bool(shares)
        threads = max(1, sum(map(len, cores)) // self.jobs) if self.jobs > 1 and not shares else 0
        self._free = [Place(cpus, threads) for cpus in shares or [()] * self.jobs]
        self._taken: Counter[str] = Counter()
        found = {device for slots in request.slots.values() for device in slots if device != "cpu"}
        self._trials_per_device = -(-self.jobs // len(found)) if found and request.share_device else 1

    @property
    def has_room(self) -> bool:
        """Whether fewer trials run than may run at a time."""
        return bool(self._free)

    def take(self, trial: PlannedTrial) -> tuple[PlannedTrial, Place] | None:
        """Take a place for a trial and return it, with the trial on the device that it got; None if none is free."""
        device = self._free_device(trial.device) if self.jobs > 1 else trial.device
        if not device:
            return None
        self._taken[device] += 1
        return trial if device == trial.device else replace(trial, device=device), self._free.pop(0)

    def give_back(self, trial: PlannedTrial, place: Place) -> None:
        """Free the place of a trial that has ended."""
        self._taken[trial.device] -= 1
        self._free.append(place)

    def _free_device(self, planned: str) -> str:
        """Return the free device with the fewest trials on it; "" if there is none."""
        if planned == "cpu":
            return planned
        free = [
            device
            for device in self._request.slots.get(planned, (planned,))
            if self._taken[device] < self._trials_per_device
        ]
        return min(free, key=self._taken.__getitem__, default="")


def run_trials(
    trials: Sequence[PlannedTrial], places: Places, run_one: RunOne, ends_s: float | None = None
) -> tuple[bool, int]:
    """Call `run_one` for each trial, in order, up to `places.jobs` at a time; begin none after `ends_s`.

    ends_s: by the clock of `time.monotonic`. Return whether a signal ended the run, and how many trials did not begin.
    """
    waiting = [Numbered(trial, number) for number, trial in enumerate(trials, 1)]
    if places.jobs > 1:
        return _run_side_by_side(waiting, places, run_one, ends_s), len(waiting)
    while waiting and not _is_over(ends_s):
        with deferred_interrupts() as interrupts:  # until its record is saved
            run_one(waiting.pop(0), places.alone)
        if interrupts.requested:
            return True, len(waiting)
    return False, len(waiting)


def _is_over(ends_s: float | None) -> bool:
    return ends_s is not None and time.monotonic() > ends_s


def _run_side_by_side(waiting: list[Numbered], places: Places, run_one: RunOne, ends_s: float | None) -> bool:
    """Run trials in threads. A signal ends the running ones, whose records say so, and begins no more."""
    with deferred_interrupts() as interrupts, ThreadPoolExecutor(places.jobs) as pool:
        running: dict[Future[None], tuple[PlannedTrial, Place]] = {}
        try:
            while True:
                if not interrupts.requested and not _is_over(ends_s):
                    running |= _begin_all(waiting, places, run_one, pool)
                if not running:
                    return interrupts.requested
                for future in wait(running, POLL_S, FIRST_COMPLETED).done:
                    places.give_back(*running.pop(future))
                    future.result()  # raises what is no result of a trial
        except BaseException:
            interrupts.requested = True  # ends the others
            raise


def _begin_all(
    waiting: list[Numbered], places: Places, run_one: RunOne, pool: ThreadPoolExecutor
) -> dict[Future[None], tuple[PlannedTrial, Place]]:
    """Begin the waiting trials that have a place, the first ones first. Remove them from the list."""
    begun, index = {}, 0
    while index < len(waiting) and places.has_room:
        taken = places.take(waiting[index].trial)
        if taken is None:  # its device is busy; a later one may need another
            index += 1
            continue
        item = waiting.pop(index)
        begun[pool.submit(run_one, Numbered(taken[0], item.number), taken[1])] = taken
    return begun
