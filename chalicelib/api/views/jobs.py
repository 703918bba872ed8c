"""Jobs: their progress, their rejects, and the actions of clients on them."""

from datetime import UTC, datetime
from http import HTTPStatus

from chalice.app import Response

from chalicelib.api import serializers
from chalicelib.api.context import RequestContext
from chalicelib.api.pagination import page_of, parse_cursor, parse_limit
from chalicelib.api.requests.jobs import parse_jobs_query
from chalicelib.api.requests.retry import parse_retry
from chalicelib.api.responses import exact_json_response, json_response
from chalicelib.core.jobs import Job
from chalicelib.core.lifecycle import Action
from chalicelib.service.actions import JobActions
from chalicelib.service.register import JobRegister

POLL_SECONDS = 1  # for `Retry-After`


def show(context: RequestContext, jobs: JobRegister) -> Response:
    """Answer `GET /jobs/{id}`. Raises UnknownJob, RetryLater."""
    job = find(context, jobs)
    return _described(job, HTTPStatus.OK, None if job.status.is_terminal else POLL_SECONDS)


def act(context: RequestContext, actions: JobActions, action: Action) -> Response:
    """Answer `POST /jobs/{id}/cancel` and `/undo`. Raises UnknownJob, NotPossible, RetryLater."""
    job = actions.act(context.job_id, action)
    if job is None:
        raise context.unknown_job()
    return accepted(job)


def retry(context: RequestContext, actions: JobActions) -> Response:
    """Answer `POST /jobs/{id}/retry`. Raises InvalidRequest, UnknownJob, NotPossible, RetryLater."""
    changes = parse_retry(context.body) if context.has_body else None
    if changes is None:
        return act(context, actions, Action.RETRY)
    job = actions.reread(context.job_id, changes)
    if job is None:
        raise context.unknown_job()
    return accepted(job)


def load(context: RequestContext, actions: JobActions) -> Response:
    """Answer `POST /jobs/{id}/load`. Raises InvalidRequest, UnknownJob, NotPossible, RetryLater."""
    changes = parse_retry(context.body) if context.has_body else None
    job = actions.load(context.job_id, changes)
    if job is None:
        raise context.unknown_job()
    return accepted(job)


def list_jobs(context: RequestContext, jobs: JobRegister) -> Response:
    """Answer `GET /jobs`. Raises InvalidRequest, RetryLater."""
    query = parse_jobs_query(context.query)
    matches = jobs.list(query.filters, limit=query.limit + 1, before=query.before)
    now = datetime.now(UTC)
    page = page_of(
        matches, query.limit, lambda job: serializers.summarise(job, now), lambda job: (job.number,)
    )
    return json_response({"jobs": page.documents, "next_cursor": page.next_cursor})


def list_errors(context: RequestContext, jobs: JobRegister) -> Response:
    """Answer `GET /jobs/{id}/errors`. Raises InvalidRequest, UnknownJob, RetryLater."""
    limit = parse_limit(context.query, default=100, maximum=1000)
    cursor = parse_cursor(context.query, length=2)
    rejects = jobs.rejects(context.job_id, limit=limit + 1, after=(cursor[0], cursor[1]) if cursor else None)
    if not rejects:
        find(context, jobs)  # it is needed only to say that there is no such job
    page = page_of(rejects, limit, serializers.describe_reject, lambda reject: reject.cursor)
    return exact_json_response({"errors": page.documents, "next_cursor": page.next_cursor})


def find(context: RequestContext, jobs: JobRegister) -> Job:
    """Return the job in the request's path. Raises UnknownJob, RetryLater."""
    job = jobs.get(context.job_id)
    if job is None:
        raise context.unknown_job()
    return job


def accepted(job: Job) -> Response:
    """Return 202 with the job's present state: the work continues after the response."""
    return _described(job, HTTPStatus.ACCEPTED, POLL_SECONDS)


def _described(job: Job, status: int, retry_after: int | None) -> Response:
    """Return the job's document, which says what the headers say."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return exact_json_response(serializers.describe(job, datetime.now(UTC), retry_after), status, headers)
