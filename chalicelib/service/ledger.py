"""The port of the ledger: the committed blocks of a job, and its gaps."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from chalicelib.core.completion import Completion
from chalicelib.core.erased_values import ErasedValues
from chalicelib.core.jobs import Job, Reading
from chalicelib.core.model import Gap, Source, Tally
from chalicelib.core.warnings import FileWarning


class Ledger(Protocol):
    """Hold the readings and the committed blocks of jobs. Every method raises RetryLater."""

    def open(self, job: Job, reading: Reading, warnings: Sequence[FileWarning] = ()) -> Reading:
        """Fix ``reading`` as the job's, once, and return the reading that the first worker fixed.

        The ``warnings`` of its detection are stored with it. Raises JobFailed if another object was fixed
        before, JobEnded if the job has ended, or was claimed again or got another reading since ``job`` was
        read.
        """

    def erased_values(self, job: Job) -> ErasedValues:
        """Return what was erased from the job's dataset, of which ``job.erasures`` counts how often."""

    def parent(self, job: Job, parent_id: UUID) -> Job | None:
        """Return the job with that id, as the one whose rejects the file of ``job`` may hold.

        For a duplicate it is the job that loaded the file. None if it is unknown, or of another dataset.
        """

    def complete_as_duplicate(self, job: Job, source: Source) -> UUID | None:
        """Mark the job COMPLETED if another job has loaded the same content the same way; return that job.

        The other job was read by the rules of the job's reading, or those of today, and its rejects are
        within this job's budget. Returns None if another worker is loading the job. Raises JobEnded as
        :meth:`open` does.
        """

    def measure(self, job: Job, size: int) -> None:
        """Store the size of the file's text, in bytes, once its end has been read.

        Does nothing if the job has another reading by now.
        """

    def gaps(self, job_id: UUID, total: int | None) -> Sequence[Gap]:
        """Return the stretches of ``[0, total)`` that the ledger does not cover, in order.

        While ``total`` is None, the last gap, which begins where the last block ends, has no end.
        """

    def tally(self, job_id: UUID) -> Tally:
        """Return the sums over the committed blocks."""

    def complete(self, job: Job, total: int) -> Completion:
        """Mark the job COMPLETED if the ledger covers ``[0, total)``.

        It fails if its rejects exceed its budget, or every record was rejected: then it is FAILED, or UNDOING
        first.
        Raises JobFailed if the ledger does not add up, JobEnded if the job has ended in another way or has
        another reading.
        """
