"""The query of `GET /audit-events`."""

from collections.abc import Mapping
from uuid import UUID

from chalicelib.api.requests.parsing import must_be, parse_time, parse_value
from chalicelib.api.requests.uploads import Dataset
from chalicelib.core.access import Forbidden, Principal
from chalicelib.core.audit import AuditAction, AuditFilters


def parse_audit_query(query: Mapping[str, str], principal: Principal) -> AuditFilters:
    """Return which events a query asks for: with a credential of one tenant, of that tenant.

    Raises InvalidRequest naming the parameter at fault, and Forbidden.
    """
    if principal.datasets is not None:
        raise Forbidden("Only a credential for all datasets can read the audit log.")
    tenant = parse_value(query["tenant"], Dataset, "tenant") if "tenant" in query else None
    if principal.tenant is not None:
        if tenant not in (None, principal.tenant.name):
            raise Forbidden(f"This credential is for the tenant {principal.tenant.name}.")
        tenant = principal.tenant.name
    return AuditFilters(
        tenant=tenant,
        action=_action(query["action"]) if "action" in query else None,
        job_id=_job_id(query["job"]) if "job" in query else None,
        since=parse_time(query, "since"),
    )


def _action(text: str) -> AuditAction:
    try:
        return AuditAction(text)
    except ValueError:
        raise must_be("action", f"one of {', '.join(AuditAction)}") from None


def _job_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise must_be("job", "the id of a job, a UUID") from None
