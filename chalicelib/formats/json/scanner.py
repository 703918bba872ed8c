"""Walk through JSON text that arrives in pieces and may be of any size; keep nothing that is passed over."""

import json
import re
from collections.abc import Iterator

from chalicelib.formats.json.units import NEAR, PIECE, Nesting, container_end, ends_in_escape, space_end
from chalicelib.reading.lines import count_lines
from chalicelib.reading.patterns import repeated

LONGEST_NAME = 1 << 14  # bytes of a name that is kept; a pointer has 1,000 characters, up to 12 bytes each

_STRING_PART = re.compile(rb'[^"\\]*+' + repeated(rb'\\.[^"\\]*+'), re.DOTALL)
_SCALAR_PART = re.compile(rb'[^"\\{\[,\]} \t\n\r:]*+')


class EndOfTextError(Exception):
    """The text ends within a value."""


class Scanner:
    """Walk through the text from value to value.

    ``pieces`` begin where a value does; ``offset``: the number of bytes before them in the text.
    ``limit``: the text counts as ended once so many bytes of it have been read; None: it does not.
    """

    def __init__(self, pieces: Iterator[bytes], offset: int = 0) -> None:
        self._pieces = pieces
        self._data = b""
        self._at = 0
        self._before = offset  # bytes before ``_data``
        self._lines = 0  # before ``_data``
        self.limit: int | None = None

    @property
    def offset(self) -> int:
        """Return where the scanner stands, in bytes of the text."""
        return self._before + self._at

    @property
    def end(self) -> int:
        """Return how much of the text has been read, in bytes."""
        return self._before + len(self._data)

    @property
    def line(self) -> int:
        """Return how many lines of the pieces lie before the scanner."""
        return self._lines + count_lines(self._data[: self._at])

    def peek(self) -> bytes:
        """Pass over white space; return the next byte, or nothing at the end of the text."""
        while True:
            self._at = space_end(self._data, self._at, len(self._data))
            if self._at < len(self._data):
                return self._data[self._at : self._at + 1]
            if not self._read_more():
                return b""

    def take(self) -> None:
        """Pass over the next byte, which was peeked at."""
        self._at += 1

    def rest(self) -> Iterator[bytes]:
        """Yield the pieces of the text from here on."""
        yield self._data[self._at :]
        self._data, self._at = b"", 0
        yield from self._pieces

    def name(self) -> bytes:
        """Return the string that begins here, with its quotes, without passing over it.

        It is empty if the string is longer than LONGEST_NAME. Raises EndOfTextError.
        """
        while True:
            end = _STRING_PART.match(self._data, self._at + 1, self._at + LONGEST_NAME)
            stop = end.end() if end else self._at + 1
            if self._data[stop : stop + 1] == b'"':
                return self._data[self._at : stop + 1]
            if len(self._data) - self._at >= LONGEST_NAME:
                return b""
            if not self._read_more():
                raise EndOfTextError

    def skip_value(self) -> None:
        """Pass over the value that begins here. Raises EndOfTextError."""
        first = self.peek()
        if not first:
            raise EndOfTextError
        if first in (b"{", b"["):
            self._skip_container()
        elif first == b'"':
            self.skip_string()
        else:
            self._skip_scalar()

    def skip_string(self) -> None:
        """Pass over the string that begins here. Raises EndOfTextError."""
        self._at += 1
        while True:
            if part := _STRING_PART.match(self._data, self._at):
                self._at = part.end()
            if self._data[self._at : self._at + 1] == b'"':
                self._at += 1
                return
            if not self._read_more():  # a backslash at the end of the piece is still there
                raise EndOfTextError

    def _skip_scalar(self) -> None:
        """Pass over a number or a literal, or anything else that stands for one."""
        while True:
            if part := _SCALAR_PART.match(self._data, self._at):
                self._at = part.end()
            if self._at < len(self._data) or not self._read_more():
                return

    def _skip_container(self) -> None:
        end = container_end(self._data, self._at, min(self._at + NEAR, len(self._data)))
        if end is not None:
            self._at = end
            return
        nesting, size = Nesting(), NEAR
        while True:
            piece = self._data[self._at : self._at + size]
            escapes = int(ends_in_escape(piece))
            if escapes:  # look at it with the byte after it
                piece = piece[:-1]
            length = nesting.closed_after(piece)
            if length is not None:
                self._at += length
                return
            self._at += len(piece)
            if len(self._data) - self._at == escapes and not self._read_more():
                raise EndOfTextError
            size = min(4 * size, PIECE)

    def _read_more(self) -> bool:
        """Drop what was passed over and append the next piece; return False at the end of the text."""
        if self.limit is not None and self._before + len(self._data) >= self.limit:
            return False
        piece = next(self._pieces, None)
        if piece is None:
            return False
        passed, kept = self._data[: self._at], self._data[self._at :]
        self._data, self._at = kept + piece, 0
        self._before += len(passed)
        self._lines += count_lines(passed)
        if passed.endswith(b"\r") and self._data.startswith(b"\n"):
            self._lines -= 1  # both bytes of a CRLF were counted, or will be
        return True


def text_of(name: bytes) -> str | None:
    """Return the text of a JSON string with its quotes; None if it is not valid."""
    try:
        return str(json.loads(name.decode()))
    except ValueError:
        return None
