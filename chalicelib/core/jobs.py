"""Jobs: a new job, a stored job with its upload, reading, progress and outcome, a claim on a job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from chalicelib.core.budget import Budget, OnFailure
from chalicelib.core.model import Dialect, Format, Options, Range, RejectCount, Source, Status, Tally
from chalicelib.core.warnings import JobWarning


@dataclass(frozen=True)
class Instructions:
    """A client's instructions for loading a file."""

    format: Format | None = None  # None: detect it
    options: Options = field(default_factory=Options)
    metadata: Mapping[str, Any] | None = None  # stored with every row
    force: bool = False  # load the file even if another job has loaded the same content
    max_rejects: Budget | None = None  # with more rejects the job fails; None: any number is allowed
    on_failure: OnFailure = OnFailure.KEEP


@dataclass(frozen=True)
class Changes:
    """Changes of a job's instructions, before it is retried."""

    options: Mapping[str, Any] = field(default_factory=dict)  # by name; None: the default
    format: Format | None = None  # None: as before
    limits: Mapping[str, Any] = field(default_factory=dict)  # ``max_rejects`` and ``on_failure``, by name
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


@dataclass(frozen=True)
class Times:
    """The times at which a job was created, first claimed, last changed and ended."""

    created_at: datetime
    started_at: datetime | None
    updated_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True)
class NewJob:
    """A job to register."""

    id: UUID
    dataset: str
    filename: str
    upload: Upload
    block_size: int  # bytes
    instructions: Instructions = field(default_factory=Instructions)


@dataclass(frozen=True)
class Job:
    """One upload on its way into Postgres, as stored."""

    id: UUID
    number: int  # identifies the job in the tables, in 8 bytes
    status: Status
    dataset: str
    dataset_id: int
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
    rolls_back: bool = False  # it failed and its rows were removed; while UNDOING: they are being removed


@dataclass(frozen=True)
class Claim:
    """A claim of a worker, under a lease: a job, or a range of a job that was split."""

    job: Job  # as it was when it was claimed
    owner: str  # names the delivery in the lease
    range: Range | None  # None: the whole job
    attempts_without_progress: int  # at the job or at the range, this attempt included
