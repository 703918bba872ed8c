"""Uploads: where a client is to send its file, in one piece or in parts."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from chalice.app import Response

from chalicelib.api import serializers as status
from chalicelib.api.http import answer, cursor, cursor_text, problem
from chalicelib.api.jobs import POLL_SECONDS, accepted, act, found
from chalicelib.api.requests import parse_request
from chalicelib.core.errors import JobFailed, NotPossible
from chalicelib.core.jobs import Job, Part
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Status
from chalicelib.core.ports import SignedUpload
from chalicelib.service import multipart as parts
from chalicelib.service.uploads import Ticket, request_upload
from chalicelib.telemetry import Metric, logger, measured
from chalicelib.wiring import Services

_MOST_NAMED = 100  # missing parts in an answer


def create(services: Services, body: Any) -> Response:  # noqa: ANN401 - whatever the client sent
    """`POST /uploads`. Raises BadRequest, RetryLater."""
    request = parse_request(body, max_size=services.settings.max_upload_size)
    ticket = request_upload(request, services.uploading)
    measured({Metric.UPLOADS_REQUESTED: 1}, ticket.job.id)
    logger.info("upload requested", extra={"job_id": str(ticket.job.id), "dataset": ticket.job.dataset})
    own = status.links(ticket.job)
    document = {
        "job_id": str(ticket.job.id),
        "status": ticket.job.status.value,
        "upload": _upload(ticket),
        "links": {"job": own["self"], "errors": own["errors"], **_links(ticket.job)},
    }
    return answer(document, HTTPStatus.ACCEPTED, {"Location": own["self"], "Retry-After": POLL_SECONDS})


def sign_parts(services: Services, job_id: str, body: Any) -> Response:  # noqa: ANN401
    """`POST /uploads/{id}/parts`. Raises BadRequest, NotPossible, RetryLater."""
    job = found(services, job_id)
    upload_id = parts.check_open(job)
    wanted = parts.parse_parts(body, job.upload)
    signed = parts.sign(job.upload.key, upload_id, wanted, services.signer)
    return answer({"parts": _signed(signed), "expires_at": status.seconds(signed[0][1].expires_at)})


def list_parts(services: Services, job_id: str, query: dict[str, str]) -> Response:
    """`GET /uploads/{id}/parts`. Raises BadRequest, NotPossible, RetryLater."""
    job = found(services, job_id)
    upload_id = parts.check_open(job)
    after = cursor(query, parts=1, most=parts.MOST_PARTS) or (0,)
    page = services.uploads.parts(job.upload.key, upload_id, after=after[0])
    document = {
        "job_id": str(job.id),
        **_plan(job),
        "part_checksums": job.upload.part_checksums,
        "expires_at": status.seconds(job.upload.expires_at),
        "parts": [{"number": it.number, "size": it.size, "sha256": it.sha256} for it in page],
        "next_cursor": cursor_text(page[-1].number) if len(page) >= parts.PAGE else None,
    }
    return answer(document)


def complete(services: Services, job_id: str) -> Response:
    """`POST /uploads/{id}/complete`. Raises BadRequest, NotPossible, RetryLater."""
    job = found(services, job_id)
    if job.upload.upload_id is not None and job.upload.arrived_at is not None:
        return accepted(job)  # this client has said so before, and did not get the answer
    try:
        parts.complete(job, services.uploads)
    except parts.MissingParts as lacking:
        sentence = f"{len(lacking.numbers):,} of the file's parts are missing."
        return problem(HTTPStatus.CONFLICT, sentence, missing=list(lacking.numbers[:_MOST_NAMED]))
    except NotPossible:
        if not _is_there(services, job):
            raise
    return accepted(job)


def abort(services: Services, job_id: str) -> Response:
    """`DELETE /uploads/{id}`. Raises BadRequest, NotPossible, RetryLater."""
    parts.check_open(found(services, job_id))
    return act(services, job_id, Action.CANCEL)


def _is_there(services: Services, job: Job) -> bool:
    """Whether the object has been made already, and its event is on its way."""
    if job.upload.upload_id is None or job.status is not Status.PENDING:
        return False
    try:
        services.store.pin(job.upload.bucket, job.upload.key)
    except JobFailed:
        return False
    return True


def _upload(ticket: Ticket) -> dict[str, Any]:
    if ticket.whole is not None:
        return {
            "method": ticket.whole.method,
            "url": ticket.whole.url,
            "headers": dict(ticket.whole.headers),
            "expires_at": status.seconds(ticket.whole.expires_at),
        }
    return {
        "method": "PUT",
        "expires_at": status.seconds(ticket.job.upload.expires_at),
        **_plan(ticket.job),
        "parts": _signed(ticket.parts),
    }


def _plan(job: Job) -> dict[str, Any]:
    count = len(parts.every(job.upload))
    return {"size": job.upload.size, "part_size": job.upload.part_size, "part_count": count}


def _signed(signed: Sequence[tuple[Part, SignedUpload]]) -> list[dict[str, Any]]:
    return [
        {"number": part.number, "size": part.size, "url": it.url, "headers": dict(it.headers)}
        for part, it in signed
    ]


def _links(job: Job) -> dict[str, str]:
    if job.upload.upload_id is None:
        return {}
    return {"parts": f"/uploads/{job.id}/parts", "complete": f"/uploads/{job.id}/complete"}
