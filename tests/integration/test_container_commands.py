"""What the containers run, run as processes: what runs is read from Dockerfile and compose file, not copied.

Each runs where only what its image holds is there: the files that are copied into it, and the packages of
`requirements-worker.txt` (those of the tests' own environment, which are of the same versions). Names of
services are replaced by the addresses of the tests' stack, and the names of queues by fresh ones.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PathDistribution, distribution
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from localstack_client.session import Session
from packaging.requirements import Requirement

from chalicelib import settings
from chalicelib.core.model import Status
from chalicelib.wiring import Services
from infra.emulator import resources
from infra.local import installs
from tests.support.container_files import command_of, compose, is_sent, targets
from tests.support.csv_files import expected, rows
from tests.support.paths import CHECKOUT
from tests.support.waiting import PATIENCE, wait_for
from tests.support.worker_processes import Sluice

STALE = 16.0  # seconds; one more than the health check allows
WORKER = targets()["worker"]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a folder with the image's /app and /venv, which no process may change."""
    root = tmp_path_factory.mktemp("image")
    for copied in WORKER.copied:
        for path in sorted((CHECKOUT / copied).rglob("*")):
            name = path.relative_to(CHECKOUT)
            if path.is_file() and is_sent(str(name)):
                (root / "app" / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, root / "app" / name)
    _environment(root / "venv")
    before = _listing(root)
    for path in root.rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)
    yield root
    for path in (it for it in root.rglob("*") if it.is_dir() and not it.is_symlink()):
        path.chmod(0o755)
    assert _listing(root) == before


def _listing(root: Path) -> dict[str, int]:
    return {
        str(path.relative_to(root)): path.lstat().st_mtime_ns for path in root.rglob("*") if path.is_file()
    }


def _environment(folder: Path) -> None:
    """Create a virtual environment with the packages of the worker's requirements and no others."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (install,) = (run for run in targets()["install-worker"].runs if "pip" in run)
    named = re.search(r"-r (\S+)", install)
    assert named is not None
    lines = (CHECKOUT / named[1]).read_text().splitlines()
    for line in lines:
        if not line.startswith((" ", "#")):
            wanted = Requirement(line.rstrip("\\ "))
            if wanted.marker is None or wanted.marker.evaluate():
                found = distribution(wanted.name)
                assert wanted.specifier.contains(found.version), (line, found.version)
                _link(found, site)


def _link(found: Any, site: Path) -> None:
    assert isinstance(found, PathDistribution)
    for name in {file.parts[0] for file in found.files or []} - {"..", "__pycache__"}:
        if not (site / name).exists():
            (site / name).symlink_to(Path(str(found.locate_file(name))))


class Containers:
    """What would be run, and where, on the tests' stack."""

    def __init__(self, root: Path, scratch: Path, addresses: Mapping[str, str], **chosen: str) -> None:
        self.root, self.scratch, self.addresses = root, scratch, addresses
        self.services = compose(chosen)["services"]

    def env(self, name: str) -> dict[str, str]:
        env = WORKER.env | self.services[name]["environment"]
        for placeholder, address in self.addresses.items():
            env = {key: value.replace(placeholder, address) for key, value in env.items()}
        env["PATH"] = env["PATH"].replace("/venv", str(self.root / "venv")).replace("$PATH", "/usr/bin:/bin")
        (writable,) = self.services[name]["tmpfs"]
        file = Path(env["SLUICE_HEALTH_FILE"]).relative_to(writable)
        return {**env, "SLUICE_HEALTH_FILE": str(self.scratch / file), "TMPDIR": str(self.scratch)}

    def start(self, name: str) -> subprocess.Popen[str]:
        env = self.env(name)
        command = self.services[name].get("command") or command_of(WORKER.settings["CMD"])
        program = shutil.which(command[0], path=env["PATH"])
        assert program == str(self.root / "venv/bin/python")
        return subprocess.Popen(
            [program, *command[1:]],
            cwd=self.root / "app",
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def is_healthy(self) -> bool:
        argv = command_of(WORKER.settings["HEALTHCHECK"])
        return subprocess.run(argv, env=self.env("worker"), capture_output=True, check=False).returncode == 0


@pytest.fixture
def containers(
    app: Path, tmp_path: Path, services: Mapping[str, str], empty_database_url: str, aws: Session
) -> Callable[..., Containers]:
    name = f"containers-{uuid4().hex}"
    sqs = aws.client("sqs")
    for queue in (name, f"{name}-dlq"):
        sqs.create_queue(QueueName=queue)
    address = services["AWS_ENDPOINT_URL"].removeprefix("http://")
    addresses = {
        "postgresql://sluice:local-only@postgres:5432/sluice": empty_database_url,
        "redis://:local-only@redis:6379": services["REDIS_URL"].removesuffix("/0"),
        "localstack:4566": address,
        "localhost:4566": address,
        resources.DEAD_LETTERS: f"{name}-dlq",
        f"/{resources.QUEUE}": f"/{name}",
    }

    def make(**chosen: str) -> Containers:
        return Containers(app, tmp_path, addresses, **chosen)

    return make


def ended(process: subprocess.Popen[str], within: float) -> tuple[int, str]:
    said, _ = process.communicate(timeout=within)
    return process.returncode, said


@pytest.mark.parametrize("queue", ["sqs", "redis"])
def test_a_worker_starts_after_migrations_and_stops_in_time(
    containers: Callable[..., Containers], queue: str, tmp_path: Path, aws: Session
) -> None:
    stack = containers(SLUICE_QUEUE_BACKEND=queue)
    status, said = ended(stack.start("migrate"), PATIENCE)
    assert (status, said[:14]) == (0, "applied: 0001_")
    assert ended(stack.start("migrate"), PATIENCE) == (0, "the schema is up to date\n")
    assert not stack.is_healthy()  # no worker has run

    env = stack.env("worker")
    sluice = Sluice(env, Services(settings.load(env)), aws.client("s3"), tmp_path)
    worker = stack.start("worker")
    try:
        data = rows(500)
        job = sluice.finished(sluice.upload(data))
        assert (job.status, job.progress.tally) == (Status.COMPLETED, expected(data))
        assert stack.is_healthy()

        worker.send_signal(signal.Signals[WORKER.settings["STOPSIGNAL"]])
        grace = int(stack.services["worker"]["stop_grace_period"].removesuffix("s"))
        status, said = ended(worker, grace)
        assert (status, '"message":"worker stopped"' in said) == (0, True), said
    finally:
        worker.kill()
        sluice.close()

    file = Path(env["SLUICE_HEALTH_FILE"])
    assert stack.is_healthy()  # just stopped: not stale yet
    long_ago = time.time() - STALE
    os.utime(file, (long_ago, long_ago))
    assert not stack.is_healthy()


def test_a_worker_that_was_killed_is_unhealthy_once_its_file_is_old(
    containers: Callable[..., Containers],
) -> None:
    stack = containers()
    ended(stack.start("migrate"), PATIENCE)
    worker = stack.start("worker")
    wait_for(lambda: worker.poll() is not None or stack.is_healthy())
    assert worker.poll() is None
    file = Path(stack.env("worker")["SLUICE_HEALTH_FILE"])
    old = time.time() - STALE
    os.utime(file, (old, old))
    wait_for(stack.is_healthy)  # it is touched again while the worker runs
    worker.kill()
    worker.communicate()
    os.utime(file, (old, old))
    assert not stack.is_healthy()


def test_a_migration_that_fails_keeps_the_others_from_starting(containers: Callable[..., Containers]) -> None:
    stack = containers()
    env = stack.env("migrate")
    with psycopg.connect(env["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE datasets (name text)")
    status, said = ended(stack.start("migrate"), PATIENCE)
    assert (status, said[:17]) == (1, "migration failed:")


def test_the_environment_holds_no_more_than_the_image(app: Path) -> None:
    python = app / "venv/bin/python"
    for module, there in {"psycopg": True, "pyarrow": True, "pip": False, "chalice": False}.items():
        argv = [str(python), "-c", f"import {module}"]
        told = subprocess.run(argv, cwd=app / "app", env=WORKER.env, capture_output=True, check=False)
        assert (told.returncode == 0) is there, module
    assert sorted(path.name for path in (app / "app").iterdir()) == ["chalicelib"]


def test_localstack_knows_the_settings_that_it_gets(services: Mapping[str, str]) -> None:
    assert services
    (config,) = installs.LOCALSTACK.folder.glob("lib/python*/site-packages/localstack/config.py")
    known = config.read_text()
    for name in compose()["services"]["localstack"]["environment"]:
        assert f'"{name}"' in known, name
