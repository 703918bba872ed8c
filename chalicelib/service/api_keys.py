"""Create, list and revoke API keys, and know who a key belongs to."""

import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from chalicelib.core.access import CredentialKind, Principal, Unauthenticated
from chalicelib.core.api_keys import ApiKey, NewApiKey, hash_of, is_key, make_key
from chalicelib.core.audit import Actor
from chalicelib.core.errors import NotPossible
from chalicelib.core.tenants import Tenant
from chalicelib.service.known import Known


class ApiKeyRegister(Protocol):
    """Hold API keys. Every method raises RetryLater."""

    def by(self, actor: Actor | None) -> "ApiKeyRegister":
        """Return the register that notes in the audit log what the actor changes, in the same transaction."""

    def create(self, new: NewApiKey, key_hash: bytes) -> ApiKey:
        """Store a key. Raises NotPossible if as many of its name as may be are live."""

    def find(self, key_hash: bytes) -> ApiKey | None:
        """Return the key with the hash, and note that it was used."""

    def get(self, key_id: UUID) -> ApiKey | None:
        """Return the key with the id."""

    def list(self, *, tenant: Tenant | None, limit: int, before: int | None) -> Sequence[ApiKey]:
        """Return a tenant's keys, or all, newest first; ``before`` is the ``number`` of a page's last."""

    def revoke(self, key_id: UUID, *, tenant: Tenant | None) -> ApiKey | None:
        """Revoke the key and return it; None if there is none, or the tenant has none. Idempotent."""


class ApiKeys:
    """Issue API keys and recognise them."""

    def __init__(self, register: ApiKeyRegister) -> None:
        self._register = register
        self._known: Known[bytes, ApiKey] = Known()
        self._known_ids: Known[UUID, ApiKey] = Known()

    def by(self, actor: Actor | None) -> "ApiKeys":
        """See :meth:`ApiKeyRegister.by`."""
        return ApiKeys(self._register.by(actor))

    def create(self, new: NewApiKey) -> tuple[ApiKey, str]:
        """Return a new key with its text, which is stored nowhere. Raises NotPossible, RetryLater."""
        key = make_key()
        return self._register.create(new, hash_of(key)), key

    def adopt(self, new: NewApiKey, key: str) -> None:
        """Create a key that was made before, unless it exists.

        Raises NotPossible if it does not work any more, RetryLater.
        """
        found = self._register.find(hash_of(key))
        if found is None:
            self._register.create(new, hash_of(key))
        elif not found.is_live(datetime.now(UTC)):
            raise NotPossible(f"The key {found.id} has been revoked or has expired.")

    def principal(self, key: str) -> Principal:
        """Return who has the key. Raises Unauthenticated, RetryLater."""
        found, key_hash = None, hash_of(key)
        if is_key(key):
            found = self._known.get(key_hash, self._register.find)
        if found is None or found.revoked_at is not None or not hmac.compare_digest(found.hash, key_hash):
            raise Unauthenticated("The API key is not valid.")
        if not found.is_live(datetime.now(UTC)):
            raise Unauthenticated("The API key has expired.")
        new = found.new
        return Principal(
            CredentialKind.KEY,
            str(found.id),
            new.name,
            new.scopes,
            new.tenant,
            new.datasets,
            expires_at=new.expires_at,
        )

    def is_live(self, key_id: UUID) -> bool:
        """Return whether the key can be used. Raises RetryLater."""
        found = self._known_ids.get(key_id, self._register.get)
        return found is not None and found.is_live(datetime.now(UTC))

    def list(self, *, tenant: Tenant | None, limit: int, before: int | None) -> Sequence[ApiKey]:
        """See :meth:`ApiKeyRegister.list`."""
        return self._register.list(tenant=tenant, limit=limit, before=before)

    def revoke(self, key_id: UUID, *, tenant: Tenant | None) -> ApiKey | None:
        """See :meth:`ApiKeyRegister.revoke`."""
        return self._register.revoke(key_id, tenant=tenant)
