"""Reads CSV records byte by byte: the slow specification of what is regular under rules 2.

See :mod:`chalicelib.formats.csv.grammar` for the rule in words.
"""

from dataclasses import dataclass

from chalicelib.core.model import BLANKS, Dialect

MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Line:
    """A regular record, or a blank line or comment (no cells)."""

    start: int
    end: int
    cells: tuple[bytes, ...]


class NotRegularError(Exception):
    """The record at ``start`` is not regular; ``at`` is the first byte that cannot stand there."""

    def __init__(self, start: int, at: int) -> None:
        super().__init__(start, at)
        self.start = start
        self.at = at


def read(data: bytes, dialect: Dialect) -> tuple[list[Line], NotRegularError | None]:
    """Return the regular records at the beginning of the data, and why the next one is not regular."""
    lines: list[Line] = []
    start = 0
    while start < len(data):
        try:
            line = _Record(data, start, dialect).read()
        except NotRegularError as error:
            return lines, error
        lines.append(line)
        start = line.end
    return lines, None


class _Record:
    def __init__(self, data: bytes, start: int, dialect: Dialect) -> None:
        self.data = data
        self.start = start
        self.at = start + len(MARK) if data.startswith(MARK, start) else start
        self.quote = dialect.quote.encode()
        self.escape = (dialect.escape or "").encode()
        self.comment = (dialect.comment or "").encode()
        self.is_blanks = dialect.delimiter == BLANKS
        self.delimiters = b" \t" if self.is_blanks else dialect.delimiter.encode()
        self.blanks = bytes(set(b" \t") - set(self.delimiters))
        self.skip_initial_space = dialect.skip_initial_space

    def peek(self) -> bytes:
        return self.data[self.at : self.at + 1]

    def is_one_of(self, chars: bytes) -> bool:
        return bool(self.peek()) and self.peek() in chars

    def skip(self, chars: bytes) -> None:
        while self.is_one_of(chars):
            self.at += 1

    def ends(self) -> bool:
        return not self.peek() or self.is_one_of(b"\r\n")

    def ended(self, cells: list[bytes]) -> Line:
        self.at += 2 if self.data.startswith(b"\r\n", self.at) else len(self.peek())
        return Line(self.start, self.at, tuple(cells))

    def read(self) -> Line:
        if self.comment and self.data.startswith(self.comment, self.at):
            while not self.ends():
                self.at += 1
            return self.ended([])
        if self.is_blanks:
            self.skip(self.delimiters)
        if self.ends():
            return self.ended([])
        cells = [self.cell()]
        while not self.ends():
            assert self.is_one_of(self.delimiters)
            if self.is_blanks:
                self.skip(self.delimiters)
                if self.ends():
                    break
            else:
                self.at += 1
            cells.append(self.cell())
        return self.ended(cells)

    def cell(self) -> bytes:
        begin = self.at
        self.skip(self.blanks)
        if self.quote and self.peek() == self.quote:
            if self.at > begin and not self.skip_initial_space:
                raise NotRegularError(self.start, self.at)
            return self.quoted()
        self.at = begin
        return self.text()

    def escaped(self) -> bytes | None:
        """Return the text that an escape makes, and pass over both; None: there is no escape here."""
        if not self.escape or self.peek() != self.escape:
            return None
        self.at += 1
        if self.data.startswith(b"\r\n", self.at):
            self.at += 2
            return b"\r\n"
        if self.is_one_of(self.delimiters + self.quote + self.escape + b"\r\n"):
            self.at += 1
            return self.data[self.at - 1 : self.at]
        return self.escape

    def text(self) -> bytes:
        text = b""
        while not self.ends() and not self.is_one_of(self.delimiters):
            if (escaped := self.escaped()) is not None:
                text += escaped
            else:
                text += self.peek()
                self.at += 1
        return text

    def quoted(self) -> bytes:
        text = b""
        self.at += 1
        while self.peek():
            if (escaped := self.escaped()) is not None:
                text += escaped
            elif self.peek() != self.quote:
                text += self.peek()
                self.at += 1
            elif self.data.startswith(self.quote * 2, self.at):
                text += self.quote
                self.at += 2
            else:
                self.at += 1
                self.skip(self.blanks if not self.is_blanks else b"")
                if self.ends() or self.is_one_of(self.delimiters):
                    return text
                raise NotRegularError(self.start, self.at)
        raise NotRegularError(self.start, len(self.data))
