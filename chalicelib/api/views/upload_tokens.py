"""Upload tokens: make one."""

from http import HTTPStatus

from chalice.app import Response

from chalicelib.api import serializers
from chalicelib.api.context import RequestContext
from chalicelib.api.requests.upload_tokens import parse_upload_token
from chalicelib.api.responses import json_response
from chalicelib.core.errors import NotPossible
from chalicelib.service.upload_tokens import UploadTokens
from chalicelib.telemetry import logger


def create(context: RequestContext, tokens: UploadTokens, max_size: int) -> Response:
    """Answer `POST /upload-tokens`; ``max_size`` is that of uploads, in bytes.

    Raises InvalidRequest, Forbidden, NotPossible, RetryLater.
    """
    new = parse_upload_token(context.body, context.known_principal, context.tenant, max_size=max_size)
    if context.tenant.suspended_at is not None:
        raise NotPossible(f"The tenant {context.tenant.name} is suspended.")
    token, text = tokens.create(new)
    logger.info("upload token made", extra={"token_id": str(token.id), "dataset": new.dataset})
    document = {**serializers.describe_upload_token(token), "token": text}
    return json_response(document, HTTPStatus.CREATED, {"Cache-Control": "no-store"})
