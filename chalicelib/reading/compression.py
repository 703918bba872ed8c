"""Compressed files: detect the compression from the first bytes, and decompress the content as a stream.

Memory is bounded, whatever a file claims. A stream that is damaged or ends early is an error, and so is one
that grows far beyond the size of the file (a bomb).
"""

import lzma
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chalicelib.core.errors import JobFailed
from chalicelib.core.warnings import FileWarning
from chalicelib.reading import members, zip_archive

_DAMAGE = (zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, OSError, EOFError)


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
    """Yield the content of a compressed file in pieces of up to 4 MiB.

    ``read(start, end)`` yields bytes of the file, which has ``size`` bytes. ``tell`` is called with what was
    passed over in the file, at the latest when its content ends. Raises JobFailed for a file that is damaged,
    ends early, is followed by other bytes, passes a limit, or is a zip archive that does not hold exactly one
    file.
    """
    bytes_read = content_size = 0

    def count(chunks: Iterator[bytes]) -> Iterator[bytes]:
        nonlocal bytes_read
        for chunk in chunks:
            bytes_read += len(chunk)
            yield chunk

    try:
        if kind == "zip":
            pieces = zip_archive.content(size, lambda start, end: b"".join(count(read(start, end))), tell)
        else:
            pieces = members.content(kind, count(read(0, size)), tell)
        start, seconds = time.monotonic(), 0.0
        for piece in pieces:
            content_size += len(piece)
            seconds += time.monotonic() - start
            limits.check(bytes_read, content_size, seconds)
            yield piece
            start = time.monotonic()
    except _DAMAGE as error:
        raise JobFailed(
            "corrupt-file",
            f"The {kind} file is damaged or incomplete: "
            f"{content_size:,} bytes came out of it, then: {error}.",
        ) from error
