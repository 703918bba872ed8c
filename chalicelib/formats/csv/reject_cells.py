"""Split rejected records of CSV files into the cells of their columns, where it is certain which they are."""

from collections.abc import Sequence

from chalicelib.core.model import Dialect
from chalicelib.formats.csv.added_cells import legible_record
from chalicelib.formats.csv.fit import ragged_reason
from chalicelib.formats.csv.grammar import grammar_of
from chalicelib.formats.csv.pieces import BOM
from chalicelib.formats.csv.rejects_file import is_left, left_text, own_cells
from chalicelib.formats.csv.scan import STRAY_QUOTE, UNTERMINATED
from chalicelib.formats.csv.second_table import SECOND_TABLE
from chalicelib.reading import encodings
from chalicelib.reading.blocks import TOO_LARGE
from chalicelib.rows.text import WHITESPACE

# Codes of records whose cells are not certain, whatever their text looks like.
UNCERTAIN = frozenset(
    {
        *(STRAY_QUOTE, UNTERMINATED, TOO_LARGE, SECOND_TABLE, ragged_reason(0, 1).code),
        *("encoding-error", "nul-character"),
    }
)


class RejectCells:
    """The cells of rejected records of a dialect, or their text."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._width = len(dialect.columns)
        self._grammar = grammar_of(dialect)
        self._encoding = encodings.UTF8 if dialect.transcoded else dialect.encoding

    def of(self, code: str, raw: bytes) -> list[str] | None:
        """Return a record's cells, one for each of the dialect's own columns; None if they are not certain.

        Missing cells are empty. Of a record with more cells than columns they are certain if all cells
        beyond are empty.
        """
        cells = None if code in UNCERTAIN else self._split(raw)
        if cells is None or any(cell.strip(WHITESPACE) for cell in cells[self._width :]):
            return None
        if self._dialect.dropped and is_left(cells, self._dialect):
            return None
        missing = [""] * (self._width - len(cells))
        return own_cells([*cells[: self._width], *missing], self._dialect)

    def text(self, raw: bytes) -> str:
        """Return a record as text, without its line ending; see :func:`readable`.

        Of a record that has nothing but the text of another one, it is that text.
        """
        cells = self._split(raw) if self._dialect.dropped else None
        if cells is not None and is_left(cells, self._dialect):
            return left_text(cells, self._dialect)
        return readable(_without_ending(raw), self._encoding)

    def _split(self, raw: bytes) -> Sequence[str] | None:
        """Return all cells of a record; None if it is not regular, or not text.

        Columns that Sluice added may hold anything.
        """
        text = legible_record(raw, self._dialect, self._encoding)
        if b"\0" in text or encodings.to_utf8(text, self._encoding) is None:
            return None
        if self._is_plain(raw):
            return readable(_without_ending(raw), self._encoding).split(self._dialect.delimiter)
        match = self._grammar.last_record.match(raw)
        if match is None or match.end() != len(raw):
            joined = self._grammar.joined_record.match(raw) if self._dialect.crlf else None
            if joined is None or joined.end() != len(raw):
                return None
        return [readable(cell, self._encoding) for cell in self._grammar.cells(raw)]

    def _is_plain(self, raw: bytes) -> bool:
        """Return whether a record is a line that only delimiters divide."""
        grammar, line = self._grammar, _without_ending(raw)
        if grammar.escape or not grammar.delimiter or b"\n" in line or b"\r" in line:
            return False
        return not (grammar.quote and grammar.quote in line) and not line.startswith(BOM)


def readable(raw: bytes, encoding: str) -> str:
    r"""Return bytes as text. Bytes that are none in the encoding, and NUL, are written `\xHH`."""
    return raw.decode(encoding, "backslashreplace").replace("\0", "\\x00")


def _without_ending(raw: bytes) -> bytes:
    if raw.endswith(b"\r\n"):
        return raw[:-2]
    return raw[:-1] if raw.endswith((b"\n", b"\r")) else raw
