"""What a trial in the sandbox sees: the arguments for bubblewrap, and the environment variables.

What is not listed here is not there. Only the trial's staging folder and folders in memory can be written.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from zoo_core.entries.unpackaged import PICKLE
from zoo_core.files import cache_dir, own_cache, user_home
from zoo_core.runner.events import ScoreJob, TrialJob
from zoo_core.runner.hidden_labels import hides_labels, shown_in_place

SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"),
    *("/opt/cuda", "/opt/rocm", "/nix/store", "/sys/devices/system"),
)
CONFIGURATION = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts", "localtime", "mime.types")
DEVICES = ("nvidia*", "dri", "kfd")
VARIABLES = (  # the beginnings of their names
    *("LANG", "LC_", "TZ", "PATH", "LD_LIBRARY_PATH", "PYTHONHASHSEED", "ZOO_LOAD_PLUGINS"),
    *("OMP_", "MKL_", "OPENBLAS_", "KMP_", "GOMP_", "THP_", "KINETO_", "TORCH", "PYTORCH_"),
    *("CUDA", "CUBLAS_", "NVIDIA_", "ROCR_", "HIP_"),
)
TEMPORARY, SHARED_MEMORY = "/tmp", "/dev/shm"  # noqa: S108 - the sandbox's own
HOME = "/home/sandbox"  # where the user has none


def environment() -> dict[str, str]:
    """Return the environment variables in the sandbox: those that decide how torch computes, and no other."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(VARIABLES)}
    home = str(user_home() or HOME)
    return {**kept, "HOME": home, "TMPDIR": TEMPORARY, "USER": "sandbox", "ZOO_CACHE": str(cache_dir())}


def arguments(job: TrialJob | None, paths: Sequence[str], *, memory: int = 2**30) -> list[str]:
    """Return the arguments of bubblewrap for a job; without one, only those that separate it from the system.

    paths: Python's search path in the sandbox. memory: half of it is the size of each folder in memory.
    """
    options = known_options()
    found = ["--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--hostname", "sandbox"]
    if "--disable-userns" in options:
        found += ["--disable-userns"]
    if job is None:
        return found
    size = ["--size", str(memory // 2)] if "--size" in options else []
    found += [*_system(), "--proc", "/proc", "--dev", "/dev"]
    if job.device != "cpu":
        found += _devices()
    home = str(user_home() or HOME)
    for folder in (SHARED_MEMORY, TEMPORARY, home):
        found += [*size, "--tmpfs", folder]
    for path in _code(job, paths):
        found += ["--ro-bind-try", path, path]
    found += _mask_of_data_root(job)
    found += _cache(job, size)
    for path in filter(None, ("" if hides_labels(job) else job.data_root, job.weights)):
        found += ["--ro-bind", path, path]
    if job.log_folder:
        found += ["--bind", job.staging, job.staging]
    elif isinstance(job, ScoreJob):
        found += ["--bind" if job.hidden else "--ro-bind", job.staging, job.staging]
    return [*found, "--chdir", TEMPORARY]


def known_options() -> str:
    """Return the help of bubblewrap, which names the options that this version has."""
    found = shutil.which("bwrap")
    return subprocess.run([found, "--help"], capture_output=True, text=True, check=False).stdout if found else ""


def _system() -> Iterator[str]:
    for path in map(Path, SYSTEM):
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.exists():
            yield from ("--ro-bind", str(path), str(path))
    for name in CONFIGURATION:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")


def _devices() -> list[str]:
    found = ["--ro-bind", "/sys", "/sys"]
    for pattern in DEVICES:
        for path in Path("/dev").glob(pattern):
            found += ["--dev-bind", str(path), str(path)]
    return found


def _code(job: TrialJob, paths: Sequence[str]) -> list[str]:
    """List the folders of Python and of installed packages, and the files of the trial's own code."""
    python = [sys.prefix, sys.base_prefix, sys.exec_prefix, sysconfig.get_path("stdlib")]
    files = [*job.code.files] if job.code else []
    model = job.model.rpartition(":")[0]
    if Path(model).is_absolute() and not model.endswith(PICKLE):
        files.append(model)
    folders = [path for path in (*paths, *_plugins()) if _may_be_seen(Path(path))]
    return list(dict.fromkeys([*python, *folders, *files]))


def _mask_of_data_root(job: TrialJob) -> list[str]:
    """Hide a data root that lies in a folder of code, if the trial must not see its labels."""
    root = Path(job.data_root or "")
    if not hides_labels(job) or not root.is_absolute():
        return []
    shown = [Path(path) for path in (job.staging, *(job.code.files if job.code else ()))]
    if any(path.is_relative_to(root) for path in shown):
        return []
    return ["--tmpfs", str(root)] if root.is_dir() else ["--ro-bind", os.devnull, str(root)]


def _plugins() -> Iterator[str]:
    """Yield the folders of plugins that are installed in place, which are not on the search path."""
    for point in entry_points(group="zoo"):
        try:
            spec = find_spec(point.module.partition(".")[0])
        except (ImportError, ValueError):
            continue
        if spec is not None and spec.submodule_search_locations:
            yield from spec.submodule_search_locations
        elif spec is not None and spec.origin:
            yield spec.origin


def _may_be_seen(path: Path) -> bool:
    """Return whether a path of Python's may be shown: it has no more in it than code.

    The user's home, the current folder and folders around them are on the search path of some scripts.
    """
    private = [Path.cwd(), *filter(None, [user_home()])]
    return path.is_absolute() and path.exists() and not any(place.is_relative_to(path) for place in private)


def _cache(job: TrialJob, size: Sequence[str]) -> list[str]:
    """Show the cached data and weights; what the trial keeps in the cache is lost.

    size: the option that limits a folder in memory.
    """
    cache, kept = cache_dir(), own_cache(job.task)
    found = []
    hidden = hides_labels(job)
    for name in ("weights",) if hidden else ("columns", "weights"):
        if (cache / name).is_dir():
            found += ["--ro-bind", str(cache / name), str(cache / name)]
    for shown, source in shown_in_place(job) if hidden else ():
        found += ["--ro-bind", str(source), str(shown)]
    found += [*size, "--tmpfs", str(kept)]
    path = job.model.rpartition(":")[0]
    if path.endswith(PICKLE):
        found += ["--perms", "0700", "--dir", str(Path(path).parent), "--ro-bind", path, path]
    return found
