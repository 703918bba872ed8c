"""Leave to upload: what is asked for it, and the answers that say where to PUT what."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

from sluice_cli.documents import Document, NotSluice, job_id, mapping, moment, required, whole


@dataclass(frozen=True)
class NewUpload:
    """What the API is told of a file; None is left to it to decide or to find out."""

    filename: str
    size: int
    dataset: str | None = None
    format: str | None = None
    options: Mapping[str, object] | None = None
    sha256: str | None = None
    force: bool = False

    def body(self) -> dict[str, Any]:
        """The body of ``POST /uploads``. Should the file be sent in parts, each will have its checksum."""
        members = {
            "filename": self.filename,
            "size": self.size,
            "dataset": self.dataset,
            "format": self.format,
            "options": self.options or None,
            "sha256": self.sha256,
            "force": self.force or None,
            "part_checksums": True,
        }
        return {name: value for name, value in members.items() if value is not None}


@dataclass(frozen=True)
class Target:
    """Where to PUT bytes, with which headers, until when."""

    url: str
    headers: Mapping[str, str]
    expires_at: datetime | None

    @property
    def expired(self) -> bool:
        """Whether its time is over, by this machine's clock."""
        return self.expires_at is not None and self.expires_at <= datetime.now(UTC)


@dataclass(frozen=True)
class Ticket(Target):
    """Leave to upload one file in one piece, and the job that it becomes."""

    job_id: UUID

    @classmethod
    def read(cls, answer: object) -> Self:
        """The view of the answer to ``POST /uploads``. Raises NotSluice when it is none."""
        document = mapping(answer, "an upload")
        upload = mapping(document.get("upload"), "an upload")
        return cls(
            url=required(upload, "url"),
            headers=_headers(upload),
            expires_at=moment(upload.get("expires_at")),
            job_id=job_id(document, "job_id"),
        )


@dataclass(frozen=True)
class PartedUpload:
    """Leave to upload one file in parts, numbered from 1.

    ``checksums``: whether the SHA-256 of a part must be named when its URL is asked for, or must not.
    """

    job_id: UUID
    size: int
    part_size: int
    checksums: bool
    expires_at: datetime | None

    @classmethod
    def read(cls, job_id: UUID, upload: Document, *, checksums: bool) -> Self:
        """The view of a document with a ``part_size``. Raises NotSluice if its figures do not go together."""
        size, part_size, count = (whole(upload.get(name)) for name in ("size", "part_size", "part_count"))
        if not size or not part_size or min(size, part_size) < 0 or count != -(-size // part_size):
            raise NotSluice("its parts do not make up the file")
        return cls(job_id, size, part_size, checksums, moment(upload.get("expires_at")))

    @property
    def numbers(self) -> range:
        """The numbers of all parts."""
        return range(1, -(-self.size // self.part_size) + 1)

    def span(self, number: int) -> tuple[int, int]:
        """Where in the file a part begins, and where it ends."""
        return (number - 1) * self.part_size, min(number * self.part_size, self.size)

    def length(self, number: int) -> int:
        """How many bytes a part has."""
        start, end = self.span(number)
        return end - start


@dataclass(frozen=True)
class StoredPart:
    """A part that S3 has. ``sha256`` in hexadecimal; None when it was sent without."""

    number: int
    size: int | None
    sha256: str | None

    @classmethod
    def read(cls, answer: object) -> Self:
        """The view of one element of ``parts``. Raises NotSluice when it is none."""
        document = mapping(answer, "a part")
        sha256 = document.get("sha256")
        return cls(
            number=_number(document),
            size=whole(document.get("size")),
            sha256=sha256.lower() if isinstance(sha256, str) else None,
        )


def leave(answer: object) -> Ticket | PartedUpload:
    """What ``POST /uploads`` answers: the file is to be sent in one piece or in parts. Raises NotSluice."""
    document = mapping(answer, "an upload")
    upload = mapping(document.get("upload"), "an upload")
    if upload.get("part_size") is None:
        return Ticket.read(document)
    return PartedUpload.read(job_id(document, "job_id"), upload, checksums=True)


def part_targets(answer: object) -> dict[int, Target]:
    """Where to PUT parts, by their numbers. Raises NotSluice when the answer does not tell."""
    document = mapping(answer, "the parts of an upload")
    parts = document.get("parts")
    if not isinstance(parts, list):
        raise NotSluice("the parts of an upload were expected")
    expires_at = moment(document.get("expires_at"))
    documents = [mapping(part, "a part") for part in parts]
    return {_number(it): Target(required(it, "url"), _headers(it), expires_at) for it in documents}


def _number(part: Document) -> int:
    number = whole(part.get("number"))
    if number is None:
        raise NotSluice("a part has no number")
    return number


def _headers(document: Document) -> dict[str, str]:
    headers = mapping(document.get("headers", {}), "an upload's headers")
    return {name: str(value) for name, value in headers.items()}
