"""Jobs: how far they are, what became of their records, and what a client may do to them."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus

from chalice.app import Response

from chalicelib.api import serializers as status
from chalicelib.api.http import answer, cursor, cursor_text, identifier, limit, not_found
from chalicelib.api.requests import parse_dataset
from chalicelib.core.errors import BadRequest, JobFailed, RetryLater
from chalicelib.core.jobs import Job
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Status
from chalicelib.telemetry import logger
from chalicelib.wiring import Services

POLL_SECONDS = "1"  # for `Retry-After`


def show_job(services: Services, job_id: str) -> Response:
    """`GET /jobs/{id}`. Raises BadRequest, RetryLater."""
    job = found(services, job_id)
    headers = {} if job.status.is_terminal else {"Retry-After": POLL_SECONDS}
    return answer(status.describe(job, datetime.now(UTC)), headers=headers)


def act(services: Services, job_id: str, action: Action) -> Response:
    """`POST /jobs/{id}/cancel`, `/retry` and `/undo`. Raises BadRequest, NotPossible, RetryLater."""
    job = services.jobs.act(identifier(job_id), action)
    if job is None:
        raise not_found(job_id)
    logger.info("job moved", extra={"job_id": str(job.id), "action": action, "status": job.status})
    try:
        _follow_up(services, job)
    except RetryLater:  # the job has moved: a sweep announces it, and the bucket's lifecycle rule cleans up
        logger.exception("job moved, and no more", extra={"job_id": str(job.id)})
    return accepted(job)


def _follow_up(services: Services, job: Job) -> None:
    """What a move brings with it outside the job register. Raises RetryLater."""
    if job.status is Status.CANCELED and job.upload.upload_id and job.upload.arrived_at is None:
        services.uploads.abort(job.upload.key, job.upload.upload_id)
    elif not job.status.is_terminal and job.upload.arrived_at is not None:
        services.sender.send(job.id)
    elif job.status is Status.PENDING:
        with suppress(JobFailed):  # the file has not come yet, and its event will tell
            services.intake.find_object(job)


def list_jobs(services: Services, query: Mapping[str, str]) -> Response:
    """`GET /jobs`. Raises BadRequest, RetryLater."""
    size = limit(query, default=20, most=200)
    before = cursor(query, parts=1)
    jobs = services.jobs.list(
        limit=size + 1,  # one more tells whether there is a next page
        before=before[0] if before else None,
        status=_status(query),
        dataset=_dataset(query),
    )
    now = datetime.now(UTC)
    page = jobs[:size]
    more = cursor_text(page[-1].number) if len(jobs) > size else None
    return answer({"jobs": [status.summarise(job, now) for job in page], "next_cursor": more})


def list_errors(services: Services, job_id: str, query: Mapping[str, str]) -> Response:
    """`GET /jobs/{id}/errors`. Raises BadRequest, RetryLater."""
    size = limit(query, default=100, most=1000)
    after = cursor(query, parts=2)
    job = found(services, job_id)
    rejects = services.jobs.rejects(job.id, limit=size + 1, after=(after[0], after[1]) if after else None)
    page = rejects[:size]
    more = cursor_text(*page[-1].cursor) if len(rejects) > size else None
    return answer({"errors": [status.describe_reject(reject) for reject in page], "next_cursor": more})


def accepted(job: Job) -> Response:
    """What was asked for goes on after this answer: the job as it is now."""
    return answer(status.describe(job, datetime.now(UTC)), HTTPStatus.ACCEPTED, {"Retry-After": POLL_SECONDS})


def found(services: Services, job_id: str) -> Job:
    """The job. Raises BadRequest if there is none, RetryLater."""
    job = services.jobs.get(identifier(job_id))
    if job is None:
        raise not_found(job_id)
    return job


def _dataset(query: Mapping[str, str]) -> str | None:
    return parse_dataset(query["dataset"]) if "dataset" in query else None


def _status(query: Mapping[str, str]) -> Status | None:
    if "status" not in query:
        return None
    try:
        return Status(query["status"])
    except ValueError:
        raise BadRequest(f"status must be one of {', '.join(Status)}.", field="status") from None
