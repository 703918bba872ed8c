"""The audit log: who did what, or was refused."""

from chalice.app import Response

from chalicelib.api import serializers
from chalicelib.api.context import RequestContext
from chalicelib.api.pagination import page_of, parse_cursor, parse_limit
from chalicelib.api.requests.audit import parse_audit_query
from chalicelib.api.responses import json_response
from chalicelib.service.audit import AuditLog


def list_events(context: RequestContext, log: AuditLog) -> Response:
    """Answer `GET /audit-events`. Raises InvalidRequest, Forbidden, RetryLater."""
    limit = parse_limit(context.query, default=100, maximum=1000)
    cursor = parse_cursor(context.query, length=1)
    filters = parse_audit_query(context.query, context.known_principal)
    reader, before = context.known_principal.tenant, cursor[0] if cursor else None
    found = log.list(filters, reader=reader, limit=limit + 1, before=before)
    page = page_of(found, limit, serializers.describe_audit_event, lambda event: (event.number,))
    return json_response({"events": page.documents, "next_cursor": page.next_cursor})
