"""Streams of compressed members: gzip, bzip2, xz, and zstd, which calls them frames.

Members may follow one another. White space and zeros between and behind them are passed over, any other byte
there is damage.
"""

import bz2
import io
import lzma
import re
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple, Protocol

import pyarrow as pa

from chalicelib.core.errors import JobFailed
from chalicelib.core.warnings import FileWarning
from chalicelib.reading.excerpts import printable_bytes

_PIECE = 4 << 20  # bytes that are decompressed at a time
_XZ_MEMORY = 256 << 20  # bytes; `xz -9` needs 65 MiB
_BLANKS = b"\0 \t\n\v\f\r"
_EXCERPT = 20  # bytes


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


class _Zstd:
    """Find the end of a zstd frame (RFC 8878) and pass its bytes on: Arrow decompresses whole streams."""

    def __init__(self) -> None:
        self.eof = False
        self.unused_data = b""
        self.needs_input = True
        self._fields = self._walk()
        self._field = b""  # as much of the next field as has arrived
        self._missing = next(self._fields)  # bytes of the next field; negative: to be passed over

    def decompress(self, data: bytes, max_length: int = 0) -> bytes:  # noqa: ARG002 - as long as the data
        """Return the bytes of ``data`` that belong to the frame."""
        at = 0
        while not self.eof and (at < len(data) or not self._missing):
            step = min(abs(self._missing), len(data) - at)
            if self._missing < 0:
                self._missing += step
            else:
                self._field += data[at : at + step]
                self._missing -= step
            at += step
            if not self._missing:
                self._next_field()
        self.unused_data = data[at:]
        return data[:at]

    def _next_field(self) -> None:
        try:
            self._missing = self._fields.send(self._field)
        except StopIteration:
            self.eof = True
        self._field = b""

    def _walk(self) -> "_Fields":
        """Yield the size of each field, negative if its content does not matter; get the content."""
        magic = yield 4
        if magic[:1] != b"\x28":  # a frame to skip
            yield -int.from_bytes((yield 4), "little")
            return
        (descriptor,) = yield 1
        is_single = bool(descriptor & 0x20)
        content_size = (int(is_single), 2, 4, 8)[descriptor >> 6]
        yield -((not is_single) + (0, 1, 2, 4)[descriptor & 3] + content_size)
        is_last = False
        while not is_last:
            header = int.from_bytes((yield 3), "little")
            is_last = bool(header & 1)
            is_repeated_byte = header >> 1 & 3 == 1
            yield -(1 if is_repeated_byte else header >> 3)
        yield -4 if descriptor & 4 else 0  # the checksum


_Fields = Generator[int, bytes, None]


class _Kind(NamedTuple):
    magic_size: int
    magic: re.Pattern[bytes]
    new: Callable[[], _Decompressor]


KINDS = {
    "gzip": _Kind(3, re.compile(rb"\x1f\x8b\x08"), _Gzip),
    # followed by a block, or by the end of a stream without blocks
    "bzip2": _Kind(
        10, re.compile(rb"BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)", re.DOTALL), bz2.BZ2Decompressor
    ),
    "xz": _Kind(
        6,
        re.compile(rb"\xfd7zXZ\0"),
        lambda: lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY),
    ),
    "zstd": _Kind(4, re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", re.DOTALL), _Zstd),
}


def begins(kind: str, head: bytes) -> bool:
    """Return whether a file with that head begins with a member of that kind."""
    return KINDS[kind].magic.match(head) is not None


def content(kind: str, chunks: Iterator[bytes], tell: Callable[[FileWarning], None]) -> Iterator[bytes]:
    """Yield the content of all members in order, in pieces of up to 4 MiB.

    ``chunks`` are the bytes of the file. ``tell`` is called if bytes between or behind members were passed
    over. Raises JobFailed for bytes that are neither blank nor a member, EOFError if the last member is cut
    short, and the errors of the decompressors.
    """
    members = _members(kind, chunks, tell)
    if kind != "zstd":
        yield from members
        return
    stream = pa.CompressedInputStream(pa.PythonFile(_Readable(members), "r"), "zstd")
    while piece := stream.read(_PIECE):
        yield piece


def _members(kind: str, chunks: Iterator[bytes], tell: Callable[[FileWarning], None]) -> Iterator[bytes]:
    between = _Between(kind)
    member: _Decompressor | None = None
    for chunk in chunks:
        data = chunk
        while data or (member is not None and not member.needs_input and not member.eof):
            if member is None:
                data = between.pass_over(data)
                if not data:
                    break
                member = KINDS[kind].new()
            yield member.decompress(data, _PIECE)
            data = b""
            if member.eof:
                data, member = member.unused_data, None
    if member is not None:
        raise EOFError("the file ends in the middle")
    between.end()
    if between.count:
        excerpt = printable_bytes(between.first, _EXCERPT)
        tell(FileWarning("bytes-after-archive", between.count, 0, excerpt))


class _Between:
    """The bytes between and behind the members of a file."""

    def __init__(self, kind: str) -> None:
        self.count = 0  # of the blank bytes
        self.first = b""  # the first of them
        self._kind = kind
        self._held = b""  # too few bytes to tell whether a member begins

    def pass_over(self, data: bytes) -> bytes:
        """Return the data from the beginning of the next member on, empty if none begins yet.

        Raises JobFailed for data that is neither blank nor a member.
        """
        data = self._held + data
        rest = data if self._held else data.lstrip(_BLANKS)
        self._held = b""
        blanks = data[: len(data) - len(rest)]
        self.count += len(blanks)
        self.first = (self.first + blanks)[: _EXCERPT + 1]
        if len(rest) < KINDS[self._kind].magic_size:
            self._held = rest
            return b""
        if not begins(self._kind, rest):
            self._refuse(rest)
        return rest

    def end(self) -> None:
        """Raise JobFailed if the file ends with bytes that are neither blank nor a member."""
        if self._held:
            self._refuse(self._held)

    def _refuse(self, rest: bytes) -> None:
        excerpt = printable_bytes(rest, _EXCERPT)
        raise JobFailed(
            "corrupt-file",
            f"Bytes that are not {self._kind} data follow the end of the compressed data: “{excerpt}”. "
            "Was the file damaged, or something appended to it?",
        )


class _Readable(io.RawIOBase):
    """Chunks as a readable file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest = chunk
        size = len(self._rest) if size < 0 else size
        data, self._rest = self._rest[:size], self._rest[size:]
        return data
