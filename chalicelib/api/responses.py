"""JSON responses, and problems as RFC 9457 describes them."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from chalice.app import Response

from chalicelib.api.sizes import LONGEST_SENTENCE
from chalicelib.core.names import cut

PROBLEM = "application/problem+json"


def json_response(
    document: Mapping[str, Any], status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the document as a JSON response."""
    return _response(document, status, "application/json", headers)


def exact_json_response(
    document: Mapping[str, Any], status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the document as a JSON response; an :class:`msgspec.Raw` in it is JSON as it stands."""
    return _response(msgspec.json.encode(document).decode(), status, "application/json", headers)


def problem_response(
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **members: Any,  # noqa: ANN401 - any JSON value
) -> Response:
    """Return an error as `application/problem+json`, with the ``members`` that are not None.

    Its `code` is the status's name if the members have none. Texts are cut: they may repeat what a client
    sent.
    """
    members = {"code": HTTPStatus(status).name.lower().replace("_", "-")} | members
    texts = {"detail": detail} | {name: value for name, value in members.items() if value is not None}
    problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    problem |= {
        name: cut(value, LONGEST_SENTENCE) if isinstance(value, str) else value
        for name, value in texts.items()
    }
    return _response(problem, status, PROBLEM, headers)


def _response(
    document: Mapping[str, Any] | str, status: int, content_type: str, headers: Mapping[str, str] | None
) -> Response:
    return Response(
        body=document, status_code=int(status), headers={"Content-Type": content_type, **(headers or {})}
    )
