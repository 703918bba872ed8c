"""The port of the tenants, and tenants that were looked up a moment ago."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from chalicelib.core.audit import Actor
from chalicelib.core.tenants import Tenant, UnmatchedObject
from chalicelib.service.known import Known


class TenantRegister(Protocol):
    """Hold all tenants, and the dropped objects that belong to none. Every method raises RetryLater."""

    def by(self, actor: Actor | None) -> "TenantRegister":
        """Return the register that notes in the audit log what the actor changes, in the same transaction."""

    def named(self, names: Collection[str]) -> Mapping[str, Tenant]:
        """Return the tenants that have one of the names, by name."""

    def datasets(self, names: Collection[str]) -> Mapping[str, bool]:
        """Return the names that datasets have, and whether the tenant `default` has jobs of each."""

    def list(self, *, limit: int, before: int | None) -> Sequence[Tenant]:
        """Return tenants, newest first; ``before`` is the last ``id`` of the previous page."""

    def create(self, name: str) -> tuple[Tenant, bool]:
        """Return the tenant, and whether it is new.

        Raises NotPossible for the name of a dataset in use, and of a tenant that is removed.
        """

    def suspend(self, name: str) -> Tenant | None:
        """Suspend the tenant and return it; None if there is none."""

    def resume(self, name: str) -> Tenant | None:
        """Let a suspended tenant continue, and return it; None if there is none.

        Raises NotPossible for a tenant that is removed.
        """

    def remove(self, name: str) -> Tenant | None:
        """Have sweeps remove what belongs to the tenant, and return it; None if there is none. Idempotent."""

    def note_unmatched(self, objects: Sequence[UnmatchedObject]) -> None:
        """Note objects that belong to no tenant, for an operator. Idempotent by the key."""

    def forget_unmatched(self, key: str) -> None:
        """Remove an object that belongs to a tenant after all."""

    def unmatched(self, *, limit: int, before: int | None) -> Sequence[UnmatchedObject]:
        """Return noted objects, newest first; ``before`` is the last ``number`` of the previous page."""


class KnownTenants:
    """Look tenants up by name, each once in a while."""

    def __init__(self, register: TenantRegister) -> None:
        self._register = register
        self._known: Known[str, Tenant] = Known()

    def get(self, name: str) -> Tenant | None:
        """Return the tenant with the name. Raises RetryLater."""
        return self._known.get(name, lambda it: self._register.named([it]).get(it))
