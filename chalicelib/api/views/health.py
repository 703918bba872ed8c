"""The health check: whether the dependencies of Sluice answer, and on request how its workers are."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from chalice.app import Response

from chalicelib.api.context import RequestContext
from chalicelib.api.problems import RETRY_SECONDS
from chalicelib.api.responses import json_response, problem_response
from chalicelib.core.errors import InvalidRequest, RetryLater
from chalicelib.core.workers import Worker, WorkerState
from chalicelib.service.workers import Workers
from chalicelib.telemetry import logger

Ping = Callable[[], None]

_MOST_WORKERS = 1000  # that are looked at
_SILENT_SECONDS = 3600.0  # a worker that was lost longer ago has been replaced
_UNATTENDED_SECONDS = 60.0  # that jobs wait while no worker works


def show(context: RequestContext, dependencies: Mapping[str, Ping], workers: Workers) -> Response:
    """Answer `GET /healthz`: 200, or 503 naming what is not available. Raises InvalidRequest.

    With `deep=1` the answer says how the workers are: 503 if jobs wait and there is no worker.
    """
    is_deep = _is_deep(context.query)
    checks = {name: _check(name, ping) for name, ping in dependencies.items()}
    deep: dict[str, Any] = {}
    if is_deep:
        checks["workers"], deep["workers"] = _check_workers(workers)
    down = sorted(name for name, state in checks.items() if state == "unavailable")
    if down:
        sentence = f"Not available: {', '.join(down)}."
        headers = {"Retry-After": RETRY_SECONDS}
        return problem_response(
            HTTPStatus.SERVICE_UNAVAILABLE, sentence, headers=headers, checks=checks, **deep
        )
    status = "ok" if set(checks.values()) == {"ok"} else "degraded"
    return json_response({"status": status, "checks": checks, **deep})


def is_shallow(context: RequestContext) -> bool:
    """Return whether the request asks only whether the dependencies answer, which is open to all."""
    return context.query.get("deep", "0") != "1"


def _is_deep(query: Mapping[str, str]) -> bool:
    deep = query.get("deep", "0")
    if deep not in ("0", "1"):
        raise InvalidRequest("deep must be 0 or 1.", field="deep")
    return deep == "1"


def _check(name: str, ping: Ping) -> str:
    try:
        ping()
    except RetryLater:
        logger.exception("health check failed", extra={"dependency": name})
        return "unavailable"
    return "ok"


def _check_workers(workers: Workers) -> tuple[str, dict[str, Any] | None]:
    """Return how the workers are in one word, and their numbers and names; None if they are not known."""
    try:
        found = [it for it in workers.list(limit=_MOST_WORKERS, before=None) if _is_recent(it)]
        names = {
            state.value: [worker.name for worker in found if worker.state is state]
            for state in (WorkerState.STUCK, WorkerState.SILENT)
        }
        alive = len(found) - len(names["silent"])
        is_unattended = not alive and workers.has_unattended_jobs(seconds=_UNATTENDED_SECONDS)
    except RetryLater:
        logger.exception("health check failed", extra={"dependency": "workers"})
        return "unavailable", None
    state = "degraded" if names["stuck"] or names["silent"] else "ok"
    return "unavailable" if is_unattended else state, {"alive": alive, **names}


def _is_recent(worker: Worker) -> bool:
    return worker.unseen_seconds < _SILENT_SECONDS
