"""The errors that end a command, and the program's exit statuses."""

from http import HTTPStatus

from sluice_cli.escaping import safe

JOB_FAILED = 1
INPUT_ERROR = 2
SERVICE_ERROR = 3
NOT_FINISHED = 4
WARNED = 5
REJECTED = 6
INTERRUPTED = 130  # 128 + SIGINT, as shells have it

_CLIENT_ERROR = 4  # the first digit of the HTTP statuses that blame the request
_TRANSIENT_STATUSES = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_NOT_INPUT_STATUSES = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, *_TRANSIENT_STATUSES)


class CliError(Exception):
    """End a command with a message, a ``hint`` at what to do next, and an exit status.

    ``transient`` says whether the same request may succeed in a moment; ``retry_after`` is the pause that the
    server asked for, in seconds.
    """

    exit_status = SERVICE_ERROR
    transient = False
    retry_after: float | None = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(CliError):
    """An argument, a setting or a file that cannot be used."""

    exit_status = INPUT_ERROR


class ServiceError(CliError):
    """A failure of the service, of S3 or of the network."""


class UnreachableError(ServiceError):
    """A request to the API that got no answer."""

    transient = True


class UnexpectedResponseError(ServiceError):
    """An answer that does not come from a Sluice API."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The answer is not from a Sluice API: {reason}.",
            hint="Is SLUICE_URL (or --url) the address of the API, to the end of its path?",
        )


class Interrupted(CliError):  # noqa: N818 - the user's wish, not an error
    """Ctrl-C, with what the user needs to know about the state it leaves."""

    exit_status = INTERRUPTED


class ApiError(CliError):
    """A refusal by the API: the members of its problem document (RFC 9457)."""

    def __init__(  # noqa: PLR0913 - the members of a problem document
        self,
        *,
        status: int,
        title: str,
        detail: str = "",
        field: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(f"{title}: {detail}" if detail else title, hint=hint)
        self.status = status
        self.title = title
        self.detail = detail
        self.field = field
        self.request_id = request_id
        self.retry_after = retry_after
        self.transient = status in _TRANSIENT_STATUSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if status // 100 == _CLIENT_ERROR and status not in _NOT_INPUT_STATUSES:
            self.exit_status = INPUT_ERROR


def describe_transport_error(error: Exception) -> str:
    """Return a few words, safe to print, on why a request got no answer."""
    words = safe(error) or type(error).__name__
    return words.partition("] ")[2] if words.startswith("[Errno") else words
