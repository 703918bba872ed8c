"""Builds jobs."""

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from chalicelib.core.jobs import Instructions, Job, JobOutcome, Progress, Reading, Times, Upload
from chalicelib.core.model import Status
from chalicelib.core.tenants import DEFAULT_TENANT

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

# The parts of a job, in the order in which a name is looked up in them.
_PARTS = ("instructions", "reading", "progress", "outcome", "times", "upload")


def new_job(**changes: Any) -> Job:
    """Return a PENDING job; ``changes`` name fields of a job or of its parts, such as ``attempts=2``."""
    job = Job(
        id=uuid4(),
        number=1,
        status=Status.PENDING,
        tenant=DEFAULT_TENANT,
        dataset="default",
        dataset_id=1,
        filename="people.csv",
        instructions=Instructions(),
        upload=Upload("bucket", "uploads/default/x/people.csv"),
        source=None,
        block_size=64,
        reading_no=1,
        reading=None,
        rereads=False,
        progress=Progress(),
        outcome=JobOutcome(),
        times=Times(NOW, None, NOW, None),
    )
    return changed(job, **changes)


def changed(job: Job, **changes: Any) -> Job:
    """Return the job with other values; names are those of the job's fields or of its parts' fields.

    A ``source`` and a ``dialect`` together open the job.
    """
    own = {field.name for field in fields(Job)}
    if "dialect" in changes:
        block_size = changes.get("block_size", job.block_size)
        changes["reading"] = Reading(changes["source"], changes.pop("dialect"), block_size)
    job = replace(job, **{name: value for name, value in changes.items() if name in own})
    for name, value in changes.items():
        if name not in own:
            holder = next(part for part in _PARTS if hasattr(getattr(job, part), name))
            job = replace(job, **{holder: replace(getattr(job, holder), **{name: value})})
    return job
