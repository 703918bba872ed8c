"""Who makes a request, and what they may do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chalicelib.core.tenants import Tenant

DEFAULT_DATASET = "default"


class Scope(StrEnum):
    """A right that a credential gives. Each route in `app.py` needs one."""

    UPLOADS_WRITE = "uploads:write"  # register uploads and send their files
    JOBS_READ = "jobs:read"
    JOBS_ACT = "jobs:act"  # cancel, load, retry, undo
    REJECTS_READ = "rejects:read"
    DATASETS_READ = "datasets:read"
    DATASETS_WRITE = "datasets:write"
    TENANTS_ADMIN = "tenants:admin"  # tenants, keys, workers


class CredentialKind(StrEnum):
    """The kinds of credentials."""

    KEY = "key"  # an API key
    TOKEN = "token"  # noqa: S105 - an upload token
    PERSON = "person"  # an access token of an identity provider


@dataclass(frozen=True)
class Reach:
    """The jobs that exist for a request: those of a tenant, perhaps only some of them."""

    tenant: Tenant
    datasets: frozenset[str] | None = None  # None: of every dataset
    created_by: str | None = None  # None: every credential's


@dataclass(frozen=True)
class UploadLimits:
    """What the uploads of an upload token are limited to."""

    token_id: UUID
    max_size: int  # bytes, of each file
    max_files: int
    expires_at: datetime
    metadata: Mapping[str, Any] = field(default_factory=dict)  # labels that each upload gets


@dataclass(frozen=True)
class Principal:
    """Who makes a request, by the credential that came with it."""

    kind: CredentialKind
    id: str
    name: str
    scopes: frozenset[Scope]
    tenant: Tenant | None = None  # None: any, and a request names it
    datasets: frozenset[str] | None = None  # None: any
    limits: UploadLimits | None = None  # of an upload token

    @property
    def credential(self) -> str:
        """Return the credential's kind and id, as jobs store who created them."""
        return f"{self.kind}:{self.id}"

    @property
    def default_dataset(self) -> str:
        """Return the dataset of an upload that names none: the only one that the credential is for."""
        datasets = self.datasets or frozenset()
        return next(iter(datasets)) if len(datasets) == 1 else DEFAULT_DATASET

    def check_dataset(self, name: str) -> None:
        """Return if the credential is for the dataset. Raises Forbidden."""
        if self.datasets is not None and name not in self.datasets:
            raise Forbidden(f"This credential is not for the dataset {name}.")

    def reach(self, tenant: Tenant) -> Reach:
        """Return what exists for a request on behalf of a tenant that the credential is for."""
        own_only = self.kind is CredentialKind.TOKEN
        return Reach(tenant, self.datasets, self.credential if own_only else None)


class Unauthenticated(Exception):  # noqa: N818 - names the problem
    """A request has no credential, or one that is not valid. The sentence says which."""

    def __init__(self, message: str, *, has_credential: bool = True) -> None:
        super().__init__(message)
        self.has_credential = has_credential


class Forbidden(Exception):  # noqa: N818 - names the problem
    """A credential does not allow what a request asks for. ``scope`` is the one that it lacks."""

    def __init__(self, message: str, *, scope: Scope | None = None) -> None:
        super().__init__(message)
        self.scope = scope
