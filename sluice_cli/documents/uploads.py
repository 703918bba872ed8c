"""Documents about uploads: the request for one, and the answers with presigned URLs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

from sluice_cli.documents.members import (
    Document,
    as_object,
    optional_integer,
    optional_moment,
    required_job_id,
    required_text,
)
from sluice_cli.errors import UnexpectedResponseError


@dataclass(frozen=True)
class NewUpload:
    """A request for an upload. The API detects or chooses what is None."""

    filename: str
    size: int
    dataset: str | None = None
    format: str | None = None
    options: Mapping[str, object] | None = None
    sha256: str | None = None
    force: bool = False
    parent_job: UUID | None = None
    preview: bool = False
    max_rejects: int | str | None = None
    on_failure: str | None = None
    rejects_beyond_limit: str | None = None
    metadata: Mapping[str, str] | None = None

    def body(self) -> dict[str, Any]:
        """Return the body of ``POST /uploads``. The parts of a multipart upload will have checksums."""
        members = {
            "filename": self.filename,
            "size": self.size,
            "dataset": self.dataset,
            "format": self.format,
            "options": self.options or None,
            "sha256": self.sha256,
            "force": self.force or None,
            "parent_job": str(self.parent_job) if self.parent_job else None,
            "preview": self.preview or None,
            "max_rejects": self.max_rejects,
            "on_failure": self.on_failure,
            "rejects_beyond_limit": self.rejects_beyond_limit,
            "metadata": self.metadata or None,
            "part_checksums": True,
        }
        return {name: value for name, value in members.items() if value is not None}


@dataclass(frozen=True)
class PresignedPut:
    """A presigned URL to PUT bytes to, with the headers that it is signed for, until it expires."""

    url: str
    headers: Mapping[str, str]
    expires_at: datetime | None

    @property
    def expired(self) -> bool:
        """Return whether the URL has expired, by this machine's clock."""
        return self.expires_at is not None and self.expires_at <= datetime.now(UTC)


@dataclass(frozen=True)
class SinglePutUpload(PresignedPut):
    """An upload of a whole file in one PUT."""

    job_id: UUID

    @classmethod
    def read(cls, answer: object) -> Self:
        """Read the answer to ``POST /uploads``. Raises UnexpectedResponseError if it is not one."""
        document = as_object(answer, "an upload")
        upload = as_object(document.get("upload"), "an upload")
        return cls(
            url=required_text(upload, "url"),
            headers=_headers(upload),
            expires_at=optional_moment(upload.get("expires_at")),
            job_id=required_job_id(document, "job_id"),
        )


@dataclass(frozen=True)
class MultipartUpload:
    """A multipart upload. Parts are numbered from 1.

    ``checksums`` says whether a request for a part's URL must name its SHA-256; otherwise it must not.
    """

    job_id: UUID
    size: int
    part_size: int
    checksums: bool
    expires_at: datetime | None

    @classmethod
    def read(cls, job_id: UUID, upload: Document, *, checksums: bool) -> Self:
        """Read a document with a ``part_size``. Raises UnexpectedResponseError if its sizes contradict."""
        size, part_size, part_count = (
            optional_integer(upload.get(name)) for name in ("size", "part_size", "part_count")
        )
        if not size or not part_size or min(size, part_size) < 0 or part_count != -(-size // part_size):
            raise UnexpectedResponseError("its parts do not make up the file")
        return cls(job_id, size, part_size, checksums, optional_moment(upload.get("expires_at")))

    @property
    def numbers(self) -> range:
        """Return the numbers of all parts."""
        return range(1, -(-self.size // self.part_size) + 1)

    def span(self, number: int) -> tuple[int, int]:
        """Return the byte offsets in the file at which a part begins and ends."""
        return (number - 1) * self.part_size, min(number * self.part_size, self.size)

    def length(self, number: int) -> int:
        """Return a part's length in bytes."""
        start, end = self.span(number)
        return end - start


@dataclass(frozen=True)
class StoredPart:
    """A part that S3 has stored. ``sha256`` is in hexadecimal, None if the part was sent without one."""

    number: int
    size: int | None
    sha256: str | None

    @classmethod
    def read(cls, answer: object) -> Self:
        """Read one element of ``parts``. Raises UnexpectedResponseError if it is not one."""
        document = as_object(answer, "a part")
        sha256 = document.get("sha256")
        return cls(
            number=_part_number(document),
            size=optional_integer(document.get("size")),
            sha256=sha256.lower() if isinstance(sha256, str) else None,
        )


def read_upload(answer: object) -> SinglePutUpload | MultipartUpload:
    """Read the answer to ``POST /uploads``. Raises UnexpectedResponseError if it is not one."""
    document = as_object(answer, "an upload")
    upload = as_object(document.get("upload"), "an upload")
    if upload.get("part_size") is None:
        return SinglePutUpload.read(document)
    return MultipartUpload.read(required_job_id(document, "job_id"), upload, checksums=True)


def read_presigned_parts(answer: object) -> dict[int, PresignedPut]:
    """Read the answer to a request for parts' URLs, by part number. Raises UnexpectedResponseError."""
    document = as_object(answer, "the parts of an upload")
    parts = document.get("parts")
    if not isinstance(parts, list):
        raise UnexpectedResponseError("the parts of an upload were expected")
    expires_at = optional_moment(document.get("expires_at"))
    presigned: dict[int, PresignedPut] = {}
    for part in (as_object(part, "a part") for part in parts):
        presigned[_part_number(part)] = PresignedPut(required_text(part, "url"), _headers(part), expires_at)
    return presigned


def _part_number(part: Document) -> int:
    number = optional_integer(part.get("number"))
    if number is None:
        raise UnexpectedResponseError("a part has no number")
    return number


def _headers(document: Document) -> dict[str, str]:
    headers = as_object(document.get("headers", {}), "an upload's headers")
    return {name: str(value) for name, value in headers.items()}
