"""Tenants: the customers on whose behalf files come."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Tenant:
    """A customer. Jobs, rows, rejects and objects belong to one; none sees another's."""

    id: int
    name: str
    created_at: datetime | None = field(default=None, compare=False)
    suspended_at: datetime | None = field(
        default=None, compare=False
    )  # since then it can do nothing, and no file of it is taken in
    removing_at: datetime | None = field(default=None, compare=False)  # a sweep removes what belongs to it
    removed_at: datetime | None = field(default=None, compare=False)  # nothing is left

    @property
    def why_stopped(self) -> str | None:
        """Return why the tenant can do nothing, in a sentence; None if it can."""
        if self.removing_at is not None:
            return f"The tenant {self.name} is {'being removed' if self.removed_at is None else 'removed'}."
        return None if self.suspended_at is None else f"The tenant {self.name} is suspended."


DEFAULT_TENANT = Tenant(1, "default")  # has what was there before there were tenants


@dataclass(frozen=True)
class UnmatchedObject:
    """An object in the bucket that belongs to no tenant, so that no job loads it."""

    bucket: str
    key: str
    size: int | None  # bytes
    reason: str  # a sentence
    number: int = 0  # once it is stored
    seen_at: datetime | None = None
