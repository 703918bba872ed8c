"""What the job register tells a sweep."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class UnseenJob:
    """A job for whose object no event has come. ``overdue``: its upload has expired."""

    job_id: UUID
    overdue: bool
