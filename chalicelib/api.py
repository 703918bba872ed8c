"""The HTTP API's answers: a request's parts in, a response out. `docs/http-api.md` is its reference."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from chalice.app import Response

from chalicelib.errors import BadRequest, NotPossible, RetryLater
from chalicelib.flow import status, uploads
from chalicelib.http import answer, cursor, cursor_text, identifier, limit, not_found, problem
from chalicelib.lifecycle import Action
from chalicelib.model import Job, Status
from chalicelib.telemetry import logger
from chalicelib.wiring import Services

_POLL_SECONDS = "1"


def create_upload(services: Services, body: Any) -> Response:  # noqa: ANN401 - whatever the client sent
    """`POST /uploads`. Raises BadRequest, RetryLater."""
    settings = services.settings
    request = uploads.parse_request(body, max_size=settings.max_upload_size)
    job, signed = uploads.request_upload(
        request,
        jobs=services.jobs,
        signer=services.signer,
        bucket=settings.bucket,
        block_size=settings.block_size,
    )
    logger.info("upload requested", extra={"job_id": str(job.id), "dataset": job.dataset})
    upload = {
        "method": signed.method,
        "url": signed.url,
        "headers": dict(signed.headers),
        "expires_at": signed.expires_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
    own = status.links(job)
    links = {"job": own["self"], "errors": own["errors"]}
    document = {"job_id": str(job.id), "status": job.status.value, "upload": upload, "links": links}
    return answer(document, 202, {"Location": own["self"], "Retry-After": _POLL_SECONDS})


def show_job(services: Services, job_id: str) -> Response:
    """`GET /jobs/{id}`. Raises BadRequest, RetryLater."""
    job = _found(services, job_id)
    headers = {} if job.status.is_terminal else {"Retry-After": _POLL_SECONDS}
    return answer(status.describe(job, datetime.now(UTC)), headers=headers)


def act(services: Services, job_id: str, action: Action) -> Response:
    """`POST /jobs/{id}/cancel`, `/retry` and `/undo`. Raises BadRequest, RetryLater."""
    try:
        job = services.jobs.act(identifier(job_id), action)
    except NotPossible as reason:
        raise BadRequest(str(reason), status=HTTPStatus.CONFLICT) from None
    if job is None:
        raise not_found(job_id)
    logger.info("job moved", extra={"job_id": str(job.id), "action": action, "status": job.status})
    if not job.status.is_terminal and job.uploaded_at is not None:
        _announce(services, job)
    return answer(status.describe(job, datetime.now(UTC)), 202, {"Retry-After": _POLL_SECONDS})


def _announce(services: Services, job: Job) -> None:
    try:
        services.sender.send(job.id)
    except RetryLater:  # the job has moved; a sweep announces it
        logger.exception("job not announced", extra={"job_id": str(job.id)})


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
    job = _found(services, job_id)
    rejects = services.jobs.rejects(job.id, limit=size + 1, after=(after[0], after[1]) if after else None)
    page = rejects[:size]
    more = cursor_text(*page[-1].cursor) if len(rejects) > size else None
    return answer({"errors": [status.describe_reject(reject) for reject in page], "next_cursor": more})


def health(services: Services) -> Response:
    """`GET /healthz`: 200, or 503 naming what is down."""
    checks = {
        "database": services.jobs.ping,
        "queue": services.sender.ping,
        "storage": lambda: services.store.ping(services.settings.bucket),
    }
    found = {name: _check(name, check) for name, check in checks.items()}
    down = sorted(name for name, state in found.items() if state != "ok")
    if down:
        return problem(503, f"Not available: {', '.join(down)}.", headers={"Retry-After": "5"}, checks=found)
    return answer({"status": "ok", "checks": found})


def _check(name: str, ping: Callable[[], None]) -> str:
    try:
        ping()
    except RetryLater:
        logger.exception("health check failed", extra={"dependency": name})
        return "unavailable"
    return "ok"


def _found(services: Services, job_id: str) -> Job:
    job = services.jobs.get(identifier(job_id))
    if job is None:
        raise not_found(job_id)
    return job


def _dataset(query: Mapping[str, str]) -> str | None:
    return uploads.parse_dataset(query["dataset"]) if "dataset" in query else None


def _status(query: Mapping[str, str]) -> Status | None:
    if "status" not in query:
        return None
    try:
        return Status(query["status"])
    except ValueError:
        raise BadRequest(f"status must be one of {', '.join(Status)}.", field="status") from None
