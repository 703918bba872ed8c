"""Errors, sorted by how the caller must react.

A bad *record* is not an error: it is data (:class:`chalicelib.core.model.Reject`).
"""

from chalicelib.core.dependencies import Dependency


class RetryLater(Exception):  # noqa: N818 - named for the reaction, not for the cause
    """A dependency (database, object store, queue) is not available: the same work may succeed later.

    ``told`` is a sentence for people who are not operators; None: the one that fits any cause.
    """

    def __init__(
        self, message: str, dependency: Dependency | None = None, *, told: str | None = None
    ) -> None:
        super().__init__(message)
        self.dependency = dependency
        self.told = told or (dependency.unavailable if dependency else message)


class JobFailed(Exception):  # noqa: N818 - named for the reaction, not for the cause
    """The job can never succeed: mark it FAILED, with this code and this sentence for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class TooManyRejects(Exception):  # noqa: N818 - named for the state of the job
    """The job has more rejects than its budget allows: let it fail, if its ledger says so too."""


class BlockAlreadyCommitted(Exception):  # noqa: N818 - named for the state of the ledger
    """Another worker has committed this block: drop it. Nothing of this attempt was stored."""


class JobEnded(Exception):  # noqa: N818 - named for the state of the job
    """The job has ended, or was taken over: drop the work. Nothing of this attempt was stored."""


class NotPossible(Exception):  # noqa: N818 - named for the answer to the client
    """The job's present state does not allow the request; the sentence says why."""


class InvalidRequest(Exception):  # noqa: N818 - names the problem
    """The client's request is wrong: return the message and the wrong ``field`` to the client."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
