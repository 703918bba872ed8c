"""Upload tokens: for one tenant and dataset, for a few files, for a while."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chalicelib.core.access import Scope, UploadLimits
from chalicelib.core.tenants import Tenant

SCOPES = frozenset({Scope.UPLOADS_WRITE, Scope.JOBS_READ, Scope.REJECTS_READ})  # that a token may have

SHORTEST, LONGEST = 60, 24 * 3600  # seconds that a token works
MOST_FILES = 10_000
MOST_METADATA_BYTES = 1024  # of its labels: the whole token travels in a header, of which gateways take 8 kB


@dataclass(frozen=True)
class NewUploadToken:
    """An upload token to be made."""

    tenant: Tenant
    dataset: str
    scopes: frozenset[Scope]
    made_by: str  # a credential
    max_size: int  # bytes, of each file
    max_files: int
    expires_in: int  # seconds
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class UploadToken:
    """An upload token as it was made, without its text."""

    id: UUID
    new: NewUploadToken
    created_at: datetime
    expires_at: datetime

    @property
    def limits(self) -> UploadLimits:
        """Return what uploads with the token are limited to."""
        new = self.new
        return UploadLimits(self.id, new.max_size, new.max_files, self.expires_at, new.metadata)
