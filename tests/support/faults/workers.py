"""Worker processes, as tests see them: started dearly by `python -m`, or cheaply by forking."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from tests.support.paths import CHECKOUT
from tests.support.waiting import PATIENCE


class Process(Protocol):
    """What both kinds offer, as `subprocess.Popen` has it."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int) -> None: ...

    def kill(self) -> None: ...


def spawn(env: Mapping[str, str], log: Path, *program: str) -> Process:
    """Start a worker as it is run in production; or another ``program``."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, *(program or ("-m", "chalicelib.worker"))],
            cwd=CHECKOUT,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


class ForkServer:
    """See `fork_server.py`. Its children are killed when it is closed."""

    def __init__(self, env: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.faults.fork_server"],
                cwd=CHECKOUT,
                env={**os.environ, **env},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._lock = threading.Lock()
        self._children: list[Child] = []

    def start(self, env: Mapping[str, str], log: Path) -> Process:
        pid = self.ask(start={**os.environ, **env}, log=str(log))
        self._children.append(Child(self, pid))
        return self._children[-1]

    def ask(self, **order: Any) -> Any:
        streams = self._process.stdin, self._process.stdout
        assert streams[0]
        assert streams[1]
        with self._lock:
            streams[0].write(json.dumps(order) + "\n")
            streams[0].flush()
            return json.loads(streams[1].readline())

    def close(self) -> None:
        for child in self._children:
            child.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        self._process.wait()


class Child:
    """A process that the fork server started. It keeps its number until somebody has heard that it ended."""

    def __init__(self, fork_server: ForkServer, pid: int) -> None:
        self.pid = pid
        self._fork_server = fork_server
        self._status: int | None = None

    def poll(self) -> int | None:
        if self._status is None:
            self._status = self._fork_server.ask(poll=self.pid)
        return self._status

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + (PATIENCE if timeout is None else timeout)
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {self.pid} does not end")
            time.sleep(0.01)
        return status

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
