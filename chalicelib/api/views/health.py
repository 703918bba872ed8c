"""The health check: whether the dependencies of Sluice answer."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from chalice.app import Response

from chalicelib.api.context import RequestContext
from chalicelib.api.problems import RETRY_SECONDS
from chalicelib.api.responses import json_response, problem_response
from chalicelib.core.errors import RetryLater
from chalicelib.telemetry import logger

Ping = Callable[[], None]


def show(_context: RequestContext, dependencies: Mapping[str, Ping]) -> Response:
    """Answer `GET /healthz`: 200, or 503 naming the dependencies that do not answer."""
    checks = {name: _check(name, ping) for name, ping in dependencies.items()}
    down = sorted(name for name, state in checks.items() if state != "ok")
    if down:
        sentence = f"Not available: {', '.join(down)}."
        headers = {"Retry-After": RETRY_SECONDS}
        return problem_response(HTTPStatus.SERVICE_UNAVAILABLE, sentence, headers=headers, checks=checks)
    return json_response({"status": "ok", "checks": checks})


def _check(name: str, ping: Ping) -> str:
    try:
        ping()
    except RetryLater:
        logger.exception("health check failed", extra={"dependency": name})
        return "unavailable"
    return "ok"
