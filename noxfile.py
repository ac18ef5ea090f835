"""Nox sessions for development. All but `listing` and `lowest` share one virtual environment, `.venv`.

The first session creates it. They share one because torch alone takes 5 GB.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import sys
from pathlib import Path

import nox
from nox.command import CommandFailed

ROOT = Path(__file__).parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON, ZOO = BIN / "python", BIN / "zoo"
MAX_JOBS = 4  # processes with torch, each of which takes a core and about 2 GB of memory
PACKAGES = [*sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml")), ROOT / "leaderboard"]

# The tests of one file share trained models and sites, so one worker takes them all. The slowest files come first.
PARALLEL = ["-n", str(min(os.cpu_count() or 1, MAX_JOBS)), "--dist", "loadfile", "--no-loadscope-reorder"]

MIN_COVERAGE_PCT = 80  # of lines and branches

# The demo trains these tasks and models with one seed and all others with three, to be done in minutes.
ONE_SEED = (
    *("autograd", "cats-and-dogs", "char-rnn", "compression", "denoising", "generation", "matmul", "metric-learning"),
    *("optimizers", "road-signs", "sign-language", "sobel", "two-classes", "word2vec"),
    *("fcn-squeezenet", "fpn*", "linknet*", "pspnet*", "segnet*", "small-scratch", "small-transfer"),
)

# pip would compile all modules on one core. On all cores, and without the packages' own tests, that takes a third.
COMPILE = """
import compileall, re, sysconfig
compileall.compile_dir(sysconfig.get_path("purelib"), quiet=2, workers=0, rx=re.compile(r"[/\\\\]tests?[/\\\\]"))
"""

nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "none"


def set_up(session: nox.Session) -> None:
    """Create `.venv` and install the project into it. Do nothing if nothing has changed since the last call."""
    files = [ROOT / "pyproject.toml", *(package / "pyproject.toml" for package in PACKAGES)]
    versions = f"{platform.python_version()} {core_version()}".encode()
    state = hashlib.sha256(b"".join([versions, *(path.read_bytes() for path in files)])).hexdigest()
    stamp = VENV / "zoo-set-up"
    if stamp.is_file() and stamp.read_text() == state:
        return
    session.log("setting up .venv; torch is large, so this takes some minutes")
    if not PYTHON.exists():
        session.run(sys.executable, "-m", "venv", str(VENV), external=True)
    editable = [argument for package in PACKAGES for argument in ("-e", str(package))]
    pip = ("-m", "pip", "install", "-q", "--disable-pip-version-check")
    run(session, *pip, "hatchling>=1.26", "editables>=0.5")  # else pip installs them for each package apart
    run(session, *pip, "--no-compile", "--no-build-isolation", "-e", f"{ROOT}[torch,dev]", *editable)
    run(session, "-c", COMPILE)
    stamp.write_text(state)


def core_version() -> str:
    """The version of zoo-core, read from the file that states it."""
    source = (ROOT / "zoo_core" / "__init__.py").read_text(encoding="utf-8")
    match = re.search(r'^__version__ = "(.+)"$', source, re.M)
    assert match, "zoo_core/__init__.py states no version"
    return match[1]


def run(session: nox.Session, *arguments: str, **options: object) -> None:
    """Run the Python of `.venv`."""
    session.run(str(PYTHON), *arguments, external=True, **options)  # type: ignore[arg-type]


@nox.session
def demo(session: nox.Session) -> None:
    """Benchmark all models offline with short recipes, then build the leaderboard.

    All but ONE_SEED get three seeds; `-- --seeds 1` gives them one, too.
    """
    set_up(session)
    options = ["--all", "--offline", "--preset", "quick", "--device", "cpu"]
    exclude = [word for name in ONE_SEED for word in ("--exclude", name)]
    for words in (["--seeds", "1"], ["--seeds", "3", *exclude]):  # the second runs what is missing
        bench = [str(ZOO), "bench", *options, *words, *session.posargs]
        session.run(*bench, external=True, success_codes=[0, 1])  # 1: some trial failed; the leaderboard shows it
    session.run(str(ZOO), "leaderboard", "build", external=True)


def chromium(session: nox.Session) -> None:
    """Install Chromium with apt-get if it is missing. The tests of the leaderboard's pages skip without it."""
    if any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        return
    if shutil.which("apt-get") is None or getattr(os, "geteuid", lambda: 1)() != 0:
        session.warn("no Chromium, and installing it needs root and apt-get: the leaderboard's pages are not tested")
        return
    commands = (("update", "-qq"), ("install", "-y", "-qq", "chromium"))
    try:
        for command in commands:
            session.run("apt-get", *command, external=True, silent=True, env={"DEBIAN_FRONTEND": "noninteractive"})
    except CommandFailed as error:  # apt-get has printed its own message
        session.warn(f"no Chromium, and installing it failed ({error}): the leaderboard's pages are not tested")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests in parallel; `nox -s tests -- -k cosine` passes `-k cosine` to pytest, in one process."""
    set_up(session)
    chromium(session)
    run(session, "-m", "pytest", *(session.posargs or PARALLEL))


@nox.session
def nightly(session: nox.Session) -> None:
    """Run the tests that take minutes: every shipped pair twice and under the watch, many kills."""
    set_up(session)
    run(session, "-m", "pytest", "-m", "nightly", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """Run only the tests that open the leaderboard's pages in Chromium."""
    set_up(session)
    chromium(session)
    run(session, "-m", "pytest", "tests/leaderboard/test_browser.py", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff."""
    set_up(session)
    run(session, "-m", "ruff", "check", ".")
    run(session, "-m", "ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the core, the leaderboard and the plugins with mypy."""
    set_up(session)
    run(session, "-m", "mypy")


@nox.session
def perf(session: nox.Session) -> None:
    """Run the benchmarks of the zoo itself. Each compares two things within one run."""
    set_up(session)
    for script in sorted((ROOT / "benchmarks").glob("*.py")):
        run(session, str(script))


@nox.session
def statistics(session: nox.Session) -> None:
    """Simulate the leaderboard's intervals, ranks and marks of changes with known truths, and check what they promise.

    About half an hour. With arguments only cells of intervals and ranks: `-- --only "twelve equal"` runs some of them,
    `-- --fast` takes seconds, `--json FILE` keeps the outcomes.
    """
    set_up(session)
    jobs = ["--jobs", str(min(os.cpu_count() or 1, MAX_JOBS))]
    environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # the jobs are the parallel part
    folder = ROOT / "benchmarks" / "statistics"
    run(session, str(folder), *jobs, *session.posargs, env=environment)
    if not session.posargs:
        run(session, str(folder / "changes_simulation.py"), env=environment)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Run every parser of files from outside on mutated inputs: no crash, no hang, bounded memory.

    Some minutes. `-- --inputs 100000` is the nightly setting, `-- --only png --keep folder` runs some parsers and keeps
    the inputs that failed.
    """
    set_up(session)
    run(session, str(ROOT / "tests" / "fuzz" / "harness.py"), *session.posargs, env={"OMP_NUM_THREADS": "1"})


def fresh_environment(session: nox.Session, name: str) -> str:
    """Create an empty virtual environment for one session. Return the path of its Python."""
    folder = Path(session.create_tmp()) / name
    shutil.rmtree(folder, ignore_errors=True)
    session.run(sys.executable, "-m", "venv", str(folder), external=True)
    return str(folder / BIN.name / "python")


@nox.session
def listing(session: nox.Session) -> None:
    """Check that listing and the leaderboard work without torch, in a separate small environment."""
    python = fresh_environment(session, "listing")
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    session.run(*install, str(ROOT), str(ROOT / "leaderboard"), external=True)
    session.run(*install, "--no-deps", *map(str, PACKAGES), external=True)
    session.run(python, str(ROOT / "tests" / "without_torch.py"), external=True)


@nox.session
def lowest(session: nox.Session) -> None:
    """Run the fast tests with the oldest versions that the packages' dependencies allow, in another environment."""
    python = fresh_environment(session, "lowest")
    session.run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "uv", external=True)
    editable = [argument for package in PACKAGES for argument in ("-e", str(package))]
    install = [python, "-m", "uv", "pip", "install", "--python", python, "--resolution", "lowest-direct"]
    session.run(*install, "-e", f"{ROOT}[torch,dev]", *editable, external=True)
    # Old versions use features that are deprecated now, and the suite turns every warning into an error.
    pytest = [python, "-m", "pytest", "-m", "not slow", "-W", "ignore::DeprecationWarning"]
    session.run(*pytest, *session.posargs, external=True)


@nox.session
def coverage(session: nox.Session) -> None:
    """Measure how much of the core and the leaderboard the fast tests run. Fail below MIN_COVERAGE_PCT.

    Trials run in worker processes, which are not measured: lines that only run there count as missed.
    """
    set_up(session)
    run(session, "-m", "coverage", "run", "-m", "pytest", "-m", "not slow", *session.posargs)
    run(session, "-m", "coverage", "report", "--skip-covered", f"--fail-under={MIN_COVERAGE_PCT}")


@nox.session
def docs(session: nox.Session) -> None:
    """Generate the pages in docs/reference from the code."""
    set_up(session)
    run(session, str(ROOT / "docs" / "generate.py"))


@nox.session
def site(session: nox.Session) -> None:
    """Build the handbook as a website that needs no network: docs/site/index.html."""
    set_up(session)
    run(session, "-m", "sphinx", "-q", "-W", "-b", "html", str(ROOT / "docs"), str(ROOT / "docs" / "site"))
    session.log(f"open {ROOT / 'docs' / 'site' / 'index.html'}")
