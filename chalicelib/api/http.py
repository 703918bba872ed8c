"""What every HTTP answer has in common: a request id, and problems in the form of RFC 9457."""

import re
from collections.abc import Callable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any
from uuid import UUID

from chalice.app import ChaliceViewError, Request, Response

from chalicelib.core.errors import BadRequest, NotPossible, RetryLater
from chalicelib.telemetry import logger

_CURSOR_DIGITS = 18  # fits a bigint
_BIGINT = 10**_CURSOR_DIGITS - 1

_PROBLEM = "application/problem+json"

View = Callable[..., Response]


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:  # noqa: ANN401
    """A JSON response."""
    return Response(
        body=body, status_code=status, headers={"Content-Type": "application/json", **(headers or {})}
    )


def problem(
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **members: Any,  # noqa: ANN401 - any JSON value
) -> Response:
    """An error as `application/problem+json`; ``members`` that are not None are added to it."""
    problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    problem |= {name: value for name, value in members.items() if value is not None}
    return Response(
        body=problem,
        status_code=status,
        headers={"Content-Type": _PROBLEM, **(headers or {})},
    )


def problems(view: View) -> View:
    """The view, with whatever goes wrong in it answered as a problem; nothing of our insides gets out.

    Chalice's own errors (a body that is no JSON) are left to it, and to :func:`answered`.
    """

    @wraps(view)
    def caught(*args: str, **kwargs: str) -> Response:
        try:
            return view(*args, **kwargs)
        except ChaliceViewError:
            raise
        except BadRequest as wrong:
            return problem(wrong.status, wrong.message, field=wrong.field)
        except NotPossible as reason:
            return problem(HTTPStatus.CONFLICT, str(reason))
        except RetryLater:
            logger.exception("dependency not available")
            sentence = "Something that Sluice depends on is not available right now. Try again shortly."
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, sentence, headers={"Retry-After": "5"})
        except Exception:  # noqa: BLE001 - the last resort
            logger.exception("request failed")
            sentence = "Something went wrong here. The request id leads to its log."
            return problem(HTTPStatus.INTERNAL_SERVER_ERROR, sentence)

    return caught


def answered(request: Request, get_response: Callable[[Request], Response]) -> Response:
    """The response, with its request id, and in the form of a problem if Chalice made it an error."""
    request_id = str(
        request.context.get("requestId") or getattr(request.lambda_context, "aws_request_id", "")
    )
    keys = {"request_id": request_id}
    if job_id := (request.uri_params or {}).get("job_id"):
        keys["job_id"] = str(job_id)[:36]
    with logger.append_context_keys(**keys):
        response = get_response(request)
        asked = {name: request.context.get(name) for name in ("httpMethod", "resourcePath")}
        logger.info("answered", extra={**asked, "status": response.status_code})
    match response.body:
        case {"Code": str(), "Message": str(detail)}:
            allow = response.headers.get("Allow")  # with a 405
            response = problem(response.status_code, detail, headers={"Allow": str(allow)} if allow else None)
    response.headers["X-Request-Id"] = request_id
    if response.headers.get("Content-Type") == _PROBLEM:
        response.body["request_id"] = request_id
    return response


def query(request: Request | None) -> dict[str, str]:
    """The query's parameters; of one that is given twice, the last."""
    given = request.query_params if request else None
    return {name: str(value) for name, value in (given or {}).items()}


def body(request: Request | None) -> Any:  # noqa: ANN401 - whatever the client sent
    """The request's body, which is JSON. Raises BadRequest, and Chalice's error for what is no JSON."""
    try:
        return request.json_body if request else None
    except RecursionError:
        raise BadRequest("The body is nested too deep.") from None


def identifier(text: str) -> UUID:
    """A job id from a path. Raises BadRequest: what is no id is no job either."""
    try:
        return UUID(text)
    except ValueError:
        raise not_found(text) from None


def not_found(job_id: object) -> BadRequest:
    """There is no such job."""
    return BadRequest(f"There is no job {str(job_id)[:100]!r}.", status=HTTPStatus.NOT_FOUND)


def limit(query: Mapping[str, str], default: int, most: int) -> int:
    """The page size asked for. Raises BadRequest."""
    text = query.get("limit", str(default))
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= most:
        raise BadRequest(f"limit must be a whole number from 1 to {most}.", field="limit")
    return int(text)


def cursor(query: Mapping[str, str], parts: int, most: int = _BIGINT) -> tuple[int, ...] | None:
    """Where a page begins: numbers up to ``most`` with dots between, as made by :func:`cursor_text`.

    Raises BadRequest.
    """
    if "cursor" not in query:
        return None
    numbers = query["cursor"].split(".")
    if len(numbers) != parts or not all(
        it.isascii() and it.isdigit() and len(it) <= _CURSOR_DIGITS and int(it) <= most for it in numbers
    ):
        raise BadRequest("cursor must be the next_cursor of the page before.", field="cursor")
    return tuple(map(int, numbers))


def cursor_text(*numbers: int) -> str:
    """The text form of a cursor; clients pass it back as it is."""
    return ".".join(map(str, numbers))
