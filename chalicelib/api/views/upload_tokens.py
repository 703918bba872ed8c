"""Upload tokens: make one."""

from http import HTTPStatus

from chalice.app import Response

from chalicelib.api import serializers
from chalicelib.api.context import RequestContext
from chalicelib.api.requests.upload_tokens import parse_upload_token
from chalicelib.api.responses import json_response
from chalicelib.core.audit import Target
from chalicelib.core.errors import NotPossible
from chalicelib.service.audit import AuditLog
from chalicelib.service.upload_tokens import UploadTokens
from chalicelib.telemetry import logger


def create(context: RequestContext, tokens: UploadTokens, log: AuditLog, max_size: int) -> Response:
    """Answer `POST /upload-tokens`; ``max_size`` is that of uploads, in bytes.

    Raises InvalidRequest, Forbidden, NotPossible, RetryLater.
    """
    new = parse_upload_token(context.body, context.known_principal, context.tenant, max_size=max_size)
    if context.tenant.why_stopped is not None:
        raise NotPossible(context.tenant.why_stopped)
    token, text = tokens.create(new)
    log.note(context.actor, Target(context.tenant.id, path=f"upload-tokens/{token.id}"))
    logger.info("upload token made", extra={"token_id": str(token.id), "dataset": new.dataset})
    document = {**serializers.describe_upload_token(token), "token": text}
    return json_response(document, HTTPStatus.CREATED, {"Cache-Control": "no-store"})
