"""The steps around every request: its context, its log line, its request id."""

from collections.abc import Callable
from functools import wraps
from typing import cast

from chalice.app import Chalice, Request, Response

from chalicelib.api.context import RequestContext, request_id_of
from chalicelib.api.problems import Answer, handle_errors
from chalicelib.api.responses import PROBLEM, problem_response
from chalicelib.telemetry import logger

View = Callable[[RequestContext], Response]


def view_decorator(app: Chalice) -> Callable[[View], Answer]:
    """Return a decorator that passes the request's context to a view and answers the view's errors."""

    def decorate(view: View) -> Answer:
        @wraps(view)
        def answer(**path: str) -> Response:
            request = cast("Request", app.current_request)  # None only outside of a request
            return view(RequestContext.of(request, path))

        return handle_errors(answer)

    return decorate


def request_middleware(request: Request, get_response: Callable[[Request], Response]) -> Response:
    """Return the response with its request id, as a problem if Chalice made it an error. Log the request."""
    request_id = request_id_of(request)
    keys = {"request_id": request_id}
    if job_id := (request.uri_params or {}).get("job_id"):
        keys["job_id"] = str(job_id)[:36]
    with logger.append_context_keys(**keys):
        response = get_response(request)
        route = {name: request.context.get(name) for name in ("httpMethod", "resourcePath")}
        logger.info("request answered", extra={**route, "status": response.status_code})
    match response.body:
        case {"Code": str(), "Message": str(detail)}:
            allow = response.headers.get("Allow")  # with a 405
            headers = {"Allow": str(allow)} if allow else None
            response = problem_response(response.status_code, detail, headers=headers)
    response.headers["X-Request-Id"] = request_id
    if response.headers.get("Content-Type") == PROBLEM:
        response.body["request_id"] = request_id
    return response
