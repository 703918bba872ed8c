"""Frames of zstd (RFC 8878): find their ends, and refuse those that need too much memory.

Arrow decompresses whole streams of frames. It gets the frames that have content, and nothing else.
"""

from collections.abc import Iterator
from typing import NamedTuple

from chalicelib.core.errors import JobFailed
from chalicelib.reading.bounded import Portions, check_window

_MAGIC = 0x28  # the first byte of a frame that is not to be skipped
_LONGEST_HEADER = 18  # bytes
_EMPTY_BLOCK = b"\1\0\0"  # without content, and the last one
_REPEATED_BYTE = 1  # a type of blocks


def frame(file: Portions) -> Iterator[bytes]:
    """Remove the frame that begins here and yield its bytes; none of one without content.

    Raises EOFError, and JobFailed for a frame that needs too much memory, or a dictionary.
    """
    if file.look(1)[0] != _MAGIC:
        skipped = file.exactly(8)
        for _ in file.several(int.from_bytes(skipped[4:], "little")):
            yield b""
        return
    header = _Header.of(file.look(_LONGEST_HEADER))
    data = file.exactly(header.length)
    if file.look(len(_EMPTY_BLOCK)) == _EMPTY_BLOCK:
        file.exactly(len(_EMPTY_BLOCK) + header.checksum)
        return
    yield data
    is_last = False
    while not is_last:
        data = file.exactly(3)
        yield data
        block = int.from_bytes(data, "little")
        is_last = bool(block & 1)
        yield from file.several(1 if block >> 1 & 3 == _REPEATED_BYTE else block >> 3)
    yield from file.several(header.checksum)


class _Header(NamedTuple):
    """The header of a frame."""

    length: int  # bytes
    checksum: int  # bytes at the end of the frame

    @classmethod
    def of(cls, data: bytes) -> "_Header":
        """Parse the header that ``data`` begins with. Raises JobFailed, EOFError."""
        descriptor = data[4] if len(data) > 4 else 0  # noqa: PLR2004 - behind the magic
        is_single = bool(descriptor & 0x20)  # the window is as long as the content
        dictionary = 4 + 1 + (not is_single)
        content = dictionary + (0, 1, 2, 4)[descriptor & 3]
        end = content + (int(is_single), 2, 4, 8)[descriptor >> 6]
        if len(data) < end:
            raise EOFError("the file ends in the middle")
        size = int.from_bytes(data[content:end], "little")
        check_window(size if is_single else _window(data[5]))
        if any(data[dictionary:content]):
            raise JobFailed(
                "unsupported-compression",
                "The file was compressed with a dictionary, which is not in it. Compress it without one.",
            )
        return cls(end, 4 if descriptor & 4 else 0)


def _window(descriptor: int) -> int:
    """Return the size of a window, in bytes."""
    base = 1 << (10 + (descriptor >> 3))
    return base + base // 8 * (descriptor & 7)
