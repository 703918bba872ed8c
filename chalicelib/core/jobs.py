"""Jobs: a new job, a stored job with its upload, reading, progress and outcome, a claim on a job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import Any
from uuid import UUID

from chalicelib.core.access import UploadLimits
from chalicelib.core.budget import BeyondLimit, Budget, OnFailure
from chalicelib.core.model import Dialect, Format, Options, Range, RejectCount, Source, Status, Tally
from chalicelib.core.preview import Preview
from chalicelib.core.tenants import DEFAULT_TENANT, Tenant
from chalicelib.core.warnings import JobWarning
from chalicelib.core.workers import Holders


@dataclass(frozen=True)
class Instructions:
    """A client's instructions for loading a file."""

    format: Format | None = None  # None: detect it
    options: Options = field(default_factory=Options)
    metadata: Mapping[str, Any] | None = None  # the client's labels
    force: bool = False  # load the file even if another job has loaded the same content
    parent_job: UUID | None = None  # the job whose rejects the file holds, as the client says
    preview: bool = False  # show how the file would be loaded, and wait
    max_rejects: Budget | None = None  # with more rejects the job fails; None: any number is allowed
    on_failure: OnFailure = OnFailure.KEEP
    rejects_beyond_limit: BeyondLimit = BeyondLimit.FAIL


@dataclass(frozen=True)
class Changes:
    """Changes of a job's instructions, before it is retried."""

    options: Mapping[str, Any] = field(default_factory=dict)  # by name; None: the default
    format: Format | None = None  # None: as before
    limits: Mapping[str, Any] = field(default_factory=dict)  # about rejects, by name
    rereads: bool = True  # its file is read again; otherwise only the limits change


@dataclass(frozen=True)
class Upload:
    """The file that a client announced, and the object that it becomes."""

    bucket: str
    key: str
    size: int | None = None  # bytes
    sha256: str | None = None  # of the whole file, in hexadecimal
    expires_at: datetime | None = None  # the job expires if the file has not arrived; None for a dropped file
    arrived_at: datetime | None = None
    # of a multipart upload
    upload_id: str | None = None  # S3's name for it
    part_size: int | None = None  # bytes; the last part may be shorter
    part_checksums: bool = False  # the client names the SHA-256 of each part before it sends it


@dataclass(frozen=True)
class Part:
    """A part of a multipart upload; ``number`` counts from 1."""

    number: int
    size: int  # bytes
    sha256: str | None = None  # in hexadecimal
    etag: str = ""  # once S3 has it


@dataclass(frozen=True)
class Reading:
    """The object that a job reads, its dialect and its grid. The first worker to open the job fixes them."""

    source: Source
    dialect: Dialect
    block_size: int  # bytes: the grid that the job's blocks lie on
    text_size: int | None = (
        None  # bytes, of a text that is not the object itself; None until its end was read
    )
    split_to: int | None = None  # bytes: the file has been split into ranges up to here; None: it has not


@dataclass(frozen=True)
class Progress:
    """The progress of a job. The tally and the bytes are sums over the ledger."""

    attempts: int = 0  # claims so far
    attempts_without_progress: int = 0  # the most recent ones in a row that added no block to the ledger
    bytes_processed: int = 0
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True)
class JobError:
    """The reason why a job failed: a code, and a sentence for people."""

    code: str
    message: str


@dataclass(frozen=True)
class JobOutcome:
    """The outcome of a job, beyond its status."""

    error: JobError | None = None
    duplicate_of: UUID | None = None  # the job that loaded the same content
    undone_rows: int | None = None
    purged_at: datetime | None = None  # when its rejects were removed


class RejectsSource(StrEnum):
    """What the records in a rejects file were taken from."""

    OBJECT = "object"  # the file: they are whole
    EXCERPTS = "excerpts"  # at least some are excerpts: the file, or a part of it, cannot be read any more


@dataclass(frozen=True)
class RejectsFile:
    """The state of a rejects file that was asked for, or that an undo has left."""

    key: str | None = None  # of its object; None: it is not made yet
    rejects: int | None = None  # in it, once it is made
    source: RejectsSource | None = None  # likewise
    error: str | None = None  # a sentence: it could not be made


@dataclass(frozen=True)
class Times:
    """The times at which a job was created, first claimed, last changed, ended and last put on the queue."""

    created_at: datetime
    started_at: datetime | None
    updated_at: datetime
    completed_at: datetime | None
    queued_at: datetime | None = (
        None  # when its file arrived, or a client had it loaded, retried or read again
    )


class Task(Enum):
    """The work that a claim is for."""

    JOB = auto()  # load its file, or undo it
    REJECTS_FILE = auto()  # make it: the job has ended


@dataclass(frozen=True)
class NewJob:
    """A job to register."""

    id: UUID
    dataset: str
    filename: str
    upload: Upload
    block_size: int  # bytes
    instructions: Instructions = field(default_factory=Instructions)
    tenant: Tenant = DEFAULT_TENANT
    created_by: str | None = None  # the credential of the request; None: a dropped file
    limits: UploadLimits | None = None  # of the upload token that it counts for


@dataclass(frozen=True)
class JobFilters:
    """Which jobs to list. None: any."""

    status: Status | None = None
    dataset: str | None = None
    since: datetime | None = None  # registered then or later
    until: datetime | None = None  # registered before


@dataclass(frozen=True)
class Job:
    """One upload on its way into Postgres, as stored."""

    id: UUID
    number: int  # identifies the job in the tables, in 8 bytes
    status: Status
    tenant: Tenant
    dataset: str
    dataset_id: int  # of the tenant's own: no other tenant has it
    filename: str
    instructions: Instructions
    upload: Upload
    source: Source | None  # from the event, then as pinned
    block_size: int  # bytes: planned until the job is opened, then fixed
    reading_no: int  # numbers its readings from 1: a worker of an earlier one commits nothing
    reading: Reading | None  # None until a worker opens the job
    rereads: bool  # the next reading is of the same object, or while UNDOING: there will be a next one
    progress: Progress
    outcome: JobOutcome
    times: Times
    warnings: Sequence[JobWarning] = ()  # as the register reads them: one for each code, in file order
    rejects: Sequence[RejectCount] = ()  # likewise: one for each code and field, the most frequent first
    preview: Preview | None = None  # likewise: that of this reading
    holders: Holders | None = field(default=None, compare=False)  # likewise: of a job that has not ended
    rejects_format: Format | None = None  # of the file that its rejects are from; None: not detected yet
    rejects_file: RejectsFile | None = None  # None: it was not asked for
    created_by: str | None = None  # the credential of the request that registered it; None: there was none
    rolls_back: bool = False  # it failed and its rows were removed; while UNDOING: they are being removed
    erasures: int = 0  # of its tenant's dataset, when it was read: see core/erased_values.py

    @property
    def parent_job(self) -> UUID | None:
        """The job whose rejects the file holds, as its client says, else as the file says."""
        marked = self.reading.dialect.rejects_of if self.reading else None
        return self.instructions.parent_job or (None if marked is None else UUID(marked))

    @property
    def has_rejects(self) -> bool:
        """Whether there are rejects to download: in the ledger, or in a file that an undo has left."""
        is_left = self.rejects_file is not None and self.rejects_file.key is not None
        return self.outcome.purged_at is None and (self.progress.tally.rejected > 0 or is_left)


@dataclass(frozen=True)
class Claim:
    """A claim of a worker, under a lease: a job, a range of a job that was split, or its rejects file."""

    job: Job  # as it was when it was claimed
    owner: str  # names the delivery in the lease
    range: Range | None  # None: the whole job
    attempts_without_progress: int  # at the job, the range or the rejects file, this attempt included
    task: Task = Task.JOB
