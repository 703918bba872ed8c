"""Streams of compressed members: gzip, bzip2, xz, and zstd, which calls them frames.

Members may follow one another. White space and zeros between and behind them are passed over, any other byte
there is damage.
"""

import bz2
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pyarrow as pa

from chalicelib.core.errors import JobFailed
from chalicelib.core.warnings import FileWarning
from chalicelib.reading.bounded import (
    MOST_IN,
    MOST_OUT,
    MOST_WINDOW,
    Portions,
    decompressed,
    too_large_window,
)
from chalicelib.reading.excerpts import printable_bytes
from chalicelib.reading.pieces import joined
from chalicelib.reading.zstd_frames import frame

BLANKS = b"\0 \t\n\v\f\r"
_RUN_OF_BLANKS = re.compile(rb"[\0 \t\n\v\f\r]++")
_EXCERPT = 20  # bytes
_XZ_MEMORY = MOST_WINDOW + (2 << 20)  # bytes: a window, and what belongs to it


class Inflater:
    """Adapt zlib's decompressor to the interface of the others.

    Of a gzip member it checks the CRC and the length; ``raw`` data has neither.
    """

    def __init__(self, *, raw: bool = False) -> None:
        self._inner = zlib.decompressobj(wbits=-zlib.MAX_WBITS if raw else zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        """The bytes behind the member."""
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        """Whether there is nothing more to decompress."""
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
        """Return up to ``max_length`` bytes."""
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


class _Kind(NamedTuple):
    magic_size: int
    magic: re.Pattern[bytes]
    member: Callable[[Portions], Iterator[bytes]]  # remove the one that begins here, and yield its content


KINDS = {
    "gzip": _Kind(3, re.compile(rb"\x1f\x8b\x08"), lambda file: decompressed(Inflater(), file)),
    # followed by a block, or by the end of a stream without blocks
    "bzip2": _Kind(
        10,
        re.compile(rb"BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)", re.DOTALL),
        lambda file: decompressed(bz2.BZ2Decompressor(), file),
    ),
    "xz": _Kind(
        6,
        re.compile(rb"\xfd7zXZ\0"),
        lambda file: decompressed(lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY), file),
    ),
    "zstd": _Kind(4, re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", re.DOTALL), frame),
}


def begins(kind: str, head: bytes) -> bool:
    """Return whether a file with that head begins with a member of that kind."""
    return KINDS[kind].magic.match(head) is not None


def content(kind: str, chunks: Iterator[bytes], tell: Callable[[FileWarning], None]) -> Iterator[bytes]:
    """Yield the content of all members in order, in pieces of up to MOST_OUT bytes; some are empty.

    ``chunks`` are the bytes of the file, up to MOST_IN each. ``tell`` is called if bytes between or behind
    members were passed over. Raises JobFailed for bytes that are neither blank nor a member, and for members
    that need too much memory; EOFError if the last member is cut short, and the errors of the decompressors.
    """
    members = _members(kind, Portions(chunks), tell)
    return _unframed(members) if kind == "zstd" else members


def _members(kind: str, file: Portions, tell: Callable[[FileWarning], None]) -> Iterator[bytes]:
    blanks, first = 0, b""
    while True:
        for some in file.matching(_RUN_OF_BLANKS):
            blanks += len(some)
            first = (first + some[: _EXCERPT + 1])[: _EXCERPT + 1]
        if not (head := file.look(KINDS[kind].magic_size)):
            break
        if not begins(kind, head):
            raise _not_a_member(kind, file.look(_EXCERPT + 1))
        try:
            yield from KINDS[kind].member(file)
        except lzma.LZMAError as error:
            if "memory usage limit" in str(error).lower():
                raise too_large_window("a large window (dictionary)") from None
            raise
    if blanks:
        tell(FileWarning("bytes-after-archive", blanks, 0, printable_bytes(first, _EXCERPT)))


def _not_a_member(kind: str, rest: bytes) -> JobFailed:
    return JobFailed(
        "corrupt-file",
        f"Bytes that are not {kind} data follow the end of the compressed data: "
        f"“{printable_bytes(rest, _EXCERPT)}”. Was the file damaged, or something appended to it?",
    )


def _unframed(frames: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress zstd frames. Arrow holds a window and little more: :mod:`zstd_frames` bounds windows."""
    stream = pa.CompressedInputStream(pa.PythonFile(_Readable(joined(frames, MOST_IN)), "r"), "zstd")
    while piece := stream.read(MOST_OUT):
        yield piece


class _Readable(io.RawIOBase):
    """Pieces as a readable file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._portions = Portions(pieces)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        return self._portions.take(MOST_IN if size < 0 else size)
