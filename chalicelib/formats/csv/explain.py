"""Say where a record with another number of cells than the header seems to have one too many or too few.

The evidence is the kinds of the columns (numbers, dates …): a cell was divided, or left out, at the one place
that puts all others back into columns of their kind. A blank at the beginning of one cell only, as in
`York, UK`, shows a delimiter that is text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.core.model import BLANKS, Dialect
from chalicelib.formats.csv.fit import column_kinds
from chalicelib.formats.csv.grammar import grammar_of
from chalicelib.formats.csv.values import Kind, kind_of
from chalicelib.formats.interface import Batch, Rejection
from chalicelib.rows.text import WHITESPACE, excerpt, short_name

_MOST = 10  # cells too many or too few that are looked for
_LONGEST = 100  # characters of a name or a value in a message
_SHOWING = 50  # rows whose cells show whether blanks are usual
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar", ":": "colon", BLANKS: "blank"}


@dataclass(frozen=True)
class Explainer:
    """Explain rejections of a batch of records with the dialect."""

    dialect: Dialect
    kinds: dict[int, Kind]  # of the columns whose cells are values of one type, in order
    has_blanks: bool = False  # cells of good records begin with blanks

    @classmethod
    def of(cls, batch: Batch, dialect: Dialect) -> "Explainer":
        """Return an explainer that goes by the cells of the batch."""
        if batch.table is None:
            return cls(dialect, {})
        first = (column[:_SHOWING].to_pylist() for column in batch.table.columns)
        has_blanks = any(cell and cell.startswith(" ") for cells in first for cell in cells)
        return cls(dialect, column_kinds(batch.table), has_blanks)

    def explain(self, rejections: Sequence[Rejection], raws: Sequence[bytes]) -> list[Rejection]:
        """Return the rejections; those of extra and missing cells name the place where it is clear."""
        cells_of = grammar_of(self.dialect, marks=False).cells
        explained = []
        for rejection, raw in zip(rejections, raws, strict=True):
            if rejection.code in ("extra-cell", "missing-cell"):
                cells = [cell.decode(self.dialect.encoding, "replace") for cell in cells_of(raw)]
                explained.append(self._explained(rejection, cells))
            else:
                explained.append(rejection)
        return explained

    def _explained(self, rejection: Rejection, cells: Sequence[str]) -> Rejection:
        extra = len(cells) - len(self.dialect.columns)
        if not 0 < abs(extra) <= _MOST:
            return rejection
        column = self._divided(cells, extra) if extra > 0 else self._left_out(cells, -extra)
        if column is None:
            return rejection
        name = self.dialect.columns[column]
        if extra > 0:
            cell = self._delimiter.join(cells[column : column + extra + 1])
            delimiter = _NAMES.get(self.dialect.delimiter, "delimiter")
            origin = f"an unquoted {delimiter} in column `{_cut(name)}`: `{_cut(cell)}`."
            sentence = f" The extra {'one seems' if extra == 1 else 'ones seem'} to come from {origin}"
        else:
            sentence = f" The cell of column `{_cut(name)}` seems to be missing."
        return rejection._replace(message=rejection.message + sentence, field=short_name(name))

    @property
    def _delimiter(self) -> str:
        return " " if self.dialect.delimiter == BLANKS else self.dialect.delimiter

    def _divided(self, cells: Sequence[str], extra: int) -> int | None:
        """Return the one column whose cell seems to be divided into ``extra`` more.

        A number may be divided as well as a text. A blank that only one cell begins with decides, unless
        blanks are usual.
        """
        fits = [column for column in self._possible(cells, extra) if self._may_divide(cells, column, extra)]
        led = {at for at, cell in enumerate(cells) if at and cell.startswith(" ") and cell.strip()}
        told = [column for column in fits if led == set(range(column + 1, column + extra + 1))]
        if len(told) == 1 and not self.has_blanks:
            return told[0]
        return fits[0] if len(fits) == 1 and self.kinds else None

    def _may_divide(self, cells: Sequence[str], column: int, extra: int) -> bool:
        """Return whether pieces, none of them empty, make a cell of the column together."""
        pieces = cells[column : column + extra + 1]
        kind = self.kinds.get(column)
        is_own = kind is None or kind_of(self._delimiter.join(pieces).strip(WHITESPACE)) is kind
        return is_own and all(piece.strip(WHITESPACE) for piece in pieces)

    def _left_out(self, cells: Sequence[str], missing: int) -> int | None:
        """Return the one column whose cell seems to be missing."""
        fits = self._possible(cells, -1)
        return fits[0] if missing == 1 and len(fits) == 1 and self.kinds else None

    def _possible(self, cells: Sequence[str], extra: int) -> range:
        """Return the columns of which each may be the wrong one: all others have cells of their kind.

        The cells of columns before it are in their places; those behind it are ``extra`` places further on.
        """
        width = len(self.dialect.columns)
        first_off = (column for column, kind in self.kinds.items() if not _is_own(cells, column, kind))
        last_off = (
            column
            for column in reversed(self.kinds)
            if not _is_own(cells, column + extra, self.kinds[column])
        )
        return range(next(last_off, 0), next(first_off, width - 1) + 1)


def _is_own(cells: Sequence[str], at: int, kind: Kind) -> bool:
    """Return whether there is such a cell, and it may be of that kind."""
    return 0 <= at < len(cells) and kind_of(cells[at].strip(WHITESPACE)) in (kind, Kind.EMPTY)


def _cut(text: str) -> str:
    """Return a name or a value as a message shows it."""
    return excerpt(text.encode(), _LONGEST)
