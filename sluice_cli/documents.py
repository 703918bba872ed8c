"""The API's answers, read for people: every text in them is safe to print, every number a number.

What a program wants is the document as it came; each view keeps it as ``document``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

from sluice_cli.errors import Trouble
from sluice_cli.text import safe

PENDING, PROCESSING, UNDOING = "PENDING", "PROCESSING", "UNDOING"
COMPLETED, FAILED, CANCELED, EXPIRED, UNDONE = "COMPLETED", "FAILED", "CANCELED", "EXPIRED", "UNDONE"
_GOING_ON = frozenset((PENDING, PROCESSING, UNDOING))
_ENDED = frozenset((COMPLETED, FAILED, CANCELED, EXPIRED, UNDONE))

Document = Mapping[str, Any]


class NotSluice(Trouble):
    """The address answers, but not as a Sluice API does."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The answer is not one of a Sluice API: {what}.",
            hint="Is SLUICE_URL (or --url) the address of the API, to the end of its path?",
        )


@dataclass(frozen=True)
class Counts:
    """What became of the records read so far."""

    read: int
    inserted: int
    duplicates: int
    rejected: int

    @property
    def add_up(self) -> bool:
        """Whether every record read is accounted for."""
        return self.read == self.inserted + self.duplicates + self.rejected


@dataclass(frozen=True)
class Job:
    """A job document. ``retry_after``: seconds until it is worth looking again; None once it has ended."""

    document: Document
    retry_after: float | None
    id: str
    status: str
    phase: str | None
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
    error: tuple[str, str] | None  # code, message
    created_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None

    @property
    def ended(self) -> bool:
        """Whether the job stays as it is; with a status unknown here, whether it names no time to wait."""
        return self.status in _ENDED or (self.status not in _GOING_ON and self.retry_after is None)

    @property
    def percent(self) -> float | None:
        """How much of the file is loaded; None while its size is not known."""
        if self.status == COMPLETED:
            return 100.0
        return 100 * min(self.bytes_processed / self.bytes_total, 1) if self.bytes_total else None

    @property
    def seconds(self) -> float | None:
        """How long the work on it took, once it has ended."""
        if self.completed_at is None or self.started_at is None:
            return None
        return (self.completed_at - self.started_at).total_seconds()

    @classmethod
    def read(cls, answer: object, retry_after: float | None = None) -> Self:
        """The view of a job document. Raises NotSluice when it is none."""
        document = mapping(answer, "a job")
        progress, counts = _part(document, "progress"), _part(document, "counts")
        error = _part(document, "error")
        return cls(
            document=document,
            retry_after=retry_after,
            id=str(job_id(document, "id")),
            status=safe(required(document, "status")),
            phase=_text(document.get("phase")),
            dataset=_text(document.get("dataset")) or "",
            filename=_text(document.get("filename")) or "",
            format=_text(_part(document, "detected").get("format")),
            bytes_processed=_count(progress, "bytes_processed"),
            bytes_total=whole(progress.get("bytes_total")),
            rows_per_second=_real(progress.get("rows_per_second")),
            eta_seconds=_real(progress.get("eta_seconds")),
            counts=Counts(*(_count(counts, name) for name in ("read", "inserted", "duplicates", "rejected"))),
            attempts=_count(document, "attempts"),
            duplicate_of=_text(document.get("duplicate_of")),
            undone_rows=whole(document.get("undone_rows")),
            error=(safe(error.get("code", "")), safe(error.get("message", ""))) if error else None,
            created_at=moment(document.get("created_at")),
            started_at=moment(document.get("started_at")),
            completed_at=moment(document.get("completed_at")),
        )


@dataclass(frozen=True)
class Reject:
    """A rejected record: where it is, what is wrong with it, how it begins."""

    document: Document
    record_number: int | None
    byte_offset: int | None
    field: str | None
    code: str
    message: str
    raw: str

    @classmethod
    def read(cls, answer: object) -> Self:
        """The view of one element of ``errors``. Raises NotSluice when it is none."""
        document = mapping(answer, "a rejected record")
        return cls(
            document=document,
            record_number=whole(document.get("record_number")),
            byte_offset=whole(document.get("byte_offset")),
            field=_text(document.get("field")),
            code=_text(document.get("code")) or "",
            message=_text(document.get("message")) or "",
            raw=_text(document.get("raw")) or "",
        )


def mapping(answer: object, what: str) -> Document:
    """``answer``, which must be a JSON object. Raises NotSluice naming ``what`` was expected."""
    if not isinstance(answer, dict):
        raise NotSluice(f"{what} was expected")
    return answer


def required(document: Document, name: str) -> str:
    """The text called ``name``. Raises NotSluice when there is none."""
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise NotSluice(f"it has no {name!r}")
    return value


def job_id(document: Document, name: str) -> UUID:
    """The job's id called ``name``. Raises NotSluice when there is none."""
    try:
        return UUID(required(document, name))
    except ValueError:
        raise NotSluice(f"its {name!r} is no job's id") from None


def whole(value: object) -> int | None:
    """``value`` if it is a whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def moment(value: object) -> datetime | None:
    """The moment that ``value`` names in ISO 8601, if it does; without an offset in UTC."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found


def _part(document: Document, name: str) -> Document:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return None if value is None else safe(value)


def _real(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _count(document: Document, name: str) -> int:
    return whole(document.get(name)) or 0
