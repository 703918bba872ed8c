"""Download an object from a presigned URL of S3, into a file or to stdout."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import httpx

from sluice_cli.errors import InputError, ServiceError, describe_transport_error
from sluice_cli.escaping import safe

STDOUT = Path("-")
_TIMEOUT = httpx.Timeout(60, connect=10)
_CHUNK = 256 << 10  # bytes


def check_target(target: Path, *, force: bool) -> None:
    """Raise InputError if ``target`` cannot be written, or exists and ``force`` is not set."""
    if target == STDOUT:
        return
    if target.is_dir():
        raise InputError(f"{safe(target)} is a directory; name a file.")
    if not target.parent.is_dir():
        raise InputError(f"There is no directory {safe(target.parent)}.")
    if target.exists() and not force:
        raise InputError(f"{safe(target)} exists already.", hint="To replace it, add --force.")


def download(http: httpx.Client, url: str, target: Path) -> int:
    """Write the object at ``url`` to ``target`` and return its size in bytes.

    A file appears whole or not at all. Raises InputError if it cannot be written, and ServiceError, transient
    or not, if the object does not come.
    """
    with _opened(target) as file:
        try:
            with http.stream("GET", url, timeout=_TIMEOUT) as response:
                _check(response)
                return sum(file.write(chunk) for chunk in response.iter_bytes(_CHUNK))
        except httpx.TransportError as error:
            failure = ServiceError(f"The download broke off: {describe_transport_error(error)}.")
            failure.transient = target != STDOUT  # where a part of it has been written
            raise failure from error
        except (httpx.InvalidURL, httpx.HTTPError) as error:
            reason = describe_transport_error(error)
            raise ServiceError(f"The rejects file cannot be downloaded: {reason}.") from error


def _check(response: httpx.Response) -> None:
    if response.is_success:
        return
    failure = ServiceError(f"S3 did not return the rejects file (HTTP {response.status_code}).")
    failure.transient = response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
    raise failure


@contextmanager
def _opened(target: Path) -> Iterator[BinaryIO]:
    """Open the target for writing. A file gets its name when all has been written."""
    if target == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    unfinished = target.with_name(f".{target.name[:100]}.{uuid4().hex}.part")
    try:
        with unfinished.open("xb") as file:
            yield file
        unfinished.replace(target)
    except OSError as error:
        raise InputError(f"Cannot write {safe(target)}: {error.strerror or os.strerror(0)}.") from error
    finally:
        unfinished.unlink(missing_ok=True)
