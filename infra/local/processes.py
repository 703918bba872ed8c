"""Start, recognise and stop processes that outlive the command that started them."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.local.environment import passed_on
from infra.local.errors import StackError
from infra.local.launch import PROC, identity
from infra.local.layout import Layout

POLL_SECONDS = 0.05
KILL_PATIENCE = 10.0
# In the environment of every process of a stack and so of its children, whoever started them.
MARKER = "SLUICE_STACK_PART"
LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class Command:
    """What to run: everything that decides how the process behaves.

    Beside `env` it gets what `passed_on` says of the caller's environment. That does not count:
    `up` from another terminal must not restart anything.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    # Anything else that makes a running process outdated, such as its code.
    version: str = ""

    def fingerprint(self) -> str:
        """Equal for equal commands only."""
        told = [self.argv, sorted(self.env.items()), str(self.cwd), self.version]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


@dataclass(frozen=True)
class Record:
    """Who a service is: as written by `launch.py`."""

    pid: int
    identity: str
    fingerprint: str

    def alive(self) -> bool:
        """Whether this very process runs (and not another that got its number)."""
        return identity(self.pid) == self.identity


def record_path(layout: Layout, name: str) -> Path:
    """Where the record of a service is."""
    return layout.run / f"{name}.json"


def recorded(layout: Layout, name: str) -> Record | None:
    """The record of a service that was started and not stopped since, dead or alive."""
    try:
        return Record(**json.loads(record_path(layout, name).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def running(layout: Layout, name: str) -> Record | None:
    """The record of a service that runs now."""
    record = recorded(layout, name)
    return record if record and record.alive() else None


def spawn(layout: Layout, name: str, command: Command) -> None:
    """Start a service in a session of its own, with its record and log. Raises `StackError`."""
    log = layout.log(name)
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    launcher = [sys.executable, "-I", str(LAUNCH), str(record_path(layout, name)), str(log)]
    started = subprocess.run(
        [*launcher, command.fingerprint(), *command.argv],
        env={**passed_on(), **command.env, MARKER: marker(layout, name)},
        cwd=command.cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if started.returncode != 0:
        raise StackError(name, f"cannot start {command.argv[0]}: {started.stderr.strip()}", log)


def stop(layout: Layout, name: str, ask: signal.Signals, patience: float) -> bool:
    """Ask a service to end, make it if it does not; whether it ran.

    Only the recorded process is signalled, and afterwards what it started and left behind.
    """
    record = running(layout, name)
    if record:
        send(record.pid, ask)
        if not wait_until(lambda: not record.alive(), patience):
            send(record.pid, signal.SIGKILL)
            wait_until(lambda: not record.alive(), KILL_PATIENCE)
    sweep(layout, name)
    record_path(layout, name).unlink(missing_ok=True)
    return record is not None


def sweep(layout: Layout, name: str) -> None:
    """Kill whatever carries this service's marker: children that outlived it."""
    wait_until(lambda: not _kill_marked(layout, name), KILL_PATIENCE)


def _kill_marked(layout: Layout, name: str) -> list[int]:
    found = list(marked(marker(layout, name)))
    for pid in found:
        send(pid, signal.SIGKILL)
    return found


def marked(value: str) -> Iterator[int]:
    """The processes that a service started, found by their environment (Linux; else none).

    Redis and Postgres overwrite theirs. The others, and what Lambda functions start, do not.
    """
    wanted = f"{MARKER}={value}".encode()
    for folder in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended, or it is another user's
            if wanted in (folder / "environ").read_bytes().split(b"\0") and identity(pid := int(folder.name)):
                yield pid


def working_in(folder: Path, program: Path) -> Iterator[int]:
    """The processes that run `program` and have `folder` as theirs (Linux; else none)."""
    for process in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == folder and (process / "exe").readlink() == program:
                yield int(process.name)


def arguments_of(pid: int) -> list[str]:
    """The command line of a process that runs; nothing if there is none."""
    columns = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
    try:
        return (PROC / str(pid) / "cmdline").read_text().split("\0")
    except OSError:
        return subprocess.run(columns, capture_output=True, text=True, check=False).stdout.split()


def marker(layout: Layout, name: str) -> str:
    """The value by which a service's processes are found."""
    return f"{layout.root}:{name}"


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process; one that has ended already is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def wait_until(condition: Callable[[], bool], patience: float) -> bool:
    """Poll until the condition holds; whether it did within `patience` seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def logged(part: str, what: str, command: Command, log: Path) -> None:
    """Run a command to its end, its output appended to `log`.

    Raises `StackError` in the name of `part`, calling the command `what`, if it fails.
    """
    with log.open("a") as output:
        ended = subprocess.run(
            command.argv,
            env={**passed_on(), **command.env},
            cwd=command.cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if ended.returncode != 0:
        raise StackError(part, f"{what} ended with status {ended.returncode}", log)
