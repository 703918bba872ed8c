"""Errors, sorted by what the caller must do about them.

A bad *record* is not an error: it is data (:class:`chalicelib.core.model.Reject`).
"""


class RetryLater(Exception):  # noqa: N818 - named for what to do, not for what went wrong
    """Something outside is unwell (database, object store, queue): the same work may succeed later."""


class JobFailed(Exception):  # noqa: N818 - named for what to do, not for what went wrong
    """The job can never succeed as it is: mark it FAILED, with this code and this sentence for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class BlockAlreadyCommitted(Exception):  # noqa: N818 - named for the state of the ledger
    """Another worker has committed this block: drop it. Nothing of this attempt at it was kept."""


class JobEnded(Exception):  # noqa: N818 - named for what happened to the job
    """The job has ended, or was taken over: drop the work. Nothing of this attempt was kept."""


class NotPossible(Exception):  # noqa: N818 - named for what to tell the client
    """The job's present state does not allow the request; the sentence says why."""


class InvalidRequest(Exception):  # noqa: N818 - names what is wrong
    """The client's request is wrong: tell the client the message and the ``field`` at fault."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
