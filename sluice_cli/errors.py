"""What can go wrong, sorted by the exit status it ends in."""

from http import HTTPStatus

JOB_FAILED = 1
WRONG_INPUT = 2
TROUBLE = 3
NOT_FINISHED = 4
INTERRUPTED = 130  # 128 + SIGINT, as shells have it

_CLIENT_ERROR = 4  # the first digit of the HTTP statuses that blame the request
_TRANSIENT = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_NOT_THE_INPUT = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, *_TRANSIENT)


class CliError(Exception):
    """The command cannot go on. ``hint`` says what to do about it, ``exit_status`` is the program's."""

    exit_status = TROUBLE
    transient = False  # whether the same request may succeed in a moment
    retry_after: float | None = None  # seconds, when the server named them

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class WrongInput(CliError):  # noqa: N818 - named for what it means to the user
    """What the user gave cannot be used."""

    exit_status = WRONG_INPUT


class Trouble(CliError):  # noqa: N818 - named for what it means to the user
    """The service, S3 or the network between does not do its part."""


class Unreachable(Trouble):
    """No answer came at all."""

    transient = True


class Interrupted(CliError):  # noqa: N818 - the user's wish, not an error
    """The user pressed Ctrl-C."""

    exit_status = INTERRUPTED


class ApiError(CliError):
    """The API's refusal, as it told it (RFC 9457)."""

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
        self.transient = status in _TRANSIENT or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if status // 100 == _CLIENT_ERROR and status not in _NOT_THE_INPUT:
            self.exit_status = WRONG_INPUT
