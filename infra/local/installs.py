"""The two environments beside `.venv`: LocalStack's, and the one that Lambda functions run in."""

import hashlib
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from infra.local.environment import pip_env
from infra.local.errors import StackError
from infra.local.layout import SHARED, Layout
from infra.local.locks import locked
from infra.local.processes import Command, logged
from infra.local.progress import Report, step

HERE = Path(__file__).parent
VENVS = SHARED / "venvs"
BUILD = HERE / "requirements-build.txt"
LAST_PYTHON = (3, 13)
CATALOG_PLACE = "usr/lib/localstack"  # under what LocalStack takes for the root of the file system


@dataclass(frozen=True)
class Environment:
    """A virtual environment and what belongs into it."""

    name: str
    announce: str

    @property
    def requirements(self) -> Path:
        """What is in it, pinned."""
        return HERE / f"requirements-{self.name}.txt"

    @property
    def folder(self) -> Path:
        """Where it is."""
        return VENVS / self.name

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def stamp(self) -> Path:
        """Written last, so an installation that was cut short counts for nothing."""
        return self.folder / "installed"

    def version(self) -> str:
        """Changes whenever the environment has to be made anew."""
        told = [sys.version, sys.base_prefix, platform.machine(), str(self.folder), CATALOG_PLACE]
        told += [file.read_text() for file in (self.requirements, BUILD)]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()

    def installed(self) -> bool:
        """Whether it is there, whole and as this version wants it."""
        try:
            return self.python.exists() and self.stamp.read_text() == self.version()
        except OSError:
            return False


LOCALSTACK = Environment("localstack", "installing LocalStack, once: takes a minute")
LAMBDA = Environment("lambda", "installing the Lambda runtime, once")
# LocalStack's index of all AWS services: it takes seconds to make, so each start gets this one.
CATALOG = LOCALSTACK.folder / "catalog"


def ensure(report: Report) -> None:
    """Install what is missing. Raises `StackError` when that fails."""
    if sys.version_info[:2] > LAST_PYTHON:
        newest = ".".join(map(str, LAST_PYTHON))
        reason = f"LocalStack 4.12.0 runs on Python 3.11 to {newest}: make .venv with one of those"
        raise StackError("install", reason)
    VENVS.mkdir(parents=True, exist_ok=True)
    with locked(VENVS / "lock"):
        for environment in (LOCALSTACK, LAMBDA):
            if not environment.installed():
                with step(report, environment.name, environment.announce) as current:
                    install(environment)
                    current.result = f"installed in {environment.folder}"


def install(environment: Environment) -> None:
    """Make one environment from nothing. Neither pip nor setuptools is in it unless required."""
    shutil.rmtree(environment.folder, ignore_errors=True)
    layout = Layout.at(SHARED)
    log = layout.log(f"install-{environment.name}")
    log.write_text("")

    def run(what: str, *argv: str) -> None:
        logged(environment.name, what, Command(argv, pip_env(layout), layout.root), log)

    run("venv", sys.executable, "-m", "venv", "--without-pip", str(environment.folder))
    # Bytecode is left to the first import: most of LocalStack is never imported.
    pip = [sys.executable, "-m", "pip", "--python", str(environment.python)]
    pip += ["install", "--no-deps", "--require-hashes", "--no-compile", "--progress-bar", "off"]
    if environment is LOCALSTACK:
        run("pip install", *pip, "-r", str(BUILD))
        pip.append("--no-build-isolation")
    run("pip install", *pip, "-r", str(environment.requirements))
    if environment is LOCALSTACK:
        prepare_catalog(layout, log)
    environment.stamp.write_text(environment.version())


def prepare_catalog(layout: Layout, log: Path) -> None:
    """Let LocalStack make its index of all AWS services, as its Docker image's build does."""
    (CATALOG / CATALOG_PLACE).mkdir(parents=True)
    env = pip_env(layout) | {"FILESYSTEM_ROOT": str(CATALOG), "OVERRIDE_IN_DOCKER": "0"}
    argv = (str(LOCALSTACK.python), "-m", "localstack.aws.spec")
    logged(LOCALSTACK.name, "making the index of services", Command(argv, env, layout.tmp), log)
