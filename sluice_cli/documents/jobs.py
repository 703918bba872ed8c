"""Job documents, and the rejects of a job."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from sluice_cli.documents.members import (
    Document,
    as_object,
    count,
    optional_integer,
    optional_list,
    optional_moment,
    optional_number,
    optional_object,
    optional_text,
    required_job_id,
    required_text,
)
from sluice_cli.escaping import safe

PENDING, PROCESSING, PREVIEWED, UNDOING = "PENDING", "PROCESSING", "PREVIEWED", "UNDOING"
COMPLETED, FAILED, CANCELED, EXPIRED, UNDONE = "COMPLETED", "FAILED", "CANCELED", "EXPIRED", "UNDONE"
STATUSES = (PENDING, PROCESSING, PREVIEWED, COMPLETED, FAILED, CANCELED, EXPIRED, UNDOING, UNDONE)
_ACTIVE = frozenset((PENDING, PROCESSING, UNDOING))
_TERMINAL = frozenset((PREVIEWED, COMPLETED, FAILED, CANCELED, EXPIRED, UNDONE))


@dataclass(frozen=True)
class Counts:
    """How many records were read so far, and what became of them."""

    read: int
    inserted: int
    duplicates: int
    rejected: int

    @property
    def add_up(self) -> bool:
        """Return whether every record read is accounted for."""
        return self.read == self.inserted + self.duplicates + self.rejected


@dataclass(frozen=True)
class Warned:
    """A warning: what Sluice assumed, passed over or repaired, how often, and where first."""

    code: str
    message: str
    count: int
    record: int | None
    line: int | None
    offset: int | None
    example: str | None
    option: str | None  # the one that decides the matter

    @classmethod
    def read(cls, answer: object) -> Self:
        """Read one element of ``warnings``. Raises UnexpectedResponseError if ``answer`` is not one."""
        document = as_object(answer, "a warning")
        first = optional_object(document, "first")
        return cls(
            code=optional_text(document.get("code")) or "",
            message=optional_text(document.get("message")) or "",
            count=count(document, "count"),
            record=optional_integer(first.get("record")),
            line=optional_integer(first.get("line")),
            offset=optional_integer(first.get("offset")),
            example=optional_text(document.get("example")),
            option=optional_text(document.get("option")),
        )


@dataclass(frozen=True)
class RejectKind:
    """How many records were rejected with one code and one field, and where the first is."""

    document: Document
    code: str
    field: str | None
    count: int
    record: int | None
    line: int | None
    row: int | None
    offset: int | None
    message: str | None  # about all of them
    first_message: str | None  # about the first
    option: str | None  # that may decide the matter

    @classmethod
    def read(cls, answer: object) -> Self:
        """Read one element of ``rejects``. Raises UnexpectedResponseError if ``answer`` is not one."""
        document = as_object(answer, "a count of rejects")
        first = optional_object(document, "first")
        return cls(
            document=document,
            code=optional_text(document.get("code")) or "",
            field=optional_text(document.get("field")),
            count=count(document, "count"),
            record=optional_integer(first.get("record")),
            line=optional_integer(first.get("line")),
            row=optional_integer(first.get("row")),
            offset=optional_integer(first.get("offset")),
            message=optional_text(document.get("message")),
            first_message=optional_text(first.get("message")),
            option=optional_text(document.get("option")),
        )


@dataclass(frozen=True)
class Waiting:
    """What a job waits for, in one word and in a sentence, and since when."""

    what: str
    since: datetime | None
    message: str

    @classmethod
    def read_from(cls, document: Document) -> Self | None:
        """Return the member ``waiting_for`` of a job document, None if the job does not wait."""
        waiting = optional_object(document, "waiting_for")
        if not waiting:
            return None
        return cls(
            what=optional_text(waiting.get("what")) or "",
            since=optional_moment(waiting.get("since")),
            message=optional_text(waiting.get("message")) or "",
        )


@dataclass(frozen=True)
class Job:
    """A job document.

    ``retry_after`` is the pause in seconds that the server asks for before the next request, None if it names
    none.
    """

    document: Document
    retry_after: float | None
    id: str
    status: str
    phase: str | None
    waiting: Waiting | None
    dataset: str
    filename: str
    format: str | None
    bytes_processed: int
    bytes_total: int | None
    rows_per_second: float | None
    eta_seconds: float | None
    counts: Counts
    attempts: int
    duplicate_of: str | None  # the job that had loaded the same file
    undone_rows: int | None
    rejects_not_stored: int  # records
    error: tuple[str, str] | None  # code, message
    warnings: tuple[Warned, ...]
    rejects: tuple[RejectKind, ...]  # the most frequent first
    created_at: datetime | None
    queued_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None

    @property
    def ended(self) -> bool:
        """Return whether the status is terminal: the job stays in it until a client acts on it.

        A status that this client does not know is terminal if the server names no pause with it.
        """
        return self.status in _TERMINAL or (self.status not in _ACTIVE and self.retry_after is None)

    @property
    def percent(self) -> float | None:
        """Return how much of the file is loaded, 0 to 100; None while its size is not known."""
        if self.status == COMPLETED:
            return 100.0
        return 100 * min(self.bytes_processed / self.bytes_total, 1) if self.bytes_total else None

    @property
    def seconds(self) -> float | None:
        """Return the time from when the job was queued to its end, None until it has ended.

        With a service of an earlier version, which does not tell when that was: since a worker took it.
        """
        begin = self.queued_at or self.started_at
        if self.completed_at is None or begin is None:
            return None
        return (self.completed_at - begin).total_seconds()

    @property
    def queue_seconds(self) -> float:
        """Return the part of these seconds before a worker took the job."""
        if self.queued_at is None or self.started_at is None:
            return 0.0
        return max((self.started_at - self.queued_at).total_seconds(), 0.0)

    @classmethod
    def read(cls, answer: object, retry_after: float | None = None) -> Self:
        """Read a job document. Raises UnexpectedResponseError if ``answer`` is not one."""
        document = as_object(answer, "a job")
        progress, counts = optional_object(document, "progress"), optional_object(document, "counts")
        error = optional_object(document, "error")
        return cls(
            document=document,
            retry_after=retry_after,
            id=str(required_job_id(document, "id")),
            status=safe(required_text(document, "status")),
            phase=optional_text(document.get("phase")),
            waiting=Waiting.read_from(document),
            dataset=optional_text(document.get("dataset")) or "",
            filename=optional_text(document.get("filename")) or "",
            format=optional_text(optional_object(document, "detected").get("format")),
            bytes_processed=count(progress, "bytes_processed"),
            bytes_total=optional_integer(progress.get("bytes_total")),
            rows_per_second=optional_number(progress.get("rows_per_second")),
            eta_seconds=optional_number(progress.get("eta_seconds")),
            counts=Counts(*(count(counts, name) for name in ("read", "inserted", "duplicates", "rejected"))),
            attempts=count(document, "attempts"),
            duplicate_of=optional_text(document.get("duplicate_of")),
            rejects_not_stored=count(document, "rejects_not_stored"),
            undone_rows=optional_integer(document.get("undone_rows")),
            error=(safe(error.get("code", "")), safe(error.get("message", ""))) if error else None,
            warnings=tuple(Warned.read(warning) for warning in optional_list(document, "warnings")),
            rejects=tuple(RejectKind.read(kind) for kind in optional_list(document, "rejects")),
            created_at=optional_moment(document.get("created_at")),
            queued_at=optional_moment(document.get("queued_at")),
            started_at=optional_moment(document.get("started_at")),
            completed_at=optional_moment(document.get("completed_at")),
        )


@dataclass(frozen=True)
class Reject:
    """A reject: where the record is, what is wrong with it, how it begins."""

    document: Document
    record_number: int | None
    line: int | None
    row: int | None
    byte_offset: int | None
    field: str | None
    code: str
    message: str
    raw: str
    job_id: str  # empty, as the filename, in the list of one job
    filename: str

    @classmethod
    def read(cls, answer: object) -> Self:
        """Read one element of ``errors``. Raises UnexpectedResponseError if ``answer`` is not one."""
        document = as_object(answer, "a rejected record")
        return cls(
            document=document,
            record_number=optional_integer(document.get("record_number")),
            line=optional_integer(document.get("line")),
            row=optional_integer(document.get("row")),
            byte_offset=optional_integer(document.get("byte_offset")),
            field=optional_text(document.get("field")),
            code=optional_text(document.get("code")) or "",
            message=optional_text(document.get("message")) or "",
            raw=optional_text(document.get("raw")) or "",
            job_id=optional_text(document.get("job_id")) or "",
            filename=optional_text(document.get("filename")) or "",
        )
