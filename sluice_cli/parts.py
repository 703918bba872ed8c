"""Sending a file in parts: several at once, each tried again by itself, none that S3 has already."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TypeVar

import httpx

from sluice_cli.api import Api
from sluice_cli.documents import Job
from sluice_cli.errors import WrongInput
from sluice_cli.retry import retried
from sluice_cli.text import safe
from sluice_cli.threads import Stop, in_threads
from sluice_cli.tickets import PartedUpload, StoredPart, Target
from sluice_cli.upload import Expired, LocalFile, UploadWatcher, put_once

THREADS = 4
BATCH = 8  # parts whose URLs are asked for at once: few, or the last ones expire on a slow line

_T = TypeVar("_T")


def missing(upload: PartedUpload, file: LocalFile, stored: Sequence[StoredPart]) -> list[int]:
    """The numbers of the parts that are to be sent still, in order.

    A part that S3 has without a checksum is one of them: what is in it cannot be told. Raises WrongInput if
    ``file`` is not the one that the upload was begun with.
    """
    if file.size != upload.size:
        sizes = f"it has {file.size:,} bytes, and that one {upload.size:,}"
        raise _another(file, sizes)
    checksums = {
        part.number: part.sha256
        for part in stored
        if part.sha256 and part.number in upload.numbers and part.size == upload.length(part.number)
    }

    def check(number: int, stop: Stop) -> None:
        if file.sha256(upload.span(number), lambda _: stop.check()) != checksums[number]:
            raise _another(file, f"part {number} has other bytes")

    in_threads(checksums, check, threads=THREADS)
    return [number for number in upload.numbers if number not in checksums]


def _another(file: LocalFile, difference: str) -> WrongInput:
    return WrongInput(
        f"{safe(file.path)} is not the file that the upload was begun with: {difference}.",
        hint="Give the file as it was then, or upload this one without --resume.",
    )


class Tally:
    """Sums what several threads send, and tells it to a watcher that only one at a time may talk to."""

    def __init__(self, watcher: UploadWatcher, already: int) -> None:
        self._watcher = watcher
        self._sum = already
        self._parts: dict[int, int] = {}
        self._lock = Lock()

    def sent(self, number: int, count: int) -> None:
        """So many bytes of a part have been sent by now; fewer than before when it began again."""
        with self._lock:
            self._sum += count - self._parts.get(number, 0)
            self._parts[number] = count
            self._watcher.sent(self._sum)

    def note(self, text: str) -> None:
        """Something out of the ordinary happened."""
        with self._lock:
            self._watcher.note(text)


@dataclass(frozen=True)
class PartSender:
    """Sends the parts of one file. ``sleep`` is only for tests: it takes the place of all waits."""

    api: Api
    client: httpx.Client
    upload: PartedUpload
    file: LocalFile
    tally: Tally
    sleep: Callable[[float], None] | None = None

    def send(self, numbers: Sequence[int]) -> Job:
        """Send the parts with these numbers, then complete the upload; the job as it is then.

        What may succeed in a moment is tried again a few times. Raises WrongInput if the file changes
        meanwhile, Trouble when S3 does not take a part, and what Api raises.
        """
        in_threads(_batches(numbers), self._send_batch, threads=THREADS)
        self.file.must_be_unchanged()
        complete = partial(self.api.complete, self.upload.job_id)
        return retried(complete, "Trying again", self.tally.note, self.sleep or time.sleep)

    def _send_batch(self, numbers: Sequence[int], stop: Stop) -> None:
        checksums = {number: self._checksum(number, stop) for number in numbers}
        ask = partial(self.api.part_targets, self.upload.job_id, checksums)
        targets = self._retried(ask, "Trying again", stop)
        for number in numbers:
            self._send_part(number, checksums[number], targets[number], stop)

    def _checksum(self, number: int, stop: Stop) -> str | None:
        if not self.upload.checksums:
            return None
        return self.file.sha256(self.upload.span(number), lambda _: stop.check())

    def _send_part(self, number: int, checksum: str | None, given: Target, stop: Stop) -> None:
        target: Target | None = given

        def attempt() -> None:
            nonlocal target
            if target is None or target.expired:
                target = self.api.part_targets(self.upload.job_id, {number: checksum})[number]
            try:
                self._put(number, target, stop)
            except Expired as error:
                target = None
                error.transient = True
                raise

        self._retried(attempt, f"Sending part {number} again", stop)

    def _put(self, number: int, target: Target, stop: Stop) -> None:
        def sent(count: int) -> None:
            stop.check()
            self.tally.sent(number, count)

        sent(0)
        chunks = self.file.chunks(sent, self.upload.span(number))
        put_once(self.client, target, chunks, self.upload.length(number), f"part {number}")

    def _retried(self, attempt: Callable[[], _T], again: str, stop: Stop) -> _T:
        def note(text: str) -> None:
            stop.check()  # nothing is said any more when the command has ended
            self.tally.note(text)

        return retried(attempt, again, note, self.sleep or stop.sleep)


def _batches(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """The numbers in order, a few at a time, so that no thread is left without any."""
    step = max(min(BATCH, len(numbers) // THREADS), 1)
    for start in range(0, len(numbers), step):
        yield numbers[start : start + step]
