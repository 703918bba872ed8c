"""Uploads and downloads: the request of a client, and the signed URLs that it gets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from chalicelib.core.jobs import Instructions, Job, Part

DEFAULT_DATASET = "default"


@dataclass(frozen=True)
class UploadRequest:
    """A validated request for an upload."""

    filename: str
    dataset: str | None = None  # None: that of the parent job, or DEFAULT_DATASET
    instructions: Instructions = field(default_factory=Instructions)
    declared: frozenset[str] = frozenset()  # the names of the options that the client declared
    size: int | None = None  # bytes
    sha256: str | None = None  # hexadecimal, in lower case
    part_checksums: bool = False  # of a multipart upload: the client names the SHA-256 of each part


@dataclass(frozen=True)
class SignedUpload:
    """A signed request, with which a client sends bytes without credentials of its own."""

    method: str
    url: str
    headers: Mapping[str, str]
    expires_at: datetime


@dataclass(frozen=True)
class SignedDownload:
    """A presigned URL to GET an object from."""

    url: str
    expires_at: datetime


@dataclass(frozen=True)
class SignedPart:
    """A part, and the signed request that sends it."""

    part: Part
    upload: SignedUpload


@dataclass(frozen=True)
class Ticket:
    """A registered job, and the signed requests that send its file: one, or one for each part."""

    job: Job
    whole: SignedUpload | None
    parts: Sequence[SignedPart] = ()
