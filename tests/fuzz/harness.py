"""Runs parsers of files from outside on mutated inputs: no crash, no hang, bounded memory, and only errors on purpose.

A target is a parser that takes the path of a file, and some good inputs ("seeds"). Each file beside this one may have
`TARGETS`, targets by name. Inputs are made from the seeds, the same for the same number, and are parsed in a child with
limits on memory, time and the size of files. A parser passes if it returns or raises a ZooError. A child that ends or
hangs is replaced, and the input is kept. The files lie in memory; the next run removes those of a run that was killed.

    python tests/fuzz/harness.py --inputs 100000 [--only NAME ...] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import importlib.util
import json
import mmap
import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from zoo_core.errors import ZooError
from zoo_core.files import ALIVE, locked_file, remove_abandoned
from zoo_core.runner.processes import die_with_parent

Target = tuple[Callable[[Path], Any], list[bytes]]

HERE = Path(__file__).resolve().parent
SCRATCH = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(tempfile.gettempdir())
PREFIX = "zoo-fuzz-"  # of folders in SCRATCH
LIMIT_S = 10.0  # for one input
MEMORY_MIB = 1024  # that a child may map in addition to what it has when it starts
FILE_MIB = 256
MAX_INPUT = 1 << 20  # bytes
MAX_KEPT = 20  # findings for a target
NUMBERS = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    (1 << 63) - 1,
    1 << 63,
)
TEXTS = (
    *(b"", b"0", b"-1", b"1e308", b"nan", b"inf", b"99999", b"2147483648", b"9" * 400, b"9" * 5000, b"0x10", b"1_0"),
    *(b"\0", b"\n", b"\r\n", b",", b";", b"\t", b'"', b"'", b"[", b"]", b"{", b"}", b"[" * 2000, b"null", b"true"),
    *(b"../", b"/", b"\\", b"a" * 300, b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", "\u0660".encode(), "é".encode()),
)
ENDED = "the process ended"
PROGRESS = struct.Struct("<qdqq")  # the input that is parsed now, when that began, the peak memory in KiB, errors


@dataclass(slots=True)
class Report:
    """What happened with a target. findings: the kind and the words of each, with the input's number."""

    inputs: int = 0
    errors: int = 0  # ZooErrors: what a parser should raise
    crashes: int = 0  # and whatever else is wrong, apart from hangs
    hangs: int = 0
    peak_mib: float = 0.0
    seconds: float = 0.0
    findings: list[tuple[str, str, int]] = field(default_factory=list)


def load_targets(folder: Path = HERE) -> dict[str, Target]:
    """Import the files beside this one that have `TARGETS`."""
    found: dict[str, Target] = {}
    for path in sorted(folder.glob("*.py")):
        if path.name == "harness.py" or path.name.startswith("test_"):
            continue
        spec = importlib.util.spec_from_file_location(f"zoo_fuzz_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found |= {f"{path.stem}: {name}": target for name, target in getattr(module, "TARGETS", {}).items()}
    return found


# Inputs


def make_input(seeds: list[bytes], number: int, salt: str = "") -> bytes:
    """Make an input: first the seeds themselves, then mutations of them, and sometimes bytes at random."""
    if number < len(seeds):
        return seeds[number]
    chance = random.Random(f"{salt} {number}")
    if not seeds or chance.random() < 0.02:
        return chance.randbytes(chance.choice((0, 1, 7, 64, 1000)))
    content = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        chance.choice(MUTATIONS)(content, chance, seeds)
    return bytes(content[:MAX_INPUT])


def _place(content: bytearray, chance: random.Random) -> int:
    """Choose a place: often near the begin, where headers are."""
    size = len(content)
    return chance.randrange(min(size, 64) + 1) if chance.random() < 0.4 else chance.randrange(size + 1)


def _flip(content: bytearray, chance: random.Random, _: list[bytes]) -> None:
    if content:
        content[_place(content, chance) % len(content)] ^= 1 << chance.randrange(8)


def _byte(content: bytearray, chance: random.Random, _: list[bytes]) -> None:
    if content:
        content[_place(content, chance) % len(content)] = chance.randrange(256)


def _cut(content: bytearray, chance: random.Random, _: list[bytes]) -> None:
    del content[_place(content, chance) :]


def _delete(content: bytearray, chance: random.Random, _: list[bytes]) -> None:
    start = _place(content, chance)
    del content[start : start + chance.choice((1, 2, 4, 16, 100))]


def _repeat(content: bytearray, chance: random.Random, _: list[bytes]) -> None:
    start = _place(content, chance)
    part = content[start : start + chance.choice((1, 4, 16, 100, 1000))]
    content[start:start] = part * chance.choice((1, 2, 30))


def _number(content: bytearray, chance: random.Random, _: list[bytes]) -> None:
    start, size = _place(content, chance), chance.choice((1, 2, 4, 8))
    value = chance.choice(NUMBERS) & ((1 << 8 * size) - 1)
    content[start : start + size] = value.to_bytes(size, chance.choice(("little", "big")))


def _text(content: bytearray, chance: random.Random, _: list[bytes]) -> None:
    start = _place(content, chance)
    content[start : start + chance.choice((0, 0, 1, 4))] = chance.choice(TEXTS)


def _digits(content: bytearray, chance: random.Random, _: list[bytes]) -> None:
    """Replace a number that is written in digits."""
    places = [place for place, byte in enumerate(content[:4096]) if 48 <= byte <= 57]
    if places:
        start = end = chance.choice(places)
        while end < len(content) and 48 <= content[end] <= 57:
            end += 1
        content[start:end] = chance.choice(TEXTS[:12])


def _splice(content: bytearray, chance: random.Random, seeds: list[bytes]) -> None:
    other = chance.choice(seeds)
    content[_place(content, chance) :] = other[chance.randrange(len(other) + 1) :]


MUTATIONS = (_flip, _byte, _cut, _delete, _repeat, _number, _number, _text, _digits, _splice)


# The parent


def run_target(name: str, target: Target, *, inputs: int, keep: Path | None = None, first: int = 0) -> Report:
    """Parse `inputs` inputs, from number `first` on."""
    report, began = Report(inputs=inputs), time.perf_counter()
    remove_abandoned(SCRATCH, f"{PREFIX}*")
    with (
        tempfile.TemporaryDirectory(prefix=PREFIX, dir=SCRATCH) as temporary,
        locked_file(Path(temporary) / ALIVE),
    ):
        place = Path(temporary).resolve()
        number = first
        while number < first + inputs:
            number = _run_child(name, target, (number, first + inputs), place, report)
            if len(report.findings) >= MAX_KEPT:
                report.inputs = number - first
                break
    for kind, _, number in report.findings if keep else ():
        keep.mkdir(parents=True, exist_ok=True)
        stem = "".join(letter if letter.isalnum() else "-" for letter in f"{name}-{kind}-{number}")
        (keep / f"{stem}.bin").write_bytes(make_input(target[1], number, name))
    kinds = [kind for kind, *_ in report.findings]
    report.hangs, report.crashes = kinds.count("hang"), len(kinds) - kinds.count("hang")
    report.seconds = time.perf_counter() - began
    return report


def _run_child(name: str, target: Target, numbers: tuple[int, int], place: Path, report: Report) -> int:
    """Parse inputs in a child until the end, a crash or a hang. Return the number of the next input."""
    shared = mmap.mmap(-1, PROGRESS.size)
    shared[:] = PROGRESS.pack(numbers[0], time.monotonic(), 0, 0)
    log = place / "findings"
    log.write_bytes(b"")
    with warnings.catch_warnings(action="ignore"):  # of threads, which the child does not use
        pid = os.fork()
    if pid == 0:
        _be_the_child(name, target, numbers, place, shared)
    try:
        hung = _wait(pid, numbers[1], shared)
    except BaseException:  # Ctrl-C or SIGTERM
        _kill(pid)
        raise
    number, _, peak, errors = PROGRESS.unpack(shared[:])
    report.peak_mib, report.errors = max(report.peak_mib, peak / 1024), report.errors + errors
    report.findings += [tuple(json.loads(line)) for line in log.read_text().splitlines()]
    shared.close()
    if number >= numbers[1]:
        return number
    report.findings.append(("hang", f"more than {LIMIT_S:.0f} s", number) if hung else ("crash", ENDED, number))
    return number + 1


def _wait(pid: int, end: int, shared: mmap.mmap) -> bool:
    """Wait for a child, and kill it if an input takes too long. Return whether that was so."""
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        number, began, _, _ = PROGRESS.unpack(shared[:])
        if number < end and time.monotonic() - began > LIMIT_S:
            _kill(pid)
            return True
        time.sleep(0.005)
    return False


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


# The child


def _be_the_child(name: str, target: Target, numbers: tuple[int, int], place: Path, shared: mmap.mmap) -> NoReturn:
    try:
        die_with_parent(signal.SIGKILL)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        _limit_resources()
        faulthandler.disable()  # of pytest
        home = place / "work"
        home.mkdir(exist_ok=True)
        os.chdir(home)
        warnings.simplefilter("ignore")
        with Path(os.devnull).open("w") as nothing, (place / "findings").open("a") as log:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
            outside = _watch_writes(home)
            _parse_all(name, target, numbers, home, shared, outside, log)
    finally:
        os._exit(0)


def _limit_resources() -> None:
    import resource

    mapped_kib = next(
        int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmSize")
    )
    limits = {
        resource.RLIMIT_AS: mapped_kib * 1024 + (MEMORY_MIB << 20),
        resource.RLIMIT_FSIZE: FILE_MIB << 20,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        resource.setrlimit(kind, (limit, limit))


def _watch_writes(home: Path) -> list[str]:
    """Return a list that gets every path outside of `home` that Python writes to, makes, removes or renames."""
    outside: list[str] = []
    allowed = (str(home), os.devnull)
    changing = os.O_WRONLY | os.O_RDWR | os.O_CREAT

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            paths = [arguments[0]] if isinstance(arguments[2], int) and arguments[2] & changing else []
        elif event in ("os.mkdir", "os.remove", "os.rmdir", "os.rename", "os.link", "os.symlink", "os.truncate"):
            paths = [*arguments[:2]]
        else:
            paths = []
            if event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect"):
                outside.append(event)
        for path in paths:
            if isinstance(path, str | bytes | os.PathLike):
                real = os.path.realpath(os.fsdecode(path))
                if not real.startswith(allowed):
                    outside.append(real)

    sys.addaudithook(audit)
    return outside


def _parse_all(
    name: str, target: Target, numbers: tuple[int, int], home: Path, shared: mmap.mmap, outside: list[str], log: Any
) -> None:
    import resource

    parse, seeds = target
    begin_kib, errors = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0

    def found(kind: str, words: str, number: int) -> None:
        log.write(json.dumps([kind, words, number]) + "\n")
        log.flush()

    for number in range(*numbers):
        path = home / "input"
        path.write_bytes(make_input(seeds, number, name))
        shared[:] = PROGRESS.pack(number, time.monotonic(), _peak_kib() - begin_kib, errors)
        try:
            parse(path)
        except ZooError as error:
            errors += 1
            if "\n" in str(error) or len(str(error)) > 3000:
                found("long message", str(error)[:200], number)
        except MemoryError:
            found("memory", f"more than {MEMORY_MIB} MiB", number)
        except BaseException as error:
            found("crash", _describe(error), number)
        if outside:
            found("write outside", outside[0], number)
            outside.clear()
        for left in home.iterdir():
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
    shared[:] = PROGRESS.pack(numbers[1], time.monotonic(), _peak_kib() - begin_kib, errors)


def _peak_kib() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _describe(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = next((frame for frame in reversed(frames) if "zoo" in frame.filename), frames[-1])
    return f"{type(error).__name__}: {str(error)[:150]} ({Path(own.filename).name}:{own.lineno}, in {own.name})"


def show(name: str, report: Report) -> str:
    """Describe a report in one line, and each kind of finding in another."""
    line = (
        f"{name:44} {report.inputs:>8,} inputs {report.errors:>8,} errors {report.crashes:>3} crashes "
        f"{report.hangs:>3} hangs {report.peak_mib:>6.0f} MiB {report.inputs / max(report.seconds, 1e-9):>8,.0f}/s"
    )
    kinds: dict[tuple[str, str], list[int]] = {}
    for kind, words, number in report.findings:
        kinds.setdefault((kind, words), []).append(number)
    return "\n".join([line, *(f"    {kind}: {words} (input {found[0]})" for (kind, words), found in kinds.items())])


def main() -> int:
    """Run all targets. Return 1 if a parser failed."""
    parser = argparse.ArgumentParser(description="Run the parsers of files from outside on mutated inputs.")
    parser.add_argument("--inputs", type=int, default=2000, help="inputs for each target; 100,000 at night")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--only", action="append", default=[], help="part of the name of a target")
    parser.add_argument("--keep", type=Path, help="folder for the inputs that failed")
    words = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that `finally` runs
    failed = False
    for name, target in load_targets().items():
        if not words.only or any(part in name for part in words.only):
            report = run_target(name, target, inputs=words.inputs, keep=words.keep, first=words.first)
            failed |= bool(report.findings)
            print(show(name, report), flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
