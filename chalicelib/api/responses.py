"""JSON responses, and problems as RFC 9457 describes them."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from chalice.app import Response

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
    """Return an error as `application/problem+json`, with the ``members`` that are not None."""
    problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    problem |= {name: value for name, value in members.items() if value is not None}
    return _response(problem, status, PROBLEM, headers)


def _response(
    document: Mapping[str, Any] | str, status: int, content_type: str, headers: Mapping[str, str] | None
) -> Response:
    return Response(
        body=document, status_code=int(status), headers={"Content-Type": content_type, **(headers or {})}
    )
