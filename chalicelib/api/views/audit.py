"""The audit log: who did what, or was refused."""

from collections.abc import Sequence

from chalice.app import Response

from chalicelib.api import serializers
from chalicelib.api.context import RequestContext
from chalicelib.api.pagination import page_by_number
from chalicelib.api.requests.audit import parse_audit_query
from chalicelib.api.responses import json_response
from chalicelib.core.audit import AuditEvent
from chalicelib.service.audit import AuditLog


def list_events(context: RequestContext, log: AuditLog) -> Response:
    """Answer `GET /audit-events`. Raises InvalidRequest, Forbidden, RetryLater."""
    principal = context.known_principal

    def find(limit: int, before: int | None) -> Sequence[AuditEvent]:
        filters = parse_audit_query(context.query, principal)
        return log.list(filters, reader=principal.tenant, limit=limit, before=before)

    page = page_by_number(context.query, find, serializers.describe_audit_event, lambda event: event.number)
    return json_response({"events": page.documents, "next_cursor": page.next_cursor})
