"""Sending a file to its presigned URL: one streamed PUT, sent again from the start when the network fails."""

import hashlib
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Protocol, Self

import httpx

from sluice_cli.api import reason
from sluice_cli.errors import Trouble, WrongInput
from sluice_cli.retry import retried
from sluice_cli.text import instant, safe
from sluice_cli.tickets import Target

CHUNK = 256 << 10  # bytes read and sent at a time
_TIMEOUT = httpx.Timeout(60, connect=10, read=300)  # S3 answers once it has stored all of it
_TRANSIENT_CODES = frozenset(
    ("RequestTimeout", "SlowDown", "InternalError", "BadDigest")  # the last one: damaged on the way
)


class Expired(Trouble):
    """The URL's time is over."""


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

    def chunks(self, sent: Callable[[int], None], span: tuple[int, int] | None = None) -> Iterator[bytes]:
        """The bytes from here to there, all of them without a ``span``; several threads may take some.

        ``sent`` is told the sum after each piece has been taken. The last piece is held back until the file
        is known to be unchanged, so S3 never gets a whole object, or part of one, made of half an old and
        half a new file. Raises WrongInput.
        """
        start, end = span or (0, self.size)
        done = start
        while done < end:
            chunk = self._read(done, min(CHUNK, end - done))
            done += len(chunk)
            if not chunk or done == end:
                self.must_be_unchanged(cut_off=not chunk)
            yield chunk
            sent(done - start)

    def sha256(
        self, span: tuple[int, int] | None = None, hashed: Callable[[int], None] = lambda _: None
    ) -> str:
        """The SHA-256 of the bytes from here to there, in hexadecimal; else as ``chunks``."""
        digest = hashlib.sha256()
        for chunk in self.chunks(hashed, span):
            digest.update(chunk)
        return digest.hexdigest()

    def must_be_unchanged(self, *, cut_off: bool = False) -> None:
        """Raises WrongInput if the file is not as it was when it was opened, or is known to be cut off."""
        if cut_off or _stamp(self._handle) != self._stamp:
            raise WrongInput(
                f"{safe(self.path)} changed while it was being sent, so nothing of it will be loaded.",
                hint="Upload it again when nothing writes to it any more.",
            )

    def _read(self, offset: int, count: int) -> bytes:
        try:
            return os.pread(self._handle.fileno(), count, offset)
        except OSError as error:
            raise WrongInput(f"Cannot read {safe(self.path)}: {error.strerror}.") from error


def put(
    client: httpx.Client,
    target: Target,
    file: LocalFile,
    watcher: UploadWatcher,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Send all of ``file``. Raises WrongInput if it changes meanwhile, Trouble when S3 does not take it.

    Connection errors and 5xx answers are tried again a few times, each time from the start.
    """

    def attempt() -> None:
        watcher.sent(0)
        put_once(client, target, file.chunks(watcher.sent), file.size)

    retried(attempt, "Sending it again from the start", watcher.note, sleep)


def put_once(
    client: httpx.Client, target: Target, chunks: Iterator[bytes], length: int, what: str = "the file"
) -> None:
    """Send ``length`` bytes in one request.

    Raises Expired, Trouble (transient or not) that calls them ``what``, and whatever ``chunks`` raises.
    """
    try:
        response = client.put(
            target.url,
            content=chunks,
            headers={**target.headers, "Content-Length": str(length)},
            timeout=_TIMEOUT,
        )
    except httpx.TransportError as error:
        failure = Trouble(f"The upload broke off: {reason(error)}.")
        failure.transient = not isinstance(error, httpx.UnsupportedProtocol)
        raise (_expired(target) if target.expired else failure) from error
    except httpx.InvalidURL as error:
        raise Trouble(f"The API gave an upload URL that cannot be used: {reason(error)}.") from error
    if not response.is_success:
        raise _refused(response, target, what)


def _refused(response: httpx.Response, target: Target, what: str) -> Trouble:
    code, message = (_element(response.text, name) for name in ("Code", "Message"))
    denied = response.status_code == HTTPStatus.FORBIDDEN
    if denied and ("expired" in message.lower() or target.expired):
        return _expired(target)
    words = safe(": ".join(filter(None, (code, message))) or response.reason_phrase).rstrip(".")
    failure = Trouble(f"S3 did not take {what} (HTTP {response.status_code}): {words}.")
    failure.transient = (
        response.status_code in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
        or response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        or code in _TRANSIENT_CODES
    )
    return failure


def _expired(target: Target) -> Expired:
    when = f" at {instant(target.expires_at)}" if target.expires_at else ""
    return Expired(
        f"The upload URL expired{when}, so S3 took nothing.",
        hint="Run the same command again: it gets a new one. (Is this machine's clock right?)",
    )


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
