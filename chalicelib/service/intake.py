"""Objects have arrived in the bucket: that is noted, and their jobs go on the queue.

In this order, so that no worker meets a job whose object has not arrived. A message that is lost after the
note is made up for by a sweep.

An object that somebody asked to upload has a job already. One that was dropped into the bucket, and a new
version of one that is being loaded, get a job of their own, which is the same however often and in whatever
order events tell of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from uuid import UUID

from chalicelib.core.errors import JobFailed
from chalicelib.core.model import Job, Options, Source, Upload
from chalicelib.core.ports import Jobs, JobSender, NewJob, ObjectStore
from chalicelib.service.object_keys import dropped, job_for, job_of
from chalicelib.telemetry import logger


@dataclass(frozen=True)
class Intake:
    """What is needed to take objects in."""

    jobs: Jobs
    store: ObjectStore
    sender: JobSender
    block_size: int  # bytes, of jobs that are made here


def announce(objects: Iterable[Source], intake: Intake) -> int:
    """Queues the job of each object and notes its arrival; returns how many there were.

    Objects that are no upload of ours are logged and left alone. Raises RetryLater; doing it all again
    then does no harm: a message too many changes nothing.
    """
    return sum(_announce(source, intake) for source in objects)


def _announce(source: Source, intake: Intake) -> bool:
    job_id = job_of(source.key)
    if job_id is not None:
        _asked_for(job_id, source, intake)
    elif dropped(source.key) is not None:
        take_dropped(source, intake)
    else:
        place_of = {"bucket": source.bucket, "key": source.key}
        logger.warning("object is not an upload, ignored", extra=place_of)
        return False
    return True


def _asked_for(job_id: UUID, source: Source, intake: Intake) -> None:
    known = intake.jobs.mark_uploaded(job_id, source)
    intake.sender.send(job_id)
    logger.info("object announced", extra={"job_id": str(job_id), "size": source.size, "waiting": known})
    if not known and source.version_id is not None:
        _newer_version(job_id, source, intake)


def _newer_version(job_id: UUID, source: Source, intake: Intake) -> None:
    """The object was overwritten in a bucket that keeps versions: what lies there now is loaded, too."""
    job = intake.jobs.get(job_id)
    latest = _found(source, None, intake)
    if job is not None and job.source is not None and latest is not None:
        seen = job.source.version_id in (None, latest.version_id)
        if not seen and latest.version_id == source.version_id:
            _adopt(latest, _like(job, intake), intake)


def notice(job: Job, intake: Intake) -> None:
    """Looks for a job's object, whose event was lost, and queues it.

    Raises JobFailed when it is not there or may not be seen, RetryLater.
    """
    found = intake.store.pin(job.bucket, job.key)
    intake.jobs.mark_uploaded(job.id, found)
    intake.sender.send(job.id)
    logger.info("object found", extra={"job_id": str(job.id), "size": found.size})


def take_dropped(source: Source, intake: Intake) -> bool:
    """Makes and queues the job of a file in `drop/`; whether it is one and is there. Raises RetryLater."""
    place = dropped(source.key)
    found = _found(source, source.version_id, intake) if place is not None else None
    if place is None or found is None:
        return False
    _adopt(found, _blank(*place, intake), intake)
    return True


def _found(source: Source, version_id: str | None, intake: Intake) -> Source | None:
    """The object as S3 describes it; an event does not tell when it was written."""
    try:
        return intake.store.pin(source.bucket, source.key, version_id)
    except JobFailed as gone:
        logger.warning("object cannot be taken in", extra={"key": source.key, "reason": gone.message})
        return None


def _adopt(source: Source, new: NewJob, intake: Intake) -> None:
    """Makes the job of an object that nobody asked for, unless it is there, and queues it. Raises RetryLater.

    ``new`` says how to load it; the object's own place and the job's id are filled in here.
    """
    job_id = job_for(source)
    intake.jobs.create(replace(new, id=job_id, bucket=source.bucket, key=source.key))
    intake.jobs.mark_uploaded(job_id, source)
    intake.sender.send(job_id)
    logger.info("object adopted", extra={"job_id": str(job_id), "key": source.key, "size": source.size})


def _blank(dataset: str, filename: str, intake: Intake) -> NewJob:
    """A job of which nothing but its dataset and its name was said."""
    return NewJob(
        id=UUID(int=0),
        dataset=dataset,
        filename=filename,
        bucket="",
        key="",
        format=None,
        options=Options(),
        metadata=None,
        block_size=intake.block_size,
        upload=Upload(),
    )


def _like(job: Job, intake: Intake) -> NewJob:
    as_before = _blank(job.dataset, job.filename, intake)
    return replace(as_before, format=job.format, options=job.options, metadata=job.metadata, force=job.force)
