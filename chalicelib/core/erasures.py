"""Erasures: one person's records are removed from a tenant's dataset, by the value of a field."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

MOST_OPEN = 100  # erasures of a dataset that are not completed
_SECOND = timedelta(seconds=1)


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


class Version(NamedTuple):
    """A version of an object. In a bucket that keeps none, the id of each is `null`."""

    id: str
    etag: str


@dataclass(frozen=True)
class ErasedObject:
    """The object of a job that held an erased value, or may have."""

    job_id: UUID
    tenant: str
    key: str
    before: datetime  # versions that were written later belong to later files
    own: Version | None = None  # that the job has read
    kept: frozenset[Version] = frozenset()  # of the same key: other jobs have read them, without the value
    rejects_key: str | None = None  # of a rejects file that was made since, so without the value

    def includes(self, version: Version, written_at: datetime) -> bool:
        """Return whether the version is removed. S3 tells when it was written, in whole seconds, cut off.

        One of the second in which the erasure began may be later, unless the job has read it.
        """
        latest = written_at if version == self.own else written_at + _SECOND
        return latest <= self.before and version not in self.kept
