"""Sending a file to its presigned URL: one streamed PUT, sent again from the start when the network fails."""

import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Protocol, Self

import httpx

from sluice_cli.api import reason
from sluice_cli.documents import Ticket
from sluice_cli.errors import CliError, Trouble, WrongInput
from sluice_cli.text import duration, instant, safe

ATTEMPTS = 4
FIRST_WAIT = 0.5  # seconds, doubled each time
CHUNK = 256 << 10  # bytes read and sent at a time
_TIMEOUT = httpx.Timeout(60, connect=10, read=300)  # S3 answers once it has stored all of it
_TRANSIENT_CODES = frozenset(("RequestTimeout", "SlowDown", "InternalError"))


class UploadWatcher(Protocol):
    """Is told how an upload goes."""

    def sent(self, count: int) -> None:
        """So many bytes have been sent by now; fewer than before when it began again."""

    def note(self, text: str) -> None:
        """Something out of the ordinary happened."""


@dataclass(frozen=True)
class LocalFile:
    """A file open for reading, as it was when it was opened. ``name`` is what the server gets to know."""

    path: Path
    name: str
    size: int
    _handle: BinaryIO
    _stamp: tuple[int, int]

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """The file at ``path``. Raises WrongInput if it is not a regular file with something in it."""
        try:
            _must_be_regular(path)
            handle = path.open("rb")
        except OSError as error:
            raise WrongInput(f"Cannot read {safe(path)}: {error.strerror}.") from error
        with handle:
            stamp = _stamp(handle)
            if stamp[0] == 0:
                raise WrongInput(f"{safe(path)} is empty: there is nothing to load.")
            name = os.fsencode(path.name).decode("utf-8", "replace")
            yield cls(path, name, stamp[0], handle, stamp)

    def chunks(self, sent: Callable[[int], None]) -> Iterator[bytes]:
        """All of the file from its beginning; ``sent`` is told the sum after each piece has been taken.

        The last piece is held back until the file is known to be unchanged, so S3 never gets a whole object
        made of half an old and half a new file. Raises WrongInput.
        """
        done = 0
        while done < self.size:
            chunk = self._read(done)
            done += len(chunk)
            if not chunk or (done == self.size and _stamp(self._handle) != self._stamp):
                raise WrongInput(
                    f"{safe(self.path)} changed while it was being sent, so nothing of it was stored.",
                    hint="Upload it again when nothing writes to it any more.",
                )
            yield chunk
            sent(done)

    def _read(self, offset: int) -> bytes:
        try:
            self._handle.seek(offset)
            return self._handle.read(min(CHUNK, self.size - offset))
        except OSError as error:
            raise WrongInput(f"Cannot read {safe(self.path)}: {error.strerror}.") from error


def put(
    client: httpx.Client,
    ticket: Ticket,
    file: LocalFile,
    watcher: UploadWatcher,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Send all of ``file``. Raises WrongInput if it changes meanwhile, Trouble when S3 does not take it.

    Connection errors and 5xx answers are tried again, ATTEMPTS times in all, each time from the start.
    """
    wait = FIRST_WAIT
    for attempt in range(1, ATTEMPTS + 1):
        failure = _put_once(client, ticket, file, watcher)
        if failure is None:
            return
        if attempt == ATTEMPTS or not failure.transient:
            raise failure
        watcher.note(f"{failure.message} Sending it again from the start in {duration(wait)}.")
        sleep(wait)
        wait *= 2


def _put_once(
    client: httpx.Client, ticket: Ticket, file: LocalFile, watcher: UploadWatcher
) -> CliError | None:
    """One attempt; what went wrong with it, if anything did."""
    watcher.sent(0)
    try:
        response = client.put(
            ticket.url,
            content=file.chunks(watcher.sent),
            headers={**ticket.headers, "Content-Length": str(file.size)},
            timeout=_TIMEOUT,
        )
    except httpx.TransportError as error:
        failure = Trouble(f"The upload broke off: {reason(error)}.")
        failure.transient = not isinstance(error, httpx.UnsupportedProtocol)
        return _expired(ticket) if _is_past(ticket.expires_at) else failure
    except httpx.InvalidURL as error:
        return Trouble(f"The API gave an upload URL that cannot be used: {reason(error)}.")
    return None if response.is_success else _refused(response, ticket)


def _refused(response: httpx.Response, ticket: Ticket) -> CliError:
    code, message = (_element(response.text, name) for name in ("Code", "Message"))
    denied = response.status_code == HTTPStatus.FORBIDDEN
    if denied and ("expired" in message.lower() or _is_past(ticket.expires_at)):
        return _expired(ticket)
    words = safe(": ".join(filter(None, (code, message))) or response.reason_phrase).rstrip(".")
    failure = Trouble(f"S3 did not take the file (HTTP {response.status_code}): {words}.")
    failure.transient = (
        response.status_code in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
        or response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        or code in _TRANSIENT_CODES
    )
    return failure


def _expired(ticket: Ticket) -> CliError:
    when = f" at {instant(ticket.expires_at)}" if ticket.expires_at else ""
    return Trouble(
        f"The upload URL expired{when}, so S3 took nothing.",
        hint="Run the same command again: it gets a new one. (Is this machine's clock right?)",
    )


def _is_past(moment: datetime | None) -> bool:
    return moment is not None and moment <= datetime.now(UTC)


def _element(xml: str, name: str) -> str:
    found = re.search(f"<{name}>([^<]*)</{name}>", xml)
    return found[1].strip() if found else ""


def _must_be_regular(path: Path) -> None:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise WrongInput(f"{safe(path)} is a directory; give one file.")
    if not stat.S_ISREG(mode):
        raise WrongInput(f"{safe(path)} is not a regular file: its size must be known before it is sent.")


def _stamp(handle: BinaryIO) -> tuple[int, int]:
    found = os.fstat(handle.fileno())
    return found.st_size, found.st_mtime_ns
