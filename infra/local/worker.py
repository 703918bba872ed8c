"""The worker: the container's command as a process of the stack."""

import hashlib
import signal
import sys
import time
from collections.abc import Mapping

from infra.emulator.environment import aws_env
from infra.steps.commands import Command
from infra.steps.environment import own_env
from infra.steps.layout import CHECKOUT, Layout

STALE_SECONDS = 15.0
# As in the image. The C library reads it before Python runs, so the worker cannot set it.
MALLOC = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


class Worker:
    """One `python -m chalicelib.worker`: see `Service`."""

    name = "worker"
    stop_signal = signal.SIGTERM
    start_timeout = 30.0
    stop_timeout = 30.0

    def __init__(self, layout: Layout, endpoint: str, variables: Mapping[str, str]) -> None:
        self._layout = layout
        self._endpoint = endpoint
        self._variables = variables
        self._health_file = layout.run / "worker.health"

    def address(self) -> str:
        """See `Service`."""
        return f"queue: {self._variables['SLUICE_QUEUE_BACKEND']}"

    def prepare(self) -> None:
        """See `Service`."""
        self._health_file.unlink(missing_ok=True)

    def command(self) -> Command:
        """See `Service`."""
        env = own_env(self._layout) | aws_env(self._endpoint) | MALLOC | dict(self._variables)
        env["SLUICE_HEALTH_FILE"] = str(self._health_file)
        argv = (sys.executable, "-m", "chalicelib.worker")
        return Command(argv, env, CHECKOUT, code_version())

    def healthy(self) -> bool:
        """See `Service`."""
        # A healthy worker touches the file about once a second.
        try:
            return time.time() - self._health_file.stat().st_mtime < STALE_SECONDS
        except OSError:
            return False


def code_version() -> str:
    """Return a hash of the worker's code. After a change `up` restarts the worker."""
    digest = hashlib.sha256((CHECKOUT / "requirements-worker.txt").read_bytes())
    for file in sorted((CHECKOUT / "chalicelib").rglob("*")):
        if file.suffix in (".py", ".sql"):
            digest.update(file.read_bytes())
    return digest.hexdigest()
