"""The whole stack: what belongs together, in which order it starts and stops."""

import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from infra.local import application, installs, ports, processes, redis, resources, services
from infra.local.environment import (
    CREDENTIALS,
    REGION,
    own_env,
    read_env_file,
    write_env_file,
)
from infra.local.errors import StackError
from infra.local.layout import CHECKOUT, DEFAULT_ROOT, Layout
from infra.local.localstack import LocalStack
from infra.local.locks import locked
from infra.local.postgres import Postgres
from infra.local.processes import Command
from infra.local.progress import Report, line, step, to_terminal
from infra.local.redis import Redis
from infra.local.services import Service
from infra.local.worker import Worker

QUEUES = ("sqs", "redis")
SERVICES = ("postgres", "redis", "localstack")
PARTS = (*SERVICES, "migrations", "app", "worker")
NEEDS = {"migrations": {"postgres"}, "app": set(SERVICES), "worker": {*SERVICES, "migrations"}}


def up(
    root: Path | str = DEFAULT_ROOT,
    *,
    queue: str = "sqs",
    parts: Collection[str] = PARTS,
    report: Report = to_terminal,
) -> dict[str, str]:
    """Bring the stack rooted at `root` up, or the given parts of it and what they need.

    What runs already, as wanted, is left alone. Returns what `<root>/env` says then: the addresses
    of all parts that run. Raises `StackError`; the parts that did start keep running.
    """
    wanted = closure(parts)
    with only_one(root, report) as layout:
        try:
            installs.ensure(installations_of(wanted), report)
            env = Stack(layout, report).start(wanted, queue)
        except BaseException:
            layout.env_file.unlink(missing_ok=True)
            raise
        write_env_file(layout, env)
        return env


def deploy(root: Path | str, overrides: Mapping[str, str], *, report: Report = to_terminal) -> dict[str, str]:
    """Deploy the application anew with `overrides` added to its environment variables.

    The services must be up. Returns the stack's environment with the overrides in it; neither
    `<root>/env` nor the worker learns of them, and the next `up` takes them back.
    """
    with only_one(root, report) as layout:
        env = {**read_env_file(layout), **overrides}
        if not set(SERVICES) <= running_services(layout):
            raise StackError("app", "the services do not run: bring the stack up first")
        env["SLUICE_URL"] = Stack(layout, report).deploy({**application_env(env), **overrides})
        return env


def down(root: Path | str = DEFAULT_ROOT, *, report: Report = to_terminal) -> None:
    """Stop everything that `up` started under `root`, and nothing else."""
    with only_one(root, report) as layout:
        layout.env_file.unlink(missing_ok=True)
        Stack(layout, report).stop()


def closure(parts: Collection[str]) -> set[str]:
    """The parts and what they need. Raises `StackError` for a name that is no part."""
    if unknown := set(parts) - set(PARTS):
        raise StackError("up", f"no such part: {', '.join(sorted(unknown))} (of {', '.join(PARTS)})")
    return set(parts).union(*(NEEDS.get(part, ()) for part in parts))


def installations_of(parts: Collection[str]) -> list[installs.Installation]:
    """What has to be installed for the parts to run. Raises `StackError` when it cannot be."""
    needed = redis.needed_installations() if "redis" in parts else []
    return [*needed, *((installs.LOCALSTACK, installs.LAMBDA) if "localstack" in parts else ())]


@contextmanager
def only_one(root: Path | str, report: Report) -> Iterator[Layout]:
    """The layout, while nobody else brings the same stack up or down."""
    layout = Layout.at(root)
    waiting = line("waiting", f"another command is at work on {layout.root}")
    with locked(layout.run / "lock", on_wait=lambda: report(waiting)):
        yield layout


def running_services(layout: Layout) -> set[str]:
    """The names of the services whose processes run."""
    return {name for name in SERVICES if processes.running(layout, name)}


class Stack:
    """The parts of one stack, at their addresses. Whoever uses it holds the lock."""

    def __init__(self, layout: Layout, report: Report) -> None:
        self._layout = layout
        self._report = report
        self._began: dict[str, float] = {}
        self._new: set[str] = set()
        self.postgres = Postgres(layout, self._port("postgres"))
        self.redis = Redis(layout, self._port("redis"))
        self.localstack = LocalStack(layout, self._port("localstack"))

    def _port(self, name: str) -> int:
        running = processes.running(self._layout, name)
        return (running and ports.port_of(self._layout, name)) or ports.claim(self._layout, name)

    def start(self, parts: Collection[str], queue: str) -> dict[str, str]:
        """Bring up `parts`; returns the addresses of everything that runs."""
        # All are begun before any is waited for; LocalStack takes longest, so it comes first.
        for service in (self.localstack, self.redis, self.postgres):
            if service.name in parts:
                self._begin(service)
        env: dict[str, str] = {}
        present = running_services(self._layout).union(parts)
        if "postgres" in present:
            self._finish(self.postgres)
            self.postgres.bootstrap()
            env["DATABASE_URL"] = self.postgres.url()
        if "migrations" in parts:
            self._migrate()
        if "redis" in present:
            self._finish(self.redis)
            env["REDIS_URL"] = self.redis.url()
        if "localstack" in present:
            self._finish(self.localstack)
            env |= self._aws(queue)
        if "app" in parts:
            env["SLUICE_URL"] = self.deploy(application_env(env))
        elif url := self._deployed_url():
            env["SLUICE_URL"] = url
        if "worker" in parts:
            self._start_worker(application_env(env))
        return env

    def _begin(self, service: Service) -> None:
        self._began[service.name] = time.monotonic()
        if services.begin(self._layout, service):
            self._new.add(service.name)

    def _finish(self, service: Service) -> None:
        services.finish(self._layout, service)
        verb = "started" if service.name in self._new else "runs already"
        now = time.monotonic()
        seconds = now - self._began.get(service.name, now)
        self._report(line(service.name, f"{verb}, {service.address()}", seconds))

    def _migrate(self) -> None:
        log = self._layout.log("migrations")
        log.unlink(missing_ok=True)
        env = own_env(self._layout) | {"DATABASE_URL": self.postgres.url()}
        command = Command((sys.executable, "-m", "chalicelib.migrate"), env, CHECKOUT)
        with step(self._report, "migrations") as current:
            processes.logged("migrations", "chalicelib.migrate", command, log)
            current.result = "applied"

    def _aws(self, queue: str) -> dict[str, str]:
        """Bucket and queues, and the settings that lead to them."""
        with step(self._report, "resources") as current:
            found = resources.ensure(self.localstack.url())
            current.result = f"bucket {found.bucket}, queue {resources.QUEUE}"
        return {
            "AWS_ENDPOINT_URL": self.localstack.url(),
            "S3_PUBLIC_ENDPOINT_URL": self.localstack.url(),
            **CREDENTIALS,
            "AWS_DEFAULT_REGION": REGION,
            "SLUICE_BUCKET": found.bucket,
            "SLUICE_QUEUE_BACKEND": queue,
            "SLUICE_QUEUE_URL": found.queue_url,
            "SLUICE_DEAD_LETTER_QUEUE_URL": found.dead_letter_url,
        }

    def deploy(self, variables: Mapping[str, str]) -> str:
        """Deploy the application; returns the API's URL."""
        with step(self._report, "app") as current:
            url, changed = application.deploy(
                self._layout, self.localstack.url(), self._localstack_identity(), variables
            )
            current.result = "deployed" if changed else "is deployed already"
        return url

    def _deployed_url(self) -> str | None:
        identity = self._localstack_identity()
        return application.deployed_url(self._layout, self.localstack.url(), identity)

    def _localstack_identity(self) -> str:
        record = processes.running(self._layout, "localstack")
        return f"{record.pid} {record.identity}" if record else ""

    def _start_worker(self, variables: Mapping[str, str]) -> None:
        worker = Worker(self._layout, self.localstack.url(), variables)
        self._begin(worker)
        self._finish(worker)

    def stop(self) -> None:
        """Stop all services, those first that use others."""
        application.forget(self._layout)
        worker = Worker(self._layout, self.localstack.url(), {})
        for service in (worker, self.localstack, self.redis, self.postgres):
            with step(self._report, service.name) as current:
                stopped = services.end(self._layout, service)
                current.result = "stopped" if stopped else "did not run"


def application_env(env: Mapping[str, str]) -> dict[str, str]:
    """Of the stack's environment, what the application's own settings are."""
    names = ("DATABASE_URL", "REDIS_URL", "AWS_ENDPOINT_URL", "S3_PUBLIC_ENDPOINT_URL")
    own = (name for name in env if name.startswith("SLUICE_") and name != "SLUICE_URL")
    return {name: env[name] for name in (*names, *own) if name in env}
