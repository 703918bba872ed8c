"""The seams: what the flow needs from the outside, as small Protocols. ``backends`` fill them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from chalicelib.core.lifecycle import Action
from chalicelib.core.model import (
    Dialect,
    Format,
    Gap,
    Job,
    Options,
    Part,
    Range,
    Reject,
    Source,
    Status,
    StoredReject,
    Tally,
    Upload,
)

if TYPE_CHECKING:  # pyarrow is not in the functions' package
    import pyarrow as pa


@dataclass(frozen=True)
class SignedUpload:
    """Everything a client needs to send the bytes, with no credentials of its own."""

    method: str
    url: str
    headers: Mapping[str, str]
    expires_at: datetime


class UploadSigner(Protocol):
    """Makes URLs that let a client write one object, or a part of one, and nothing else."""

    def sign(self, key: str, *, size: int | None, sha256: str | None) -> SignedUpload:
        """A URL to PUT the object at ``key``: of that size (bytes) and SHA-256 (hexadecimal), if given."""

    def sign_part(self, key: str, upload_id: str, part: Part) -> SignedUpload:
        """A URL to PUT that part of the object at ``key``: of its size and SHA-256, if it has one."""


class UploadBucket(Protocol):
    """The bucket that clients upload to. Every method raises RetryLater.

    What happens to an upload in parts that has ended raises NotPossible.
    """

    def begin(self, key: str, *, checksums: bool) -> str:
        """The id of a new upload in parts; with ``checksums``, each part is to come with its SHA-256."""

    def parts(self, key: str, upload_id: str, *, after: int) -> Sequence[Part]:
        """Up to 1,000 of the parts that have arrived, by number, from the one after ``after`` on."""

    def complete(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        """Make the object of its parts. Once it is made, doing it again may or may not raise NotPossible."""

    def abort(self, key: str, upload_id: str) -> None:
        """Remove the parts. Does nothing when the upload has ended."""

    def remove(self, key: str) -> None:
        """Remove the object, if it is there."""

    def objects(self, prefix: str) -> Iterator[Source]:
        """All objects whose key begins so."""


class ObjectStore(Protocol):
    """Reads objects."""

    def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
        """The object, or that version of it, as it is now.

        Raises JobFailed when there is none, RetryLater when S3 is unwell.
        """

    def read(self, source: Source, start: int, end: int) -> bytes:
        """Bytes ``[start, end)`` of exactly that object.

        Raises JobFailed when the object changed or is gone, RetryLater when S3 is unwell.
        """


class JobSender(Protocol):
    """Puts jobs on the queue."""

    def send(self, job_id: UUID, *, copies: int = 1) -> None:
        """Announce that the job may be worked on, by so many workers. At least once. Raises RetryLater."""

    def ping(self) -> None:
        """Answer, or raise RetryLater."""


@dataclass(frozen=True)
class Delivery:
    """One message, handed to one receiver for a while (its visibility timeout)."""

    job_id: UUID
    receipt: str
    deliveries: int  # how often this message was handed out, this time included


class JobReceiver(Protocol):
    """Takes jobs off the queue. A message that is not acknowledged in time is handed out again."""

    max_deliveries: int  # after so many, the queue moves the message to its dead letters

    def receive(self, *, limit: int, wait_seconds: float) -> Sequence[Delivery]:
        """Up to ``limit`` messages; waits up to ``wait_seconds`` for the first. Raises RetryLater.

        A message that is not a job's id can never be worked on: it goes to the dead letters.
        """

    def acknowledge(self, delivery: Delivery) -> None:
        """The work is done, or not needed: forget the message. Raises RetryLater."""

    def extend(self, delivery: Delivery) -> None:
        """Still at it: start the visibility timeout anew. Raises RetryLater."""

    def retry(self, delivery: Delivery, *, delay_seconds: float) -> None:
        """Give the message back, to be handed out again after the delay. Raises RetryLater."""

    def close(self) -> None:
        """This receiver will ask no more. Raises RetryLater."""


@dataclass(frozen=True)
class NewJob:
    """What a client's request fixes about a job."""

    id: UUID
    dataset: str
    filename: str
    bucket: str
    key: str
    format: Format | None
    options: Options
    metadata: Mapping[str, Any] | None
    block_size: int
    upload: Upload
    force: bool = False


class Jobs(Protocol):
    """The job register, as the API and the intake see it. Every method raises RetryLater."""

    def create(self, new: NewJob) -> Job:
        """Register a PENDING job, and its dataset if it is new."""

    def get(self, job_id: UUID) -> Job | None:
        """The job with its sums over the ledger."""

    def list(
        self, *, limit: int, before: int | None, status: Status | None, dataset: str | None
    ) -> Sequence[Job]:
        """Newest first; ``before`` is the ``number`` of the last job of the page before."""

    def rejects(self, job_id: UUID, *, limit: int, after: tuple[int, int] | None) -> Sequence[StoredReject]:
        """In file order; ``after`` is the ``cursor`` of the last reject of the page before."""

    def mark_uploaded(self, job_id: UUID, source: Source) -> bool:
        """Note that the object has arrived. False: no such job was waiting for an object at that place."""

    def act(self, job_id: UUID, action: Action) -> Job | None:
        """CANCEL, RETRY or UNDO the job; as it is then, None if it is unknown.

        Once CANCELED no block of it is committed any more. Raises NotPossible.
        """

    def ping(self) -> None:
        """Answer, or raise RetryLater."""


@dataclass(frozen=True)
class Unseen:
    """A job whose object nobody has announced. ``overdue``: nobody may upload it any more."""

    job_id: UUID
    overdue: bool


class Upkeep(Protocol):
    """The job register, as a sweep sees it. Every method raises RetryLater.

    What one sweep takes is not given to another at the same time, nor for a while afterwards.
    """

    def take_turn(self, chore: str, *, seconds: float) -> bool:
        """Whether nobody has taken it for so long; then it is taken."""

    def unknown(self, job_ids: Sequence[UUID]) -> set[UUID]:
        """Those of the ids that are no job's."""

    def take_unseen(self, *, seconds: float, limit: int) -> Sequence[Unseen]:
        """PENDING jobs older than ``seconds`` whose object nobody has announced."""

    def expire(self, job_id: UUID) -> bool:
        """EXPIRED, if it still waits for its object; whether it did."""

    def take_silent(self, *, seconds: float, limit: int) -> Sequence[UUID]:
        """Jobs that should be worked on, that nobody holds and that have not moved for ``seconds``."""

    def purge(self, *, days: int, limit: int) -> int:
        """Forget rejects and ledger of jobs that ended ``days`` ago, but for the sums; how many jobs."""


class Claims(Protocol):
    """The job register, as a worker sees it. Every method raises RetryLater."""

    def claim(self, job_id: UUID, *, owner: str, lease_seconds: float) -> Job | None:
        """Take the job for a while: PROCESSING then, or still UNDOING. Of a job that was shared out, a range.

        None: it is unknown, ended, or held by another worker; or all of its ranges are.
        """

    def renew(self, job_id: UUID, *, owner: str, lease_seconds: float) -> bool:
        """Keep what was taken for a while more. False: it was taken over or finished."""

    def release(self, job_id: UUID, *, owner: str, vain: bool) -> None:
        """Let others have it at once. ``vain``: this attempt counts against the job, or the range."""

    def share(self, job: Job, part: Range | None, *, since: int | None) -> None:
        """Let any worker take that part of the job from now on; None: all of it has been shared out.

        ``shared_to`` moves on from ``since``. Raises JobEnded if it was not there, or the job has ended.
        """

    def finish(self, job_id: UUID, part: Range) -> None:
        """That range is in the ledger: nobody is to take it any more."""

    def repeated(self, job: Job, source: Source) -> UUID | None:
        """COMPLETED at once, if another job has loaded the same content in the same way: that job.

        Raises JobEnded if the job has ended, or was taken again since ``job`` was read.
        """

    def open(self, job: Job, source: Source, dialect: Dialect, block_size: int) -> Job:
        """Fix what is read and how, once; the job, as fixed by whoever was first.

        Raises JobFailed if another object was fixed before, JobEnded if the job has ended, or was taken again
        since ``job`` was read.
        """

    def measure(self, job: Job, size: int) -> None:
        """Note the size of the file's text, in bytes, now that its end has been seen."""

    def gaps(self, job_id: UUID, total: int | None) -> Sequence[Gap]:
        """What the ledger does not cover of ``[0, total)``, in order.

        While the total is not known the last gap, from where the last block ends, has no end.
        """

    def complete(self, job_id: UUID, total: int) -> bool:
        """COMPLETED, if the ledger covers ``[0, total)`` and adds up; raises JobFailed if it does not.

        False: it was COMPLETED already. Raises JobEnded if the job has ended in another way.
        """

    def fail(self, job_id: UUID, *, owner: str, code: str, message: str) -> bool:
        """FAILED, unless the job has ended or the owner does not hold it, or a range of it; whether it is."""

    def undo(self, job: Job, *, owner: str, keep_going: Callable[[], bool]) -> bool:
        """Remove the rows that only this job brought, its rejects and its ledger: UNDONE. Bit by bit.

        False: ``keep_going`` said no before the end. Raises JobEnded if the lease was lost.
        """


@dataclass(frozen=True)
class LoadedBlock:
    """A block ready to be written: records with their hashes, sorted by hash, each hash once."""

    no: int
    start: int
    end: int  # bytes; where the next block begins
    records: int  # in the file, before anything was dropped
    repeated: int  # records that another record of this block already brought
    rows: "pa.RecordBatch"  # content_hash: binary(32), record: string (canonical JSON)
    rejects: Sequence[Reject] = field(default_factory=tuple)
    source_offset: int | None = None  # of a compressed object: how far it had been read


class RecordSink(Protocol):
    """Writes blocks."""

    def load(self, job: Job, block: LoadedBlock) -> Tally:
        """Rows, rejects and the ledger's row in one transaction: all of it or nothing.

        Raises LostClaim when the ledger has that block already, JobEnded when the job is not PROCESSING
        any more or was begun anew with another object, RetryLater when it may succeed later.
        """
