"""The whole stack: its components, and the order in which they start and stop."""

import secrets
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from infra.deployment.configuration import ROLES
from infra.emulator import application, resources
from infra.emulator.environment import CREDENTIALS, REGION, application_env
from infra.local import installs, ports, processes, redis, services
from infra.local.env_file import write_env_file
from infra.local.localstack import LocalStack
from infra.local.postgres import Postgres
from infra.local.redis import Redis
from infra.local.services import Service
from infra.local.worker import Worker
from infra.steps.commands import Command, run_logged
from infra.steps.environment import own_env
from infra.steps.errors import StepError
from infra.steps.layout import CHECKOUT, DEFAULT_ROOT, Layout
from infra.steps.locks import locked
from infra.steps.private_files import write_private
from infra.steps.progress import Report, line, step, to_terminal

QUEUES = ("sqs", "redis")
OF_THE_API = ("SLUICE_TOKEN_SECRETS", "SLUICE_ALLOWED_ORIGINS")  # settings that no other part gets
SERVICES = ("postgres", "redis", "localstack")
COMPONENTS = (*SERVICES, "migrations", "app", "worker")
NEEDS = {"migrations": {"postgres"}, "app": {*SERVICES, "migrations"}, "worker": {*SERVICES, "migrations"}}


def up(
    root: Path | str = DEFAULT_ROOT,
    *,
    queue: str = "sqs",
    origins: Sequence[str] = (),
    components: Collection[str] = COMPONENTS,
    report: Report = to_terminal,
) -> dict[str, str]:
    """Start the stack rooted at `root`, or the given components and those they need.

    `origins`: whose pages may use the API and the bucket.

    Components that run and are up to date stay as they are. Return the content of `<root>/env`: the addresses
    of all running components. Raises `StepError`; components that started keep running.
    """
    required = closure(components)
    with exclusive(root, report) as layout:
        try:
            installs.ensure(installations_of(required), report)
            env = Stack(layout, report).start(required, queue, origins)
        except BaseException:
            layout.env_file.unlink(missing_ok=True)
            raise
        write_env_file(layout, env)
        return env


def down(root: Path | str = DEFAULT_ROOT, *, report: Report = to_terminal) -> None:
    """Stop all processes that `up` started under `root`, and no others."""
    with exclusive(root, report) as layout:
        layout.env_file.unlink(missing_ok=True)
        Stack(layout, report).stop()


def closure(components: Collection[str]) -> set[str]:
    """Return the components and those they need. Raises `StepError` for an unknown name."""
    if unknown := set(components) - set(COMPONENTS):
        names = ", ".join(sorted(unknown))
        raise StepError("up", f"no such component: {names} (of {', '.join(COMPONENTS)})")
    return set(components).union(*(NEEDS.get(component, ()) for component in components))


def installations_of(components: Collection[str]) -> list[installs.Installation]:
    """Return the installations that the components need. Raises `StepError` if one cannot run here."""
    needed = redis.needed_installations() if "redis" in components else []
    return [*needed, *((installs.LOCALSTACK, installs.LAMBDA) if "localstack" in components else ())]


@contextmanager
def exclusive(root: Path | str, report: Report) -> Iterator[Layout]:
    """Give the layout while no other process starts or stops the same stack."""
    layout = Layout.at(root)
    waiting = line("waiting", f"another command is working on {layout.root}")
    with locked(layout.run / "lock", on_wait=lambda: report(waiting)):
        yield layout


def running_services(layout: Layout) -> set[str]:
    """Return the names of the services whose processes run."""
    return {name for name in SERVICES if processes.running(layout, name)}


def token_secret(root: Path) -> str:
    """Return the secret of upload tokens, which stays the same from one start to the next."""
    file = root / "token-secret"
    if not file.exists():
        write_private(file, f"{secrets.token_hex(32)}\n")
    return file.read_text(encoding="ascii").strip()


class Stack:
    """The components of one stack, at their addresses. The caller holds the lock: see `exclusive`."""

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

    def start(self, components: Collection[str], queue: str, origins: Sequence[str]) -> dict[str, str]:
        """Start the `components` and return the addresses of all running ones."""
        # All services start before any is waited for. LocalStack takes longest, so it is the first.
        for service in (self.localstack, self.redis, self.postgres):
            if service.name in components:
                self._begin(service)
        env: dict[str, str] = {}
        present = running_services(self._layout).union(components)
        if "postgres" in present:
            self._finish(self.postgres)
            self.postgres.bootstrap()
            env["DATABASE_URL"] = self.postgres.url()
        if "migrations" in components:
            self._migrate()
        if "redis" in present:
            self._finish(self.redis)
            env["REDIS_URL"] = self.redis.url()
        if "localstack" in present:
            self._finish(self.localstack)
            env |= self._aws(queue, origins)
            env["SLUICE_TOKEN_SECRETS"] = token_secret(self._layout.root)
        if "app" in components:
            env["SLUICE_API_KEY"] = self._operator_key()
            env["SLUICE_URL"] = self.deploy(application_env(env))
        elif url := self._deployed_url():
            env["SLUICE_API_KEY"] = self._operator_key()
            env["SLUICE_URL"] = url
        if "worker" in components:
            variables = application_env(env)
            self._start_worker({name: it for name, it in variables.items() if name not in OF_THE_API})
        return env

    def _begin(self, service: Service) -> None:
        self._began[service.name] = time.monotonic()
        if services.begin(self._layout, service):
            self._new.add(service.name)

    def _finish(self, service: Service) -> None:
        began = self._began.get(service.name)
        with step(self._report, service.name, "starting", began=began) as current:
            services.finish(self._layout, service)
            verb = "started" if service.name in self._new else "runs already"
            current.result = f"{verb}, {service.address()}"

    def _migrate(self) -> None:
        log = self._layout.log("migrations")
        log.unlink(missing_ok=True)
        env = own_env(self._layout) | {"DATABASE_URL": self.postgres.url()}
        command = Command((sys.executable, "-m", "chalicelib.migrate"), env, CHECKOUT)
        with step(self._report, "migrations", "applying") as current:
            run_logged("migrations", "chalicelib.migrate", command, log)
            logins = [f"{role}={file}" for role, file in self.postgres.password_files().items()]
            command = Command((sys.executable, "-m", "chalicelib.roles", *logins), env, CHECKOUT)
            run_logged("migrations", "chalicelib.roles", command, log)
            current.result = "applied"

    def _operator_key(self) -> str:
        """Return the operator's API key, which stays the same from one start to the next."""
        file = self._layout.root / "operator-key"
        log = self._layout.log("keys")
        env = own_env(self._layout) | {"DATABASE_URL": self.postgres.url()}
        command = Command((sys.executable, "-m", "chalicelib.keys", "--file", str(file)), env, CHECKOUT)
        run_logged("app", "chalicelib.keys", command, log)
        return file.read_text(encoding="ascii").strip()

    def _aws(self, queue: str, origins: Sequence[str]) -> dict[str, str]:
        """Create the bucket and the queues, and return the settings that lead to them."""
        with step(self._report, "resources", "creating") as current:
            created = resources.ensure(self.localstack.url(), origins)
            current.result = f"bucket {created.bucket}, queue {resources.QUEUE}"
        return {
            "AWS_ENDPOINT_URL": self.localstack.url(),
            "S3_PUBLIC_ENDPOINT_URL": self.localstack.url(),
            **CREDENTIALS,
            "AWS_DEFAULT_REGION": REGION,
            **({"SLUICE_ALLOWED_ORIGINS": ",".join(origins)} if origins else {}),
            "SLUICE_BUCKET": created.bucket,
            "SLUICE_QUEUE_BACKEND": queue,
            "SLUICE_QUEUE_URL": created.queue_url,
            "SLUICE_DEAD_LETTER_QUEUE_URL": created.dead_letter_url,
        }

    def deploy(self, variables: Mapping[str, str]) -> str:
        """Deploy the application and return the API's URL."""
        with step(self._report, "app", "deploying") as current:
            url, changed = application.deploy(
                self._layout,
                self.localstack.url(),
                self._localstack_identity(),
                variables,
                {name: {"DATABASE_URL": self.postgres.url_of(role)} for name, role in ROLES.items()},
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
        own = {**variables, "DATABASE_URL": self.postgres.url_of("worker")}
        worker = Worker(self._layout, self.localstack.url(), own)
        self._begin(worker)
        self._finish(worker)

    def stop(self) -> None:
        """Stop all services, dependent ones first."""
        application.forget(self._layout)
        worker = Worker(self._layout, self.localstack.url(), {})
        for service in (worker, self.localstack, self.redis, self.postgres):
            with step(self._report, service.name, "stopping") as current:
                stopped = services.end(self._layout, service)
                current.result = "stopped" if stopped else "did not run"
