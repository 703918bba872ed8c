"""Jobs, as a sweep sees them."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class UnseenJob:
    """A job whose object has not been seen: no event came. ``overdue``: its upload has expired."""

    job_id: UUID
    overdue: bool
