"""Uploads: register one, and send its file in one piece or in parts."""

from http import HTTPStatus

from chalice.app import Response

from chalicelib.api import serializers
from chalicelib.api.context import RequestContext
from chalicelib.api.pagination import format_cursor, parse_cursor
from chalicelib.api.requests.parts import parse_parts
from chalicelib.api.requests.uploads import parse_upload
from chalicelib.api.responses import json_response, problem_response
from chalicelib.api.views.jobs import POLL_SECONDS, accepted, act, find
from chalicelib.core.errors import NotPossible
from chalicelib.core.lifecycle import Action
from chalicelib.service.actions import JobActions
from chalicelib.service.multipart import MOST_PARTS, PAGE, MissingParts, MultipartUploads, open_upload_id
from chalicelib.service.register import JobRegister
from chalicelib.service.uploads import Uploads
from chalicelib.telemetry import Metric, emit_metrics, logger

_MOST_LISTED = 100  # missing parts in a problem


def create(context: RequestContext, uploads: Uploads) -> Response:
    """Answer `POST /uploads`. Raises InvalidRequest, TooLarge, Forbidden, NotPossible, RetryLater."""
    request = parse_upload(context.body, max_size=uploads.max_size_for(context.known_principal))
    if context.tenant.why_stopped is not None:
        raise NotPossible(context.tenant.why_stopped)
    ticket = uploads.register(request, context.known_principal)
    emit_metrics({Metric.UPLOADS_REQUESTED: 1}, ticket.job.id)
    logger.info("upload requested", extra={"job_id": str(ticket.job.id), "dataset": ticket.job.dataset})
    headers = {"Location": serializers.links(ticket.job)["self"], "Retry-After": str(POLL_SECONDS)}
    return json_response(serializers.describe_ticket(ticket), HTTPStatus.ACCEPTED, headers)


def sign_parts(context: RequestContext, jobs: JobRegister, multipart: MultipartUploads) -> Response:
    """Answer `POST /uploads/{id}/parts`. Raises InvalidRequest, UnknownJob, NotPossible, RetryLater."""
    body = context.body  # a body that is not JSON is reported before anything else
    job = find(context, jobs)
    open_upload_id(job)
    signed_parts = multipart.sign(job, parse_parts(body, job.upload))
    return json_response(serializers.describe_signed_parts(signed_parts))


def list_parts(context: RequestContext, jobs: JobRegister, multipart: MultipartUploads) -> Response:
    """Answer `GET /uploads/{id}/parts`. Raises InvalidRequest, UnknownJob, NotPossible, RetryLater."""
    job = find(context, jobs)
    open_upload_id(job)
    cursor = parse_cursor(context.query, length=1, maximum=MOST_PARTS) or (0,)
    parts = multipart.list_parts(job, after=cursor[0])
    next_cursor = format_cursor(parts[-1].number) if len(parts) >= PAGE else None
    return json_response(serializers.describe_arrived_parts(job, parts, next_cursor))


def complete(context: RequestContext, jobs: JobRegister, multipart: MultipartUploads) -> Response:
    """Answer `POST /uploads/{id}/complete`. Raises UnknownJob, NotPossible, RetryLater."""
    job = find(context, jobs)
    try:
        multipart.complete(job)
    except MissingParts as error:
        sentence = f"{len(error.numbers):,} of the file's parts are missing."
        missing = list(error.numbers[:_MOST_LISTED])
        return problem_response(HTTPStatus.CONFLICT, sentence, missing=missing, code="missing-parts")
    return accepted(job)


def abort(context: RequestContext, jobs: JobRegister, actions: JobActions) -> Response:
    """Answer `DELETE /uploads/{id}`. Raises UnknownJob, NotPossible, RetryLater."""
    open_upload_id(find(context, jobs))
    return act(context, actions, Action.CANCEL)
