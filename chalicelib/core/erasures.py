"""Erasures: one person's records are removed from a tenant's dataset, by the value of a field."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

MOST_OPEN = 100  # erasures of a dataset that are not completed


@dataclass(frozen=True)
class Erasure:
    """An erasure, as stored. It has no value: only its hashes are kept."""

    id: UUID
    dataset: str
    field: str
    created_at: datetime
    completed_at: datetime | None = None
    rows: int = 0  # removed
    rejects: int = 0  # whose content was removed
    objects: int = 0  # removed: sources and rejects files, each version counted
    waits_for: Sequence[UUID] = ()  # jobs that have not ended, the first of them
    waiting: int = 0  # how many these are


@dataclass(frozen=True)
class ErasedObject:
    """The object of a job that held an erased value, or may have."""

    job_id: UUID
    tenant: str
    key: str
    before: datetime  # versions that were written later belong to later files
    kept_versions: frozenset[str]  # of the same key, of jobs that did not hold it
