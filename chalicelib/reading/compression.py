"""Compressed files: detect the compression from the first bytes, and decompress the content as a stream.

Memory is bounded, whatever a file claims, and so is the time of one step: see
:mod:`chalicelib.reading.bounded`. A stream that is damaged or ends early is an error, and so is one that
grows far beyond the size of the file (a bomb).
"""

import lzma
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chalicelib import interruption
from chalicelib.core.errors import JobFailed
from chalicelib.core.warnings import FileWarning
from chalicelib.reading import members, zip_archive
from chalicelib.reading.bounded import MOST_IN
from chalicelib.reading.pieces import joined, sliced
from chalicelib.reading.zip_directory import DamagedError

_PIECE = 2 << 20  # bytes: how much is yielded at a time
_DAMAGE = (zlib.error, lzma.LZMAError, DamagedError, OSError, EOFError)


@dataclass(frozen=True)
class DecompressionLimits:
    """Limits beyond which a compressed file is refused as a bomb."""

    size: int  # bytes of content
    ratio: int  # bytes of content for each byte of the file, on the whole
    seconds: float  # for reading and decompressing, without the time in which the content is used
    free: int = 64 << 20  # bytes of content before the ratio counts

    def check(self, bytes_read: int, size: int, seconds: float) -> None:
        """Check bytes read, size of the content, and seconds. Raises JobFailed beyond a limit."""
        if seconds > self.seconds:
            raise JobFailed(
                "compression-bomb", f"Decompressing the file took more than {self.seconds:,.0f} seconds."
            )
        if size > self.size:
            raise JobFailed("file-too-large", f"Decompressed, the file has more than {self.size:,} bytes.")
        if size > self.free and size > bytes_read * self.ratio:
            raise JobFailed(
                "compression-bomb",
                f"Decompressed, the file is more than {self.ratio} times as large. Reading stopped there.",
            )


def kind_of(head: bytes) -> str | None:
    """Return the compression of a file with that head; None if it is not compressed."""
    if zip_archive.is_zip(head):
        return "zip"
    return next((kind for kind in members.KINDS if members.begins(kind, head)), None)


def decompress(
    kind: str,
    size: int,
    read: Callable[[int, int], Iterator[bytes]],
    limits: DecompressionLimits,
    tell: Callable[[FileWarning], None],
) -> Iterator[bytes]:
    """Yield the content of a compressed file in pieces of up to 2 MiB.

    ``read(start, end)`` yields bytes of the file, which has ``size`` bytes. ``tell`` is called with what was
    passed over in the file, at the latest when its content ends. Raises JobFailed for a file that is damaged,
    ends early, is followed by other bytes, passes a limit, needs too much memory, or is a zip archive that
    does not hold exactly one file; Interrupted between two steps.
    """
    meter = _Meter(limits)

    def metered(start: int, end: int) -> Iterator[bytes]:
        for chunk in sliced(read(start, end), MOST_IN):
            meter.take_in(chunk)
            yield chunk

    if kind == "zip":
        pieces = zip_archive.content(size, metered, tell)
    else:
        pieces = members.content(kind, metered(0, size), tell)
    try:
        yield from joined(meter.give_out(pieces), _PIECE)
    except _DAMAGE as error:
        raise JobFailed(
            "corrupt-file",
            f"The {kind} file is damaged or incomplete: {meter.size:,} bytes came out of it, then: {error}.",
        ) from error


class _Meter:
    """Measure what goes into a decompressor and comes out, and how long it takes."""

    def __init__(self, limits: DecompressionLimits) -> None:
        self.size = 0  # of the content so far
        self._bytes_read = 0
        self._limits = limits
        self._seconds = 0.0
        self._start = time.monotonic()

    def take_in(self, data: bytes) -> None:
        """Count bytes of the file. Raises JobFailed beyond a limit."""
        self._bytes_read += len(data)
        self._check()

    def give_out(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the pieces, and count them. Raises JobFailed beyond a limit, Interrupted between pieces."""
        self._start = time.monotonic()
        for piece in pieces:
            interruption.check()
            self.size += len(piece)
            self._check()
            if piece:
                self._seconds += time.monotonic() - self._start
                yield piece
                self._start = time.monotonic()

    def _check(self) -> None:
        self._limits.check(self._bytes_read, self.size, self._seconds + time.monotonic() - self._start)
