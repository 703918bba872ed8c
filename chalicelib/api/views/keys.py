"""API keys: create, list, revoke."""

from http import HTTPStatus

from chalice.app import Response

from chalicelib.api import serializers
from chalicelib.api.context import RequestContext, uuid_in
from chalicelib.api.pagination import page_by_number
from chalicelib.api.problems import UnknownKey
from chalicelib.api.requests.keys import parse_key
from chalicelib.api.responses import json_response
from chalicelib.service.api_keys import ApiKeys
from chalicelib.telemetry import logger


def create(context: RequestContext, keys: ApiKeys) -> Response:
    """Answer `POST /keys`: the only answer that has the key itself.

    Raises InvalidRequest, Forbidden, NotPossible, RetryLater.
    """
    new = parse_key(context.body, context.known_principal, context.tenant)
    key, text = keys.create(new)
    logger.info("API key created", extra={"key_id": str(key.id), "key_name": new.name})
    document = {**serializers.describe_key(key), "key": text}
    return json_response(document, HTTPStatus.CREATED, {"Cache-Control": "no-store"})


def list_keys(context: RequestContext, keys: ApiKeys) -> Response:
    """Answer `GET /keys`: a tenant's, or those of all. Raises InvalidRequest, RetryLater."""
    tenant = context.known_principal.tenant
    page = page_by_number(
        context.query,
        lambda limit, before: keys.list(tenant=tenant, limit=limit, before=before),
        serializers.describe_key,
        lambda key: key.number,
    )
    return json_response({"keys": page.documents, "next_cursor": page.next_cursor})


def revoke(context: RequestContext, keys: ApiKeys) -> Response:
    """Answer `DELETE /keys/{id}`. Raises UnknownKey, RetryLater."""
    key_id = uuid_in(context.path["key_id"])
    key = None if key_id is None else keys.revoke(key_id, tenant=context.known_principal.tenant)
    if key is None:
        raise UnknownKey(context.path["key_id"])
    logger.info("API key revoked", extra={"key_id": str(key.id), "key_name": key.new.name})
    return json_response(serializers.describe_key(key))
