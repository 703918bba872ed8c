"""PUT bytes to a presigned URL of S3."""

import re
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Protocol

import httpx

from sluice_cli.documents.uploads import PresignedPut
from sluice_cli.errors import ServiceError, describe_transport_error
from sluice_cli.escaping import safe
from sluice_cli.formatting import instant
from sluice_cli.retry import retry_with_backoff
from sluice_cli.transfer.local_file import LocalFile

_TIMEOUT = httpx.Timeout(60, connect=10, read=300)  # S3 answers once it has stored all of it
_TRANSIENT_CODES = frozenset(
    ("RequestTimeout", "SlowDown", "InternalError", "BadDigest")  # the last one: damaged on the way
)


class UrlExpiredError(ServiceError):
    """A presigned URL that has expired."""


class UploadWatcher(Protocol):
    """Show how an upload proceeds."""

    def update(self, count: int) -> None:
        """Show how many bytes have been sent. After a failed attempt that is fewer than before."""

    def note(self, text: str) -> None:
        """Show a sentence about something out of the ordinary."""


def put_file(
    http: httpx.Client,
    presigned: PresignedPut,
    file: LocalFile,
    watcher: UploadWatcher,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Send the whole file in one PUT, retried with backoff, each time from the start.

    Raises InputError if the file changes meanwhile, ServiceError when S3 does not take it.
    """

    def attempt() -> None:
        watcher.update(0)
        put_chunks(http, presigned, file.chunks(watcher.update), file.size)

    retry_with_backoff(attempt, "Sending it again from the start", watcher.note, sleep)


def put_chunks(
    http: httpx.Client, presigned: PresignedPut, chunks: Iterator[bytes], length: int, what: str = "the file"
) -> None:
    """Send ``length`` bytes in one PUT, without a retry. Messages call them ``what``.

    Raises UrlExpiredError, ServiceError (transient or not), and the errors of ``chunks``.
    """
    try:
        response = http.put(
            presigned.url,
            content=chunks,
            headers={**presigned.headers, "Content-Length": str(length)},
            timeout=_TIMEOUT,
        )
    except httpx.TransportError as error:
        failure = ServiceError(f"The upload broke off: {describe_transport_error(error)}.")
        failure.transient = not isinstance(error, httpx.UnsupportedProtocol)
        raise (_url_expired(presigned) if presigned.expired else failure) from error
    except httpx.InvalidURL as error:
        reason = describe_transport_error(error)
        raise ServiceError(f"The API gave an upload URL that cannot be used: {reason}.") from error
    if not response.is_success:
        raise _refusal(response, presigned, what)


def _refusal(response: httpx.Response, presigned: PresignedPut, what: str) -> ServiceError:
    code, message = (_xml_element(response.text, name) for name in ("Code", "Message"))
    denied = response.status_code == HTTPStatus.FORBIDDEN
    if denied and ("expired" in message.lower() or presigned.expired):
        return _url_expired(presigned)
    words = safe(": ".join(filter(None, (code, message))) or response.reason_phrase).rstrip(".")
    failure = ServiceError(f"S3 did not accept {what} (HTTP {response.status_code}): {words}.")
    failure.transient = (
        response.status_code in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
        or response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        or code in _TRANSIENT_CODES
    )
    return failure


def _url_expired(presigned: PresignedPut) -> UrlExpiredError:
    when = f" at {instant(presigned.expires_at)}" if presigned.expires_at else ""
    return UrlExpiredError(
        f"The upload URL expired{when}, so S3 accepted nothing.",
        hint="Run the same command again: it gets a new one. (Is this machine's clock right?)",
    )


def _xml_element(xml: str, name: str) -> str:
    match = re.search(f"<{name}>([^<]*)</{name}>", xml)
    return match[1].strip() if match else ""
