"""The port of the job register, as the API and the intake use it."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from chalicelib.core.access import Reach
from chalicelib.core.audit import Actor
from chalicelib.core.jobs import Changes, Job, JobFilters, NewJob
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Options, Source, StoredReject


class JobRegister(Protocol):
    """Hold all jobs, and the default options of datasets. Every method raises RetryLater."""

    def of(self, reach: Reach, actor: Actor | None = None) -> "JobRegister":
        """Return the register of what is within reach: to it other jobs do not exist.

        What the actor changes with it is noted in the audit log, in the same transaction.
        """

    def create(self, new: NewJob) -> Job:
        """Register a PENDING job, and its dataset if it is new. Idempotent by the job's id.

        A job of an upload token counts for it. Raises Forbidden if the token has as many as it may have.
        Raises NotPossible for a tenant that is being removed.
        """

    def get(self, job_id: UUID) -> Job | None:
        """Return the job with its sums over the ledger and its warnings."""

    def list(self, filters: JobFilters, *, limit: int, before: int | None) -> Sequence[Job]:
        """Return jobs, newest first; ``before`` is the ``number`` of the last job of the previous page.

        They come without labels and columns, which may be long.
        """

    def rejects(self, job_id: UUID, *, limit: int, after: tuple[int, int] | None) -> Sequence[StoredReject]:
        """Return rejects in file order; ``after`` is the ``cursor`` of the last one of the previous page."""

    def mark_arrived(self, job_id: UUID, source: Source) -> bool:
        """Note that the object has arrived; return whether a job was waiting for an object with that key."""

    def act(self, job_id: UUID, action: Action) -> Job | None:
        """CANCEL, RETRY or UNDO the job, and return the changed job; None if the id is unknown.

        Once CANCELED, no block of it is committed any more. Raises NotPossible.
        """

    def reread(self, job_id: UUID, changes: Changes) -> Job | None:
        """RETRY or REREAD the job with changed instructions, and return it; None if the id is unknown.

        No block of its earlier reading is committed any more. Raises NotPossible, and InvalidRequest when
        its options do not go together then.
        """

    def load(self, job_id: UUID, changes: Changes | None) -> Job | None:
        """LOAD the job after its preview, and return it; None if the id is unknown.

        It keeps the reading that the preview showed. With changed instructions, the same object is read
        afresh. Raises as :meth:`reread` does.
        """

    def note_download(self, job_id: UUID) -> None:
        """Note in the audit log that the actor gets the job's rejects file."""

    def dataset_options(self, dataset: str) -> Options | None:
        """Return the default options of the dataset's files; None if there is no such dataset."""

    def set_dataset_options(self, dataset: str, options: Options) -> None:
        """Store the default options of the dataset's files. Registers the dataset if it is new."""
