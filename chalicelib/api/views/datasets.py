"""Datasets: the default options of their files."""

from chalice.app import Response

from chalicelib.api import serializers
from chalicelib.api.context import RequestContext
from chalicelib.api.problems import UnknownDataset
from chalicelib.api.requests.datasets import parse_dataset, parse_default_options
from chalicelib.api.responses import json_response
from chalicelib.service.register import JobRegister
from chalicelib.telemetry import logger


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
