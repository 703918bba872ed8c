"""One function process and the Runtime API that it talks to."""

import contextlib
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .runtime_api import Event, Invocation, RuntimeApi

FUNCTION = Path(__file__).with_name("function.py")
# The kernel kills the functions when the *thread* that started them ends. So one thread starts them all, and
# it lives as long as LocalStack.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lambda-starter")


class Sandbox:
    """An execution environment, which runs one invocation after the other, without isolation."""

    def __init__(self, python: str, handler: str, code: Path, env: Mapping[str, str]) -> None:
        self._api = RuntimeApi()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._log_read = 0
        command = [python, "-P", str(FUNCTION), str(os.getpid()), handler]
        full_env = {**env, "AWS_LAMBDA_RUNTIME_API": self._api.address()}
        self._process = _STARTER.submit(self._start, command, code, full_env).result()
        threading.Thread(target=self._watch, daemon=True).start()

    def _start(self, command: list[str], code: Path, env: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            command,
            cwd=code,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def _watch(self) -> None:
        self._api.events.put(Event("exit", str(self._process.wait()).encode()))

    def alive(self) -> bool:
        """Return whether the process runs."""
        return self._process.poll() is None

    def hand_over(self, invocation: Invocation) -> None:
        """Hand the next invocation to the function."""
        self._api.invocations.put(invocation)

    def wait_for(self, *kinds: str, timeout: float) -> Event:
        """Return the next event of one of these kinds, or one of kind `timeout` after that many seconds."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                event = self._api.events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return Event("timeout", b"")
            if event.kind in kinds:
                return event

    def take_logs(self) -> str:
        """Return the function's output since the last call."""
        size = os.fstat(self._log.fileno()).st_size
        # pread, because the function's writes move the offset that both share.
        data = os.pread(self._log.fileno(), size - self._log_read, self._log_read)
        self._log_read += len(data)
        return data.decode(errors="replace")

    def close(self) -> None:
        """End the process and those that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._api.close()
