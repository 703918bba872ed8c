"""Tenants: create, list, suspend, and the dropped objects that belong to none."""

from collections.abc import Callable
from http import HTTPStatus

from chalice.app import Response

from chalicelib.api import serializers
from chalicelib.api.context import RequestContext
from chalicelib.api.pagination import page_by_number
from chalicelib.api.requests.tenants import parse_tenant
from chalicelib.api.responses import json_response
from chalicelib.core.access import Forbidden
from chalicelib.core.tenants import DEFAULT_TENANT, Tenant
from chalicelib.service.access import UnknownTenant
from chalicelib.service.tenants import TenantRegister
from chalicelib.telemetry import logger


def create(context: RequestContext, tenants: TenantRegister) -> Response:
    """Answer `POST /tenants`: 201, or 200 if it exists. Raises InvalidRequest, NotPossible, RetryLater."""
    tenant, is_new = tenants.create(parse_tenant(context.body))
    if is_new:
        logger.info("tenant created", extra={"tenant": tenant.name})
    return json_response(serializers.describe_tenant(tenant), HTTPStatus.CREATED if is_new else HTTPStatus.OK)


def list_tenants(context: RequestContext, tenants: TenantRegister) -> Response:
    """Answer `GET /tenants`. Raises InvalidRequest, RetryLater."""
    page = page_by_number(
        context.query,
        lambda limit, before: tenants.list(limit=limit, before=before),
        serializers.describe_tenant,
        lambda tenant: tenant.id,
    )
    return json_response({"tenants": page.documents, "next_cursor": page.next_cursor})


def suspend(context: RequestContext, tenants: TenantRegister) -> Response:
    """Answer `POST /tenants/{name}/suspend`. Raises Forbidden, UnknownTenant, RetryLater."""
    if context.path["name"] == DEFAULT_TENANT.name:
        raise Forbidden("The tenant `default` cannot be suspended.")
    return _change(context, tenants.suspend)


def resume(context: RequestContext, tenants: TenantRegister) -> Response:
    """Answer `POST /tenants/{name}/resume`. Raises UnknownTenant, NotPossible, RetryLater."""
    return _change(context, tenants.resume)


def remove(context: RequestContext, tenants: TenantRegister) -> Response:
    """Answer `DELETE /tenants/{name}`: 202, because a sweep does it.

    Raises Forbidden, UnknownTenant, RetryLater.
    """
    if context.path["name"] == DEFAULT_TENANT.name:
        raise Forbidden("The tenant `default` cannot be removed.")
    return _change(context, tenants.remove, HTTPStatus.ACCEPTED)


def list_unmatched(context: RequestContext, tenants: TenantRegister) -> Response:
    """Answer `GET /unmatched-objects`. Raises InvalidRequest, RetryLater."""
    page = page_by_number(
        context.query,
        lambda limit, before: tenants.unmatched(limit=limit, before=before),
        serializers.describe_unmatched,
        lambda it: it.number,
    )
    return json_response({"objects": page.documents, "next_cursor": page.next_cursor})


def _change(
    context: RequestContext, change: Callable[[str], Tenant | None], status: HTTPStatus = HTTPStatus.OK
) -> Response:
    name = context.path["name"]
    tenant = change(name)
    if tenant is None:
        raise UnknownTenant(name)
    logger.info("tenant changed", extra={"tenant": name, "stopped": tenant.why_stopped})
    return json_response(serializers.describe_tenant(tenant), status)
