"""Decompress in steps of bounded cost: little goes into one call of a decompressor, and little comes out.

A decompressor gives back what lies behind the end of its member as a copy. So a member gets a small portion
first and larger ones only as it turns out to be longer: what is copied stays in proportion to what is read,
however small and many the members are.
"""

import re
from collections.abc import Iterator
from typing import Protocol

from chalicelib.core.errors import JobFailed

MOST_OUT = 1 << 20  # bytes out of one call of a decompressor
MOST_IN = 1 << 16  # bytes into one call, and the longest chunk that Portions should get
# Bytes: how far back compressed data may refer. A decompressor holds as much of what came out. `xz -9` has
# 64 MiB, `zstd -19` 8 MiB.
MOST_WINDOW = 64 << 20

_FIRST_IN = 1 << 8  # bytes into the first call for a member
_GROWTH = 4
_CUT_SHORT = "the file ends in the middle"


class Decompressor(Protocol):
    """The common interface of the standard library's decompressors."""

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""

    @property
    def unused_data(self) -> bytes:
        """The bytes behind the member, of the last that went in."""

    @property
    def needs_input(self) -> bool:
        """Whether more has to go in before more comes out."""

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes:
        """Return up to ``max_length`` bytes of content; ``data``: more bytes of the file."""


class Portions:
    """The bytes of a file in portions. What a member has left of one is put back, and not copied for that."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk = b""
        self._at = 0

    def take(self, most: int) -> bytes:
        """Remove up to ``most`` bytes and return them; none at the end of the file."""
        if not self._fill():
            return b""
        data = self._chunk[self._at : self._at + most]
        self._at += len(data)
        return data

    def put_back(self, count: int) -> None:
        """Put the last ``count`` bytes back that were taken last."""
        self._at -= count

    def exactly(self, size: int) -> bytes:
        """Remove ``size`` bytes, a few, and return them. Raises EOFError if the file has fewer."""
        data = self.look(size)
        if len(data) < size:
            raise EOFError(_CUT_SHORT)
        self._at += size
        return data

    def several(self, size: int) -> Iterator[bytes]:
        """Remove ``size`` bytes and yield them. Raises EOFError if the file has fewer."""
        while size:
            data = self.take(min(size, MOST_IN))
            if not data:
                raise EOFError(_CUT_SHORT)
            size -= len(data)
            yield data

    def look(self, size: int) -> bytes:
        """Return the next ``size`` bytes without removing them; fewer at the end of the file."""
        while len(self._chunk) - self._at < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._chunk, self._at = self._chunk[self._at :] + chunk, 0
        return self._chunk[self._at : self._at + size]

    def matching(self, pattern: re.Pattern[bytes]) -> Iterator[bytes]:
        """Remove the bytes that match the pattern and yield them. It decides on each byte by itself."""
        while self._fill():
            match = pattern.match(self._chunk, self._at)
            if match is None or not match[0]:
                return
            self._at = match.end()
            yield match[0]

    def rest(self) -> Iterator[bytes]:
        """Remove all bytes and yield them."""
        while data := self.take(MOST_IN):
            yield data

    def _fill(self) -> bool:
        """Return whether bytes are left, after getting the next chunk if need be."""
        while self._at == len(self._chunk):
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self._chunk, self._at = chunk, 0
        return True


def decompressed(decompressor: Decompressor, file: Portions, most: int | None = None) -> Iterator[bytes]:
    """Yield the content of the member that begins here, in pieces of up to MOST_OUT bytes; some are empty.

    ``most``: stop after so many bytes of content, even if the member goes on. Raises EOFError if the file
    ends before the member does, and the errors of the decompressor.
    """
    portion, count = _FIRST_IN, 0
    may_have_more = False  # to give out, without input
    while not decompressor.eof and (most is None or count < most):
        data = b""
        if decompressor.needs_input and not may_have_more:
            data = file.take(portion)
            if not data:
                raise EOFError(_CUT_SHORT)
            portion = min(portion * _GROWTH, MOST_IN)
        limit = MOST_OUT if most is None else min(MOST_OUT, most - count)
        piece = decompressor.decompress(data, limit)
        count += len(piece)
        may_have_more = len(piece) == limit
        yield piece
    if decompressor.eof:
        file.put_back(len(decompressor.unused_data))


def check_window(size: int) -> None:
    """Raise JobFailed if a decompressor would have to hold more than MOST_WINDOW bytes of content."""
    if size > MOST_WINDOW:
        raise too_large_window(f"a window (dictionary) of {size / (1 << 20):,.0f} MiB")


def too_large_window(what: str) -> JobFailed:
    """Return the failure of a job whose file needs too much memory; ``what`` it was compressed with."""
    return JobFailed(
        "unsupported-compression",
        f"The file was compressed with {what}; Sluice reads files with up to {MOST_WINDOW >> 20} MiB. "
        "Compress it with a lower level, or without a setting for long distances.",
    )
