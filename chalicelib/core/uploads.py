"""Uploads: what a client asks for, and where it may send the bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from chalicelib.core.jobs import Instructions, Job, Part


@dataclass(frozen=True)
class UploadRequest:
    """A checked request for an upload."""

    filename: str
    dataset: str = "default"
    instructions: Instructions = field(default_factory=Instructions)
    size: int | None = None  # bytes
    sha256: str | None = None  # hexadecimal, in lower case
    part_checksums: bool = False  # of a multipart upload: the client names the SHA-256 of each part


@dataclass(frozen=True)
class SignedUpload:
    """Everything a client needs to send the bytes without credentials of its own."""

    method: str
    url: str
    headers: Mapping[str, str]
    expires_at: datetime


@dataclass(frozen=True)
class SignedPart:
    """A part and where to send it."""

    part: Part
    upload: SignedUpload


@dataclass(frozen=True)
class Ticket:
    """A registered job and where to send its file: to one URL, or to one URL per part."""

    job: Job
    whole: SignedUpload | None
    parts: Sequence[SignedPart] = ()
