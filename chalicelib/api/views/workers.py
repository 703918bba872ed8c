"""Workers: their signs of life, and what they work at."""

from chalice.app import Response

from chalicelib.api import serializers
from chalicelib.api.context import RequestContext
from chalicelib.api.pagination import page_by_number
from chalicelib.api.responses import json_response
from chalicelib.service.workers import Workers


def list_workers(context: RequestContext, workers: Workers) -> Response:
    """Answer `GET /workers`. Raises InvalidRequest, RetryLater."""
    page = page_by_number(
        context.query,
        lambda limit, before: workers.list(limit=limit, before=before),
        serializers.describe_worker,
        lambda worker: worker.number,
    )
    return json_response({"workers": page.documents, "next_cursor": page.next_cursor})
