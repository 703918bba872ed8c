"""Workers: their signs of life, and what they work at."""

from chalice.app import Response

from chalicelib.api import serializers
from chalicelib.api.context import RequestContext
from chalicelib.api.pagination import page_of, parse_cursor, parse_limit
from chalicelib.api.responses import json_response
from chalicelib.service.workers import Workers


def list_workers(context: RequestContext, workers: Workers) -> Response:
    """Answer `GET /workers`. Raises InvalidRequest, RetryLater."""
    limit = parse_limit(context.query, default=100, maximum=1000)
    cursor = parse_cursor(context.query, length=1)
    found = workers.list(limit=limit + 1, before=cursor[0] if cursor else None)
    page = page_of(found, limit, serializers.describe_worker, lambda worker: (worker.number,))
    return json_response({"workers": page.documents, "next_cursor": page.next_cursor})
