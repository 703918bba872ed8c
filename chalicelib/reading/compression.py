"""Compressed files: detect the compression from the first bytes, and decompress the content as a stream.

Memory is bounded, whatever a file claims. A stream that is damaged or ends early is an error, and so is one
that grows far beyond the size of the file (a bomb).
"""

import bz2
import io
import lzma
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from chalicelib.core.errors import JobFailed

_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"),
)
_PIECE = 4 << 20  # bytes that are decompressed at a time
_XZ_MEMORY = 256 << 20  # bytes; `xz -9` needs 65 MiB
_DAMAGE = (zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, OSError, EOFError)


@dataclass(frozen=True)
class DecompressionLimits:
    """DecompressionLimits beyond which a compressed file is refused as a bomb."""

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
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)


def decompress(
    kind: str, size: int, read: Callable[[int, int], Iterator[bytes]], limits: DecompressionLimits
) -> Iterator[bytes]:
    """Yield the content of a compressed file in pieces of up to 4 MiB.

    ``read(start, end)`` yields bytes of the file, which has ``size`` bytes. Raises JobFailed for a file
    that is damaged, ends early, passes a limit, or is a zip archive that does not hold exactly one file.
    """
    bytes_read = content_size = 0

    def count(chunks: Iterator[bytes]) -> Iterator[bytes]:
        nonlocal bytes_read
        for chunk in chunks:
            bytes_read += len(chunk)
            yield chunk

    try:
        if kind == "zip":
            pieces = _zip(_RandomAccessFile(size, lambda start, end: b"".join(count(read(start, end)))))
        elif kind == "zstd":
            pieces = _zstd(count(read(0, size)))
        else:
            pieces = _members(count(read(0, size)), _DECOMPRESSORS[kind])
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


class _Decompressor(Protocol):
    """The common interface of the standard library's decompressors."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


class _Gzip:
    """Adapt zlib's decompressor to the interface of the others. It checks each member's CRC and length."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = 0) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


_DECOMPRESSORS: dict[str, Callable[[], _Decompressor]] = {
    "gzip": _Gzip,
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY),
}


def _members(chunks: Iterator[bytes], new: Callable[[], _Decompressor]) -> Iterator[bytes]:
    """Yield all members of a file in order; zeros may follow each (RFC 1952, gzip and xz manuals)."""
    member: _Decompressor | None = None
    for chunk in chunks:
        data = chunk
        while data or (member is not None and not member.needs_input and not member.eof):
            if member is None:
                data = data.lstrip(b"\0")
                if not data:
                    break
                member = new()
            yield member.decompress(data, _PIECE)
            data = b""
            if member.eof:
                data, member = member.unused_data, None
    if member is not None:
        raise EOFError("the file ends in the middle")


def _zstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    stream = pa.CompressedInputStream(pa.PythonFile(_Readable(chunks), "r"), "zstd")
    while piece := stream.read(_PIECE):
        yield piece


class _Readable(io.RawIOBase):
    """Chunks as a readable file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if not self._rest:
            self._rest = next(self._chunks, b"")
        size = len(self._rest) if size < 0 else size
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def _zip(file: "_RandomAccessFile") -> Iterator[bytes]:
    archive = zipfile.ZipFile(io.BufferedReader(file, _PIECE))
    names = [entry.filename for entry in archive.infolist()]
    if "[Content_Types].xml" in names:
        raise JobFailed(
            "unsupported-format",
            "The file is an Excel workbook. Save the sheet as CSV UTF-8 and upload that.",
        )
    members = [
        entry
        for entry in archive.infolist()
        if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
    ]
    if len(members) != 1:
        raise JobFailed(
            "unsupported-format", f"The zip archive holds {len(members)} files. Upload each on its own."
        )
    if members[0].flag_bits & 1:
        raise JobFailed("unsupported-format", "The zip archive is encrypted. Upload the file itself.")
    with archive.open(members[0]) as member:
        while piece := member.read(_PIECE):
            yield piece


class _RandomAccessFile(io.RawIOBase):
    """A seekable file over a function that reads ranges of it."""

    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self._size, self._read, self._at = size, read, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, target: memoryview, /) -> int:  # type: ignore[override]
        end = min(self._at + len(target), self._size)
        if end <= self._at:
            return 0
        data = self._read(self._at, end)
        target[: len(data)] = data
        self._at = end
        return len(data)
