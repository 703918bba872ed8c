"""The directory of a zip archive (PKWARE's APPNOTE.TXT), which stands at its end.

It is read as a whole, so it is bounded: one that is larger is refused before it is read. What it says is
believed only as far as the archive bears it out.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from chalicelib.core.errors import JobFailed

MOST_ENTRIES = 10_000
MOST_BYTES = 4 << 20  # of the directory

_TAIL = 1 << 17  # bytes: the end's record with the longest comment (64 KiB), and blanks behind it
_BLANKS = b"\0 \t\n\v\f\r"
_END = struct.Struct("<4xHHHHLLH")
_END_MAGIC = b"PK\x05\x06"
_LOCATOR = struct.Struct("<4s4xQL")
_LOCATOR_MAGIC = b"PK\x06\x07"
_END_64 = struct.Struct("<4s20xQQQQ")
_END_64_MAGIC = b"PK\x06\x06"
_ENTRY = struct.Struct("<4s4xHH4xLLLHHH8xL")
_ENTRY_MAGIC = b"PK\x01\x02"
_EXTRA = struct.Struct("<HH")
_SIZES_64 = 1  # the id of the extra field with sizes of 64 bits
_IN_EXTRA = 0xFFFF_FFFF  # in place of such a size
_UTF8_NAME = 1 << 11


class DamagedError(Exception):
    """The archive is damaged, incomplete, or contradicts itself."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the directory says about a file, or a folder. Sizes in bytes."""

    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed_size: int
    size: int
    offset: int  # of its header in the archive

    @property
    def name(self) -> str:
        """The name; what is not valid in it is replaced."""
        encoding = "utf-8" if self.flags & _UTF8_NAME else "cp437"
        return self.raw_name.split(b"\0", 1)[0].decode(encoding, "replace")

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder, which has no content."""
        return self.raw_name.endswith(b"/") and not self.size


class Directory(NamedTuple):
    """The directory of an archive."""

    entries: tuple[Entry, ...]
    start: int  # its offset in the archive
    blanks: bytes  # behind the archive


class _End(NamedTuple):
    """The record at the end of the directory."""

    entries: int
    size: int  # of the directory
    start: int  # of the directory
    at: int  # where the directory ends
    blanks: bytes


def read_directory(size: int, read: Callable[[int, int], Iterator[bytes]]) -> Directory:
    """Return the directory of an archive of ``size`` bytes. ``read(start, end)`` yields some of them.

    Raises JobFailed for more than MOST_ENTRIES entries or MOST_BYTES, DamagedError.
    """
    end = _find_end(size, read)
    if end.entries > MOST_ENTRIES or end.size > MOST_BYTES:
        raise JobFailed(
            "unsupported-format",
            f"The zip archive has {end.entries:,} entries in a directory of {end.size:,} bytes; Sluice looks "
            f"at up to {MOST_ENTRIES:,} in {MOST_BYTES:,} bytes. Upload the file with the data itself.",
        )
    if end.start + end.size != end.at:
        before = end.at - end.size - end.start
        what = "its directory is not where it should be"
        raise DamagedError(f"{before:,} bytes come before the archive" if before > 0 else what)
    data = b"".join(read(end.start, end.at))
    if len(data) != end.size:
        raise DamagedError("its directory cannot be read")
    return Directory(tuple(_entries(data, end.entries)), end.start, end.blanks)


def _find_end(size: int, read: Callable[[int, int], Iterator[bytes]]) -> _End:
    tail_start = max(size - _TAIL, 0)
    tail = b"".join(read(tail_start, size))
    text_end = len(tail.rstrip(_BLANKS))
    at = len(tail)
    while (at := tail.rfind(_END_MAGIC, 0, at)) >= 0:
        if at + _END.size > len(tail):
            continue
        disk, _, _, entries, directory_size, start, comment = _END.unpack_from(tail, at)
        behind = at + _END.size + comment
        if text_end <= behind <= len(tail):  # a comment may hold what looks like another end
            break
    else:
        raise DamagedError("the end of its directory is missing")
    blanks, position = tail[behind:], tail_start + at
    locator = at - _LOCATOR.size
    if locator >= 0 and tail.startswith(_LOCATOR_MAGIC, locator):
        return _large_end(_LOCATOR.unpack_from(tail, locator), tail_start + locator, blanks, read)
    if disk:
        raise _split()
    return _End(entries, directory_size, start, position, blanks)


def _large_end(
    locator: tuple[bytes, int, int],
    locator_at: int,
    blanks: bytes,
    read: Callable[[int, int], Iterator[bytes]],
) -> _End:
    """Return the end of an archive with numbers of 64 bits."""
    _, at, disks = locator
    if disks > 1:
        raise _split()
    record = b"".join(read(at, at + _END_64.size)) if at + _END_64.size <= locator_at else b""
    if not record.startswith(_END_64_MAGIC) or len(record) != _END_64.size:
        raise DamagedError("the end of its directory is not where it should be")
    _, _, entries, size, start = _END_64.unpack(record)
    return _End(entries, size, start, at, blanks)


def _split() -> JobFailed:
    return JobFailed(
        "unsupported-format",
        "The file is one part of a zip archive that is split over several. "
        "Upload the file with the data itself.",
    )


def _entries(data: bytes, count: int) -> Iterator[Entry]:
    """Yield the entries of a directory. Raises DamagedError."""
    at = 0
    for _ in range(count):
        if at + _ENTRY.size > len(data) or not data.startswith(_ENTRY_MAGIC, at):
            raise DamagedError("its directory holds fewer entries than it says")
        _, flags, method, crc, packed, size, *lengths, offset = _ENTRY.unpack_from(data, at)
        name_size, extra_size, comment_size = lengths
        at += _ENTRY.size
        name, extra = data[at : at + name_size], data[at + name_size : at + name_size + extra_size]
        at += name_size + extra_size + comment_size
        sizes = _large_sizes(extra, (size, packed, offset))
        yield Entry(name, flags, method, crc, sizes[1], sizes[0], sizes[2])
    if at != len(data):
        raise DamagedError("its directory does not end with its last entry")


def _large_sizes(extra: bytes, sizes: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the size, the packed size and the offset of an entry, those of 64 bits from its extra fields."""
    if _IN_EXTRA not in sizes:
        return sizes
    numbers = [*_numbers_64(extra)]
    if len(numbers) < sizes.count(_IN_EXTRA):
        raise DamagedError("its directory does not say how large a file is")
    size, packed, offset = (numbers.pop(0) if it == _IN_EXTRA else it for it in sizes)
    return size, packed, offset


def _numbers_64(extra: bytes) -> tuple[int, ...]:
    """Return the numbers of 64 bits in the extra fields of an entry."""
    at = 0
    while at + _EXTRA.size <= len(extra):
        kind, length = _EXTRA.unpack_from(extra, at)
        at += _EXTRA.size
        if kind == _SIZES_64:
            count = min(length, len(extra) - at) // 8
            return struct.unpack_from(f"<{count}Q", extra, at)
        at += length
    return ()
