"""Datasets: the default options of their files, their rejects, and the erasure of a person's records."""

from http import HTTPStatus

from chalice.app import Response

from chalicelib.api import serializers
from chalicelib.api.context import RequestContext, uuid_in
from chalicelib.api.pagination import format_cursor, page_of
from chalicelib.api.problems import UnknownDataset, UnknownErasure
from chalicelib.api.requests.datasets import parse_dataset, parse_default_options
from chalicelib.api.requests.erasures import parse_erasure
from chalicelib.api.requests.rejects import parse_rejects_query
from chalicelib.api.responses import exact_json_response, json_response
from chalicelib.service.record_erasure import Erasing
from chalicelib.service.register import JobRegister
from chalicelib.telemetry import logger

_POLL_SECONDS = "10"  # sweeps come every minute


def show_options(context: RequestContext, jobs: JobRegister) -> Response:
    """Answer `GET /datasets/{name}/options`. Raises InvalidRequest, UnknownDataset, RetryLater."""
    dataset = parse_dataset(context.path["name"])
    context.known_principal.check_dataset(dataset)
    options = jobs.dataset_options(dataset)
    if options is None:
        raise UnknownDataset(dataset)
    return json_response(serializers.describe_options(dataset, options))


def set_options(context: RequestContext, jobs: JobRegister) -> Response:
    """Answer `PUT /datasets/{name}/options`. Raises InvalidRequest, RetryLater."""
    options = parse_default_options(context.body)
    dataset = parse_dataset(context.path["name"])
    context.known_principal.check_dataset(dataset)
    jobs.set_dataset_options(dataset, options)
    logger.info("default options of a dataset changed", extra={"dataset": dataset})
    return json_response(serializers.describe_options(dataset, options))


def list_errors(context: RequestContext, jobs: JobRegister) -> Response:
    """Answer `GET /datasets/{name}/errors`. Raises InvalidRequest, UnknownDataset, RetryLater."""
    dataset = parse_dataset(context.path["name"])
    context.known_principal.check_dataset(dataset)
    query = parse_rejects_query(context.query)
    found = jobs.dataset_rejects(dataset, query.filters, limit=query.limit + 1, start=query.start)
    if found is None:
        raise UnknownDataset(dataset)
    page = page_of(
        found.rejects, query.limit, serializers.describe_dataset_reject, lambda reject: reject.next_position
    )
    rest = None if found.rest is None else format_cursor(*found.rest)
    return exact_json_response({"errors": page.documents, "next_cursor": page.next_cursor or rest})


def erase(context: RequestContext, erasing: Erasing) -> Response:
    """Answer `POST /datasets/{name}/erase`: 202, because sweeps do it.

    Raises InvalidRequest, UnknownDataset, RetryLater.
    """
    dataset = parse_dataset(context.path["name"])
    context.known_principal.check_dataset(dataset)
    wanted = parse_erasure(context.body)
    erasure = erasing.begin(dataset, wanted.field, wanted.value)
    if erasure is None:
        raise UnknownDataset(dataset)
    logger.info("erasure begun", extra={"dataset": dataset, "erasure_id": str(erasure.id)})
    headers = {"Location": f"/datasets/{dataset}/erasures/{erasure.id}", "Retry-After": _POLL_SECONDS}
    return json_response(serializers.describe_erasure(erasure), HTTPStatus.ACCEPTED, headers)


def show_erasure(context: RequestContext, erasing: Erasing) -> Response:
    """Answer `GET /datasets/{name}/erasures/{id}`. Raises InvalidRequest, UnknownErasure, RetryLater."""
    dataset, text = parse_dataset(context.path["name"]), context.path["erasure_id"]
    context.known_principal.check_dataset(dataset)
    erasure_id = uuid_in(text)
    erasure = None if erasure_id is None else erasing.get(dataset, erasure_id)
    if erasure is None:
        raise UnknownErasure(text)
    headers = {} if erasure.completed_at else {"Retry-After": _POLL_SECONDS}
    return json_response(serializers.describe_erasure(erasure), headers=headers)
