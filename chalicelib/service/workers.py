"""The port of the workers' signs of life."""

from collections.abc import Sequence
from typing import Protocol

from chalicelib.core.workers import SignOfLife, Worker


class Workers(Protocol):
    """Hold the signs of life of workers. Every method raises RetryLater."""

    def renew(self, sign: SignOfLife) -> None:
        """Store a worker's sign of life in place of its last one."""

    def remove(self, name: str) -> None:
        """Remove a worker that ends, if it is registered."""

    def list(self, *, limit: int, before: int | None) -> Sequence[Worker]:
        """Return workers, newest first; ``before`` is the ``number`` of the previous page's last one."""

    def has_unattended_jobs(self, *, seconds: float) -> bool:
        """Return whether a job has waited for a worker for ``seconds`` while no worker holds any job."""
