"""The port of the ledger: which blocks of a job are in, and what is left."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from chalicelib.core.jobs import Job, Reading
from chalicelib.core.model import Dialect, Gap, Source


class Ledger(Protocol):
    """Hold what jobs read and which blocks of them are committed. Every method raises RetryLater."""

    def open(self, job: Job, source: Source, dialect: Dialect, block_size: int) -> Reading:
        """Fix what the job reads and how, once, and return it as the first worker fixed it.

        Raises JobFailed if another object was fixed before, JobEnded if the job has ended or was claimed
        again since ``job`` was read.
        """

    def complete_as_duplicate(self, job: Job, source: Source) -> UUID | None:
        """Mark the job COMPLETED if another job has loaded the same content the same way; return that job.

        Raises JobEnded if the job has ended, or was claimed again since ``job`` was read.
        """

    def measure(self, job: Job, size: int) -> None:
        """Note the size of the file's text, in bytes, once its end has been read."""

    def gaps(self, job_id: UUID, total: int | None) -> Sequence[Gap]:
        """Return what the ledger does not cover of ``[0, total)``, in order.

        While ``total`` is not known, the last gap, which begins where the last block ends, has no end.
        """

    def complete(self, job_id: UUID, total: int) -> bool:
        """Mark the job COMPLETED if the ledger covers ``[0, total)``; return False if it was already.

        Raises JobFailed if the ledger does not add up, JobEnded if the job has ended in another way.
        """
