"""Find lines that repeat the header: files that were joined have them."""

from chalicelib.core.model import Dialect
from chalicelib.formats.csv.grammar import grammar_of
from chalicelib.formats.csv.header import column_names
from chalicelib.formats.csv.rejects_file import header_cells, is_marker


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
        odd = {"_", "@", "-", '"', dialect.delimiter, dialect.quote, dialect.escape}
        plain = [name for name in named if name.isascii() and odd.isdisjoint(name)]
        self.may_be_repeated = dialect.header and len(columns) > 1 and bool(named)
        self._marker = next((name.encode() for name in dialect.dropped if is_marker(name)), b"")
        self._word = plain[0].encode() if plain else b""

    def may_hold(self, raw: bytes) -> bool:
        """Return whether a record may be the header, at a glance."""
        return self.may_be_repeated and self._word in raw

    def is_own(self, raw: bytes) -> bool:
        """Return whether a header is the file's own. That of rejects of another job is not."""
        return self._marker in raw.lower()

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
