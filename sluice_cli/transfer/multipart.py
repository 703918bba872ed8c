"""Send a file as a multipart upload: several parts at a time, each retried by itself."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TypeVar

from sluice_cli.api import Api
from sluice_cli.documents.jobs import Job
from sluice_cli.documents.uploads import MultipartUpload, PresignedPut, StoredPart
from sluice_cli.errors import InputError
from sluice_cli.retry import retry_with_backoff
from sluice_cli.transfer.local_file import LocalFile
from sluice_cli.transfer.put import UploadWatcher, UrlExpiredError, put_chunks
from sluice_cli.transfer.threads import Stop, in_threads

THREADS = 4
PRESIGN_BATCH = 8  # parts per request for URLs: few, or the last ones expire on a slow line

_T = TypeVar("_T")


def missing_parts(upload: MultipartUpload, file: LocalFile, stored: Sequence[StoredPart]) -> list[int]:
    """Return the numbers of the parts that are still to be sent, in order.

    A part that S3 stored without a checksum is one of them, because its content is unknown. Raises InputError
    if ``file`` is not the one that the upload was begun with.
    """
    if file.size != upload.size:
        sizes = f"it has {file.size:,} bytes, and that one {upload.size:,}"
        raise _different_file(file, sizes)
    checksums = {
        part.number: part.sha256
        for part in stored
        if part.sha256 and part.number in upload.numbers and part.size == upload.length(part.number)
    }

    def compare(number: int, stop: Stop) -> None:
        if file.sha256(upload.span(number), lambda _: stop.check()) != checksums[number]:
            raise _different_file(file, f"part {number} has other bytes")

    in_threads(checksums, compare, threads=THREADS)
    return [number for number in upload.numbers if number not in checksums]


def _different_file(file: LocalFile, difference: str) -> InputError:
    return InputError(
        f"{file.shown} is not the file that the upload was begun with: {difference}.",
        hint="Give the original file, or upload this one without --resume.",
    )


class TotalProgress:
    """Sum the bytes that several threads send, and update a watcher from one thread at a time."""

    def __init__(self, watcher: UploadWatcher, already_stored: int) -> None:
        self._watcher = watcher
        self._total = already_stored
        self._sent_by_part: dict[int, int] = {}
        self._lock = Lock()

    def update(self, number: int, count: int) -> None:
        """Set how many bytes of a part have been sent. After a failed attempt that is fewer than before."""
        with self._lock:
            self._total += count - self._sent_by_part.get(number, 0)
            self._sent_by_part[number] = count
            self._watcher.update(self._total)

    def note(self, text: str) -> None:
        """Pass a sentence on to the watcher."""
        with self._lock:
            self._watcher.note(text)


@dataclass(frozen=True)
class MultipartSender:
    """Send the parts of one file. Tests give a ``sleep`` that takes the place of all pauses."""

    api: Api
    upload: MultipartUpload
    file: LocalFile
    progress: TotalProgress
    sleep: Callable[[float], None] | None = None

    def send(self, numbers: Sequence[int]) -> Job:
        """Send the parts with these numbers, complete the upload, and return its job.

        Transient errors are retried with backoff. Raises InputError if the file changes meanwhile,
        ServiceError when S3 does not take a part, and the errors of Api.
        """
        in_threads(_batches(numbers), self._send_batch, threads=THREADS)
        self.file.check_unchanged()
        complete = partial(self.api.complete, self.upload.job_id)
        return retry_with_backoff(complete, "Trying again", self.progress.note, self.sleep or time.sleep)

    def _send_batch(self, numbers: Sequence[int], stop: Stop) -> None:
        checksums = {number: self._checksum(number, stop) for number in numbers}
        presign = partial(self.api.presign_parts, self.upload.job_id, checksums)
        presigned = self._retry(presign, "Trying again", stop)
        for number in numbers:
            self._send_part(number, checksums[number], presigned[number], stop)

    def _checksum(self, number: int, stop: Stop) -> str | None:
        if not self.upload.checksums:
            return None
        return self.file.sha256(self.upload.span(number), lambda _: stop.check())

    def _send_part(self, number: int, checksum: str | None, first: PresignedPut, stop: Stop) -> None:
        presigned: PresignedPut | None = first

        def attempt() -> None:
            nonlocal presigned
            if presigned is None or presigned.expired:
                presigned = self.api.presign_parts(self.upload.job_id, {number: checksum})[number]
            try:
                self._put(number, presigned, stop)
            except UrlExpiredError as error:
                presigned = None
                error.transient = True  # the next attempt asks for a new URL
                raise

        self._retry(attempt, f"Sending part {number} again", stop)

    def _put(self, number: int, presigned: PresignedPut, stop: Stop) -> None:
        def update(count: int) -> None:
            stop.check()
            self.progress.update(number, count)

        update(0)
        chunks = self.file.chunks(update, self.upload.span(number))
        put_chunks(self.api.http, presigned, chunks, self.upload.length(number), f"part {number}")

    def _retry(self, attempt: Callable[[], _T], action: str, stop: Stop) -> _T:
        def note(text: str) -> None:
            stop.check()  # after the command has ended, a thread must not print
            self.progress.note(text)

        return retry_with_backoff(attempt, action, note, self.sleep or stop.sleep)


def _batches(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield the numbers in order, in batches small enough that every thread gets one."""
    step = max(min(PRESIGN_BATCH, len(numbers) // THREADS), 1)
    for start in range(0, len(numbers), step):
        yield numbers[start : start + step]
