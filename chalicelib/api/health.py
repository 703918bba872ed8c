"""Whether the service can work."""

from collections.abc import Callable

from chalice.app import Response

from chalicelib.api.http import answer, problem
from chalicelib.core.errors import RetryLater
from chalicelib.telemetry import logger
from chalicelib.wiring import Services


def health(services: Services) -> Response:
    """`GET /healthz`: 200, or 503 naming what is down."""
    checks = {
        "database": services.jobs.ping,
        "queue": services.sender.ping,
        "storage": lambda: services.store.ping(services.settings.bucket),
    }
    found = {name: _check(name, check) for name, check in checks.items()}
    down = sorted(name for name, state in found.items() if state != "ok")
    if down:
        return problem(503, f"Not available: {', '.join(down)}.", headers={"Retry-After": "5"}, checks=found)
    return answer({"status": "ok", "checks": found})


def _check(name: str, ping: Callable[[], None]) -> str:
    try:
        ping()
    except RetryLater:
        logger.exception("health check failed", extra={"dependency": name})
        return "unavailable"
    return "ok"
