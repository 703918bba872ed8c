"""Jobs, and what their users need of them: the job itself, its upload, a worker's claim on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from chalicelib.core.model import Dialect, Format, Options, Range, Source, Status, Tally


@dataclass(frozen=True)
class Instructions:
    """What an upload says about how to load its file."""

    format: Format | None = None  # None: detect it
    options: Options = field(default_factory=Options)
    metadata: Mapping[str, Any] | None = None  # stored with every row
    force: bool = False  # load the file even if another job has loaded the same content


@dataclass(frozen=True)
class Upload:
    """What a client promised to send, and where it goes."""

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
    """What a job reads, and how. Fixed by the first worker that opens the job."""

    source: Source
    dialect: Dialect
    block_size: int  # bytes: the grid that the job's blocks lie on
    text_size: int | None = None  # bytes, once known, where the text is not the object itself
    split_to: int | None = None  # bytes: the file has been split into ranges up to here; None: it has not


@dataclass(frozen=True)
class Progress:
    """How far a job is. The tally and the bytes are sums over the ledger."""

    attempts: int = 0  # claims so far
    attempts_without_progress: int = 0  # the last ones, in a row, that added no block to the ledger
    bytes_processed: int = 0
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True)
class JobError:
    """Why a job failed: a code, and a sentence for a person."""

    code: str
    message: str


@dataclass(frozen=True)
class Outcome:
    """What became of a job, beyond its status."""

    error: JobError | None = None
    duplicate_of: UUID | None = None  # the job that loaded the same content
    undone_rows: int | None = None
    purged_at: datetime | None = None  # when its rejects were removed


@dataclass(frozen=True)
class Times:
    """When a job was created, first claimed, last changed, and ended."""

    created_at: datetime
    started_at: datetime | None
    updated_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True)
class NewJob:
    """What is fixed about a job when it is registered."""

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
    number: int  # the job's short name inside the database
    status: Status
    dataset: str
    dataset_id: int
    filename: str
    instructions: Instructions
    upload: Upload
    source: Source | None  # as announced, then as pinned
    block_size: int  # bytes: planned until the job is opened, then fixed
    reading: Reading | None  # None until a worker opens the job
    progress: Progress
    outcome: Outcome
    times: Times


@dataclass(frozen=True)
class Claim:
    """What a worker took under a lease: a job, or a range of one that was split."""

    job: Job  # as it was when it was claimed
    owner: str  # names the delivery in the lease
    range: Range | None  # None: the whole job
    attempts_without_progress: int  # at the job or at the range, this attempt included
