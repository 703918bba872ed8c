"""The worker, as the container runs it, but as a process of the stack."""

import hashlib
import signal
import sys
import time
from collections.abc import Mapping

from infra.local.environment import aws_env, own_env
from infra.local.layout import CHECKOUT, Layout
from infra.local.processes import Command

STALE_SECONDS = 15.0
# As the image has it. The C library reads it before anything of Python runs: the worker cannot set it.
MALLOC = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


class Worker:
    """One `python -m chalicelib.worker`."""

    name = "worker"
    stop_signal = signal.SIGTERM
    start_patience = 30.0
    stop_patience = 30.0

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
        # The worker touches the file about once a second for as long as it is well.
        try:
            return time.time() - self._health_file.stat().st_mtime < STALE_SECONDS
        except OSError:
            return False


def code_version() -> str:
    """Changes with the worker's code, so that `up` restarts it then."""
    digest = hashlib.sha256((CHECKOUT / "requirements-worker.txt").read_bytes())
    for file in sorted((CHECKOUT / "chalicelib").rglob("*")):
        if file.suffix in (".py", ".sql"):
            digest.update(file.read_bytes())
    return digest.hexdigest()
