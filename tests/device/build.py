"""Builds the test accelerator `openreg` for this Python and this torch: `python tests/device/build.py [FOLDER]`.

Without a folder it is built where the tests look for it, unless it is there. Afterwards `PYTHONPATH=FOLDER zoo doctor`
names the device. Takes half a minute; needs a C++ compiler and ninja. See `openreg/README.md`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("openreg")
CACHE = Path(__file__).resolve().parents[2] / "build"  # which git ignores
CORES = "2"  # for the compiler, which has one file to compile
METADATA = "Metadata-Version: 2.1\nName: torch-openreg\nVersion: 1\n"
ENTRY_POINTS = "[torch.backends]\nopenreg = torch_openreg:autoload\n"


def missing() -> str:
    """Return what the build needs and this machine lacks; "" if it can be built."""
    if sys.platform != "linux":
        return "the test accelerator is built on Linux only"
    if not any(map(shutil.which, (os.environ.get("CXX", "c++"), "g++", "clang++"))):
        return "no C++ compiler: apt-get install g++"
    scripts = Path(sys.executable).parent  # of a virtual environment that is not activated
    if not (shutil.which("ninja") or shutil.which("ninja", path=str(scripts))):
        return "no ninja: pip install ninja"
    return ""


def identity() -> str:
    """Return a hash of what decides the result: the sources, torch and Python."""
    from importlib.metadata import version

    digest = hashlib.sha256(f"{version('torch')} {sys.version}".encode())
    for path in sorted(path for path in SOURCE.rglob("*") if path.suffix in (".cpp", ".h", ".py")):
        digest.update(path.relative_to(SOURCE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def build(target: Path) -> None:
    """Compile and install the package into an empty or new folder. Raises RuntimeError with the compiler's words."""
    os.environ.setdefault("MAX_JOBS", CORES)
    os.environ["PATH"] += os.pathsep + str(Path(sys.executable).parent)
    from torch.utils.cpp_extension import load

    with tempfile.TemporaryDirectory() as work:
        load(
            name="_C",
            sources=[str(SOURCE / "openreg.cpp")],
            build_directory=work,
            extra_cflags=["-O1", "-Wno-deprecated-declarations"],
            is_python_module=False,
        )
        package, info = target / "torch_openreg", target / "torch_openreg-1.dist-info"
        shutil.copytree(SOURCE / "torch_openreg", package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(Path(work) / "_C.so", package / "_C.so")
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(ENTRY_POINTS)


def folder() -> Path:
    """Return where the tests look for the package that belongs to these sources and this torch."""
    return CACHE / f"test-accelerator-{identity()}"


def built() -> Path:
    """Return the folder of the package for PYTHONPATH; build it if it is not there. Raises RuntimeError.

    It is built in another process, because torch keeps what it has loaded.
    """
    if folder().is_dir():
        return folder()
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as parent:
        new = Path(parent) / "new"
        done = subprocess.run([sys.executable, __file__, str(new)], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"the test accelerator cannot be built:\n{done.stdout}{done.stderr}")
        try:
            new.rename(folder())
        except OSError:  # another process was faster
            if not folder().is_dir():
                raise
    return folder()


def main(words: list[str]) -> int | str:
    if len(words) > 1 or words[:1] in (["-h"], ["--help"]):
        return str(__doc__)
    if reason := missing():
        return reason
    if words:
        build(Path(words[0]))
    sys.stdout.write(f"PYTHONPATH={words[0] if words else built()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
