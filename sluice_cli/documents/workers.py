"""Workers, as the API describes them."""

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
class WorkerJob:
    """A job that a worker works at."""

    job_id: str
    since: datetime | None
    is_stuck: bool
    waits_for: str | None  # a sentence

    @classmethod
    def read(cls, answer: object) -> Self:
        """Read one element of ``jobs``. Raises UnexpectedResponseError if ``answer`` is not one."""
        document = as_object(answer, "a worker's job")
        waiting = document.get("waiting_for")
        return cls(
            job_id=safe(required_text(document, "job_id")),
            since=optional_moment(document.get("since")),
            is_stuck=document.get("stuck") is True,
            waits_for=optional_text(waiting.get("message")) if isinstance(waiting, dict) else None,
        )


@dataclass(frozen=True)
class Worker:
    """A worker document."""

    document: Document
    name: str
    kind: str
    version: str
    state: str
    seen_at: datetime | None
    slots: int
    jobs: tuple[WorkerJob, ...]

    @classmethod
    def read(cls, answer: object) -> Self:
        """Read a worker document. Raises UnexpectedResponseError if ``answer`` is not one."""
        document = as_object(answer, "a worker")
        return cls(
            document=document,
            name=safe(required_text(document, "name")),
            kind=optional_text(document.get("kind")) or "",
            version=optional_text(document.get("version")) or "",
            state=safe(required_text(document, "state")),
            seen_at=optional_moment(document.get("seen_at")),
            slots=count(document, "slots"),
            jobs=tuple(WorkerJob.read(job) for job in optional_list(document, "jobs")),
        )
