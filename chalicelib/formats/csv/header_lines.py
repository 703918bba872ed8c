"""Find lines that repeat the header: files that were joined have them."""

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.core.model import Dialect
from chalicelib.formats.csv.grammar import grammar_of
from chalicelib.formats.csv.header import column_names
from chalicelib.formats.csv.rejects_file import header_cells
from chalicelib.rows.columns import content, whole
from chalicelib.rows.text import WHITESPACE


class HeaderLines:
    """Tell lines that repeat the header from records.

    Only headers of two columns or more are told: a single word may be a value.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._grammar = grammar_of(dialect, marks=False)
        columns = dialect.columns
        named = [name for number, name in enumerate(columns, start=1) if name != f"column_{number}"]
        # the glance is at one that stands in the header as it is: normalised texts and suffixes may not
        plain = [name for name in named if name.isascii() and not set(name) & {"_", "@", "-", '"'}]
        self.may_be_repeated = dialect.header and len(columns) > 1 and bool(named)
        self._column = columns.index((plain or named)[0]) if named else 0
        self._word = plain[0].encode() if plain else b""

    def may_hold(self, raw: bytes) -> bool:
        """Return whether a record may be the header, at a glance."""
        return self.may_be_repeated and self._word in raw

    def is_header(self, raw: bytes) -> bool:
        """Return whether a regular record equals the header, once its cells are normalised.

        A header with fewer cells than the table has columns (row names, or columns without a name) counts,
        too.
        """
        try:
            cells = [cell.decode(self._dialect.encoding) for cell in self._grammar.cells(raw)]
        except UnicodeDecodeError:
            return False
        if self._dialect.escaped:
            cells = header_cells(cells, self._dialect)
        columns = self._dialect.columns
        missing = len(columns) - len(cells)
        if missing < 0:
            return (
                not any(cell.strip() for cell in cells[missing:]) and column_names(cells[:missing]) == columns
            )
        return columns in (column_names([*cells, *[""] * missing]), column_names([*[""] * missing, *cells]))

    def may_be_among(self, table: pa.Table) -> bool:
        """Return whether a row of a table may be the header, at a glance."""
        if not self.may_be_repeated or not table.num_rows:
            return False
        values, name = whole(table.columns[self._column]), self._dialect.columns[self._column]
        if name.encode() not in content(values):
            return False
        return bool(pc.any(pc.equal(pc.utf8_trim(values, characters=WHITESPACE), name)).as_py())
