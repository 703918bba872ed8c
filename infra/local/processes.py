"""Starting, recognising and stopping processes that outlive the command that started them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.local.launch import PROC, identity
from infra.steps.commands import Command
from infra.steps.environment import inherited_env
from infra.steps.errors import StepError
from infra.steps.layout import Layout

POLL_SECONDS = 0.05
KILL_TIMEOUT = 10.0
# In the environment of every process of a stack. Child processes inherit it.
MARKER = "SLUICE_STACK_PART"
LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class Record:
    """A service's process, as `launch.py` wrote it down."""

    pid: int
    identity: str
    fingerprint: str

    def alive(self) -> bool:
        """Return whether this process runs, and not another that got its number."""
        return identity(self.pid) == self.identity


def record_path(layout: Layout, name: str) -> Path:
    """Return the file with the record of a service."""
    return layout.run / f"{name}.json"


def recorded(layout: Layout, name: str) -> Record | None:
    """Return the record of a service that was started and not stopped since, dead or alive."""
    try:
        return Record(**json.loads(record_path(layout, name).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def running(layout: Layout, name: str) -> Record | None:
    """Return the record of a service that runs, else None."""
    record = recorded(layout, name)
    return record if record and record.alive() else None


def spawn(layout: Layout, name: str, command: Command) -> None:
    """Start a service in a session of its own, with its record and log. Raises `StepError`."""
    log = layout.log(name)
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    launcher = [sys.executable, "-I", str(LAUNCH), str(record_path(layout, name)), str(log)]
    launched = subprocess.run(
        [*launcher, command.fingerprint(), *command.argv],
        env={**inherited_env(), **command.env, MARKER: marker(layout, name)},
        cwd=command.cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if launched.returncode != 0:
        raise StepError(name, f"cannot start {command.argv[0]}: {launched.stderr.strip()}", log)


def stop(layout: Layout, name: str, request: signal.Signals, timeout: float) -> bool:
    """Stop a service and return whether it ran.

    Send `request` to the recorded process, SIGKILL after `timeout` seconds, and then SIGKILL to the processes
    that it started and left behind.
    """
    record = running(layout, name)
    if record:
        send(record.pid, request)
        if not wait_until(lambda: not record.alive(), timeout):
            send(record.pid, signal.SIGKILL)
            wait_until(lambda: not record.alive(), KILL_TIMEOUT)
    kill_leftovers(layout, name)
    record_path(layout, name).unlink(missing_ok=True)
    return record is not None


def kill_leftovers(layout: Layout, name: str) -> None:
    """Kill the processes with this service's marker: children that outlived it."""
    wait_until(lambda: not _kill_marked(layout, name), KILL_TIMEOUT)


def _kill_marked(layout: Layout, name: str) -> list[int]:
    pids = list(marked(marker(layout, name)))
    for pid in pids:
        send(pid, signal.SIGKILL)
    return pids


def marked(value: str) -> Iterator[int]:
    """Yield the processes that a service started, recognised by their environment (Linux; elsewhere none).

    Redis and Postgres overwrite their environment. The other services and the functions' children keep it.
    """
    entry = f"{MARKER}={value}".encode()
    for folder in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended, or belongs to another user
            if entry in (folder / "environ").read_bytes().split(b"\0") and identity(pid := int(folder.name)):
                yield pid


def working_in(folder: Path, program: Path) -> Iterator[int]:
    """Yield the processes that run `program` with `folder` as working directory (Linux; elsewhere none)."""
    for process in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == folder and (process / "exe").readlink() == program:
                yield int(process.name)


def arguments_of(pid: int) -> list[str]:
    """Return the command line of a process, or nothing if it does not run."""
    columns = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
    try:
        return (PROC / str(pid) / "cmdline").read_text().split("\0")
    except OSError:
        return subprocess.run(columns, capture_output=True, text=True, check=False).stdout.split()


def marker(layout: Layout, name: str) -> str:
    """Return the value of `MARKER` in a service's processes."""
    return f"{layout.root}:{name}"


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, unless it has ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def wait_until(condition: Callable[[], bool], timeout: float) -> bool:
    """Poll until the condition holds. Return whether it did within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
