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
