"""API keys, upload tokens and tenants, as the API describes them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from sluice_cli.documents.members import (
    Document,
    as_object,
    count,
    optional_list,
    optional_moment,
    optional_text,
    required_text,
)
from sluice_cli.escaping import safe


@dataclass(frozen=True)
class Key:
    """An API key's document. ``text``, the key itself, comes with the answer to its creation only."""

    document: Document
    key_id: str
    name: str
    scopes: tuple[str, ...]
    tenant: str | None  # None: all
    datasets: tuple[str, ...]  # none: all
    expires_at: datetime | None
    last_used_at: datetime | None
    is_revoked: bool
    text: str | None

    @classmethod
    def read(cls, answer: object) -> Self:
        """Read an API key's document. Raises UnexpectedResponseError if ``answer`` is not one."""
        document = as_object(answer, "an API key")
        return cls(
            document=document,
            key_id=safe(required_text(document, "id")),
            name=safe(required_text(document, "name")),
            scopes=tuple(safe(scope) for scope in optional_list(document, "scopes")),
            tenant=optional_text(document.get("tenant")),
            datasets=tuple(safe(name) for name in optional_list(document, "datasets")),
            expires_at=optional_moment(document.get("expires_at")),
            last_used_at=optional_moment(document.get("last_used_at")),
            is_revoked=document.get("revoked_at") is not None,
            text=optional_text(document.get("key")),
        )


@dataclass(frozen=True)
class UploadToken:
    """An upload token's document, with ``text``, the token itself."""

    document: Document
    max_size: int  # bytes
    max_files: int
    expires_at: datetime | None
    text: str

    @classmethod
    def read(cls, answer: object) -> Self:
        """Read an upload token's document. Raises UnexpectedResponseError if ``answer`` is not one."""
        document = as_object(answer, "an upload token")
        return cls(
            document=document,
            max_size=count(document, "max_size"),
            max_files=count(document, "max_files"),
            expires_at=optional_moment(document.get("expires_at")),
            text=safe(required_text(document, "token")),
        )


@dataclass(frozen=True)
class Tenant:
    """A tenant's document."""

    document: Document
    name: str
    created_at: datetime | None
    state: str  # in a word or two

    @classmethod
    def read(cls, answer: object) -> Self:
        """Read a tenant's document. Raises UnexpectedResponseError if ``answer`` is not one."""
        document = as_object(answer, "a tenant")
        states = {"removed_at": "removed", "removing_at": "being removed", "suspended_at": "suspended"}
        return cls(
            document=document,
            name=safe(required_text(document, "name")),
            created_at=optional_moment(document.get("created_at")),
            state=next((it for name, it in states.items() if document.get(name) is not None), "works"),
        )
