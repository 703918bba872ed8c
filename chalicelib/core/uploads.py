"""Uploads and downloads: the request of a client, and the signed URLs that it gets."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from chalicelib.core.access import UploadLimits
from chalicelib.core.errors import InvalidRequest
from chalicelib.core.jobs import Instructions, Job, Part
from chalicelib.core.names import shown

MOST_METADATA_BYTES = 4096  # of all labels: see :func:`metadata_size`
MOST_LABELS = 20


@dataclass(frozen=True)
class UploadRequest:
    """A validated request for an upload."""

    filename: str
    dataset: str | None = None  # None: that of the parent job, or the credential's
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


def metadata_size(metadata: Mapping[str, Any]) -> int:
    """Return the size of labels in bytes: as JSON without white space, in UTF-8."""
    return len(_json(metadata).encode())


def within_limits(request: UploadRequest, limits: UploadLimits) -> UploadRequest:
    """Return the request with the labels of the upload token. Raises InvalidRequest if it breaks a limit."""
    if request.size is None:
        raise InvalidRequest("With an upload token, size is required.", field="size")
    if request.size > limits.max_size:
        sentence = f"This upload token is for files of up to {limits.max_size:,} bytes."
        raise InvalidRequest(sentence, field="size")
    if not limits.metadata:
        return request
    own = request.instructions.metadata or {}
    for name, value in limits.metadata.items():
        if name in own and _json(own[name]) != _json(value):  # 1, 1.0 and true are equal in Python
            raise InvalidRequest(
                f"The upload token sets the label {shown(name)}, and this upload sets it to another value.",
                field=f"metadata.{name}",
            )
    metadata = {**own, **limits.metadata}
    if len(metadata) > MOST_LABELS or metadata_size(metadata) > MOST_METADATA_BYTES:
        raise InvalidRequest(
            f"metadata may have {MOST_LABELS} labels and {MOST_METADATA_BYTES:,} bytes in all, "
            "including those of the upload token.",
            field="metadata",
        )
    return replace(request, instructions=replace(request.instructions, metadata=metadata))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
