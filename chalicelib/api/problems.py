"""The one place where errors become HTTP statuses."""

from collections.abc import Callable, Mapping
from functools import wraps
from http import HTTPStatus

from chalice.app import ChaliceViewError, Response

from chalicelib.api.responses import problem_response
from chalicelib.core.access import Forbidden, Scope, Unauthenticated
from chalicelib.core.errors import InvalidRequest, NotPossible, RetryLater
from chalicelib.core.names import shown
from chalicelib.service.access import UnknownTenant
from chalicelib.service.rejects_request import NoRejectsFile, RejectsFileFailed, RejectsRemoved
from chalicelib.telemetry import logger

RETRY_SECONDS = "5"  # for `Retry-After` while a dependency is unavailable

Answer = Callable[..., Response]


class UnknownJob(Exception):  # noqa: N818 - names the problem
    """There is no job with this id. ``job_id`` is the client's own text, which may not be a UUID."""

    def __init__(self, job_id: object) -> None:
        super().__init__(f"There is no job {shown(str(job_id))}.")


class UnknownDataset(Exception):  # noqa: N818 - names the problem
    """There is no dataset with this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no dataset {shown(name)}.")


class UnknownErasure(Exception):  # noqa: N818 - names the problem
    """The dataset has no erasure with this id."""

    def __init__(self, erasure_id: str) -> None:
        super().__init__(f"There is no erasure {shown(erasure_id)} of this dataset.")


class UnknownKey(Exception):  # noqa: N818 - names the problem
    """There is no API key with this id."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"There is no API key {shown(key_id)}.")


class TooLarge(Exception):  # noqa: N818 - names the problem
    """The request exceeds a limit. ``field`` names the member that does."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


def handle_errors(answer: Answer) -> Answer:
    """Return the function with its errors answered as problems; none of them shows Sluice's internals.

    Chalice answers its own errors, such as a body that is not JSON;
    :func:`chalicelib.api.middleware.request_middleware` turns those into problems.
    """

    @wraps(answer)
    def answer_or_problem(*args: object, **kwargs: object) -> Response:
        try:
            return answer(*args, **kwargs)
        except ChaliceViewError:
            raise
        except Exception as error:  # noqa: BLE001 - the last resort
            return _problem_for(error)

    return answer_or_problem


# Status and code of errors that are nothing but a sentence
_PROBLEMS: Mapping[type[Exception], tuple[HTTPStatus, str]] = {
    UnknownJob: (HTTPStatus.NOT_FOUND, "unknown-job"),
    UnknownDataset: (HTTPStatus.NOT_FOUND, "unknown-dataset"),
    UnknownTenant: (HTTPStatus.NOT_FOUND, "unknown-tenant"),
    UnknownErasure: (HTTPStatus.NOT_FOUND, "unknown-erasure"),
    UnknownKey: (HTTPStatus.NOT_FOUND, "unknown-key"),
    NoRejectsFile: (HTTPStatus.NOT_FOUND, "no-rejects-file"),
    NotPossible: (HTTPStatus.CONFLICT, "not-possible"),
    RejectsRemoved: (HTTPStatus.GONE, "rejects-removed"),
    RejectsFileFailed: (HTTPStatus.INTERNAL_SERVER_ERROR, "rejects-file-failed"),
}


def _problem_for(error: Exception) -> Response:
    if type(error) in _PROBLEMS:
        status, code = _PROBLEMS[type(error)]
        return problem_response(status, str(error), code=code)
    match error:
        case Unauthenticated() | Forbidden():
            return _refusal(error)
        case InvalidRequest():
            return problem_response(HTTPStatus.BAD_REQUEST, error.message, field=error.field)
        case TooLarge():
            status, code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large"
            return problem_response(status, str(error), field=error.field, code=code)
        case RetryLater():
            logger.exception("dependency not available")
            sentence = "Something that Sluice depends on is not available right now. Try again shortly."
            headers = {"Retry-After": RETRY_SECONDS}
            return problem_response(HTTPStatus.SERVICE_UNAVAILABLE, sentence, headers=headers)
        case _:
            logger.exception("request failed")
            sentence = "Something went wrong in Sluice. The operator can find the log by the request id."
            return problem_response(HTTPStatus.INTERNAL_SERVER_ERROR, sentence)


def _refusal(error: Unauthenticated | Forbidden) -> Response:
    if isinstance(error, Unauthenticated):
        headers = {"WWW-Authenticate": _challenge("invalid_token" if error.has_credential else None)}
        return problem_response(HTTPStatus.UNAUTHORIZED, str(error), headers=headers)
    code = "access_denied" if error.scope is None else "insufficient_scope"
    headers = {"WWW-Authenticate": _challenge(code, error.scope)}
    return problem_response(HTTPStatus.FORBIDDEN, str(error), headers=headers, code=code, scope=error.scope)


def _challenge(code: str | None, scope: Scope | None = None) -> str:
    """Return the header `WWW-Authenticate`. Source: RFC 6750, section 3."""
    members = ['realm="sluice"']
    if code is not None:
        members.append(f'error="{code}"')
    if scope is not None:
        members.append(f'scope="{scope}"')
    return "Bearer " + ", ".join(members)
