"""The project's sessions. All share one virtual environment, `.venv`, made by the first of them: torch is 5 GB."""

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
PACKAGES = [*sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml")), ROOT / "leaderboard"]

nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "none"


def set_up(session: nox.Session) -> None:
    """Create `.venv` and install the project into it. Return at once if nothing has changed since the last call."""
    files = [ROOT / "pyproject.toml", *(package / "pyproject.toml" for package in PACKAGES)]
    versions = f"{platform.python_version()} {core_version()}".encode()
    state = hashlib.sha256(b"".join([versions, *(path.read_bytes() for path in files)])).hexdigest()
    stamp = VENV / "zoo-set-up"
    if stamp.is_file() and stamp.read_text() == state:
        return
    session.log("setting up .venv, once: torch is large, so this takes some minutes")
    if not PYTHON.exists():
        session.run(sys.executable, "-m", "venv", str(VENV), external=True)
    editable = [argument for package in PACKAGES for argument in ("-e", str(package))]
    run(session, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-e", f"{ROOT}[torch,dev]", *editable)
    stamp.write_text(state)


def run(session: nox.Session, *arguments: str, **options: object) -> None:
    """Run the shared environment's Python."""
    session.run(str(PYTHON), *arguments, external=True, **options)  # type: ignore[arg-type]


def core_version() -> str:
    """The version of zoo-core, read from the file that states it."""
    source = (ROOT / "zoo_core" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', source, re.M)
    assert found, "zoo_core/__init__.py states no version"
    return found[1]


@nox.session
def demo(session: nox.Session) -> None:
    """Benchmark every pair offline on its quick recipe, build the leaderboard; `-- --seeds 3` for ranks that hold."""
    set_up(session)
    bench = ["bench", "--all", "--offline", "--preset", "quick", "--device", "cpu", *session.posargs]
    session.run(str(ZOO), *bench, external=True, success_codes=[0, 1])  # failed trials belong on the board too
    session.run(str(ZOO), "leaderboard", "build", external=True)


def chromium(session: nox.Session) -> None:
    """Install Debian's Chromium, where that can be done, for the tests of the board's pages; without it they skip."""
    if any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        return
    if shutil.which("apt-get") is None or getattr(os, "geteuid", lambda: 1)() != 0:
        session.warn("no Chromium, and only root with apt-get can install it here: the board's pages are not tested")
        return
    commands = (("update", "-qq"), ("install", "-y", "-qq", "chromium"))
    try:
        for command in commands:
            session.run("apt-get", *command, external=True, silent=True, env={"DEBIAN_FRONTEND": "noninteractive"})
    except CommandFailed as error:  # apt-get's own words are above
        session.warn(f"no Chromium, and it cannot be installed ({error}): the board's pages are not tested")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; `nox -s tests -- -k words` passes arguments on."""
    set_up(session)
    chromium(session)
    run(session, "-m", "pytest", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """Run only the tests of the board's pages in Chromium."""
    set_up(session)
    chromium(session)
    run(session, "-m", "pytest", "tests/leaderboard/test_browser.py", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    set_up(session)
    run(session, "-m", "ruff", "check", ".")
    run(session, "-m", "ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    set_up(session)
    run(session, "-m", "mypy")


@nox.session
def perf(session: nox.Session) -> None:
    """Run the benchmarks, each a comparison within one run."""
    set_up(session)
    for script in sorted((ROOT / "benchmarks").glob("*.py")):
        run(session, str(script))


@nox.session
def listing(session: nox.Session) -> None:
    """Prove that listing and leaderboard work without torch, in a small environment of its own."""
    place = Path(session.create_tmp()) / "listing"
    shutil.rmtree(place, ignore_errors=True)
    session.run(sys.executable, "-m", "venv", str(place), external=True)
    python = place / BIN.name / "python"
    install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    session.run(*install, str(ROOT), str(ROOT / "leaderboard"), external=True)
    session.run(*install, "--no-deps", *map(str, PACKAGES), external=True)
    session.run(str(python), str(ROOT / "tests" / "without_torch.py"), external=True)


@nox.session
def docs(session: nox.Session) -> None:
    """Write the generated pages of docs/ anew."""
    set_up(session)
    run(session, str(ROOT / "docs" / "generate.py"))


@nox.session
def site(session: nox.Session) -> None:
    """Build the handbook in docs/ as a site that needs no network: docs/site/index.html."""
    set_up(session)
    run(session, "-m", "sphinx", "-q", "-W", "-b", "html", str(ROOT / "docs"), str(ROOT / "docs" / "site"))
    session.log(f"open {ROOT / 'docs' / 'site' / 'index.html'}")
