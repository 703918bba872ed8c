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
_EMPTY = Kind.EMPTY  # looked up once: it is compared for each rejected record
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

        A number may be divided as well as a text. A blank that only its other pieces begin with decides,
        unless blanks are usual.
        """
        values = [cell.strip(WHITESPACE) for cell in cells]
        possible = self._possible(values, extra)
        if not self.has_blanks:
            led = [at for at, cell in enumerate(cells) if at and values[at] and cell.startswith(" ")]
            column = led[0] - 1 if led else -1
            is_one = led == list(range(column + 1, column + extra + 1))
            if is_one and column in possible and self._may_divide(cells, values, column, extra):
                return column
        fits = [column for column in possible if self._may_divide(cells, values, column, extra)]
        return fits[0] if len(fits) == 1 and self.kinds else None

    def _may_divide(self, cells: Sequence[str], values: Sequence[str], column: int, extra: int) -> bool:
        """Return whether pieces, none of them empty, make a cell of the column together."""
        after = column + extra + 1
        if not all(values[column:after]):
            return False
        kind = self.kinds.get(column)
        return kind is None or kind_of(self._delimiter.join(cells[column:after]).strip(WHITESPACE)) is kind

    def _left_out(self, cells: Sequence[str], missing: int) -> int | None:
        """Return the one column whose cell seems to be missing."""
        fits = self._possible([cell.strip(WHITESPACE) for cell in cells], -1)
        return fits[0] if missing == 1 and len(fits) == 1 and self.kinds else None

    def _possible(self, values: Sequence[str], extra: int) -> range:
        """Return the columns of which each may be the wrong one: all others have cells of their kind.

        ``values``: the cells without white space around them. Those of columns before it are in their places;
        those behind it are ``extra`` places further on.
        """
        first, last = 0, len(self.dialect.columns) - 1
        for column, kind in self.kinds.items():
            if not _is_own(values, column, kind):
                last = column
                break
        for column in reversed(self.kinds):
            if not _is_own(values, column + extra, self.kinds[column]):
                first = column
                break
        return range(first, last + 1)


def _is_own(values: Sequence[str], at: int, kind: Kind) -> bool:
    """Return whether there is such a value, and it may be of that kind."""
    if not 0 <= at < len(values):
        return False
    found = kind_of(values[at])
    return found is kind or found is _EMPTY


def _cut(text: str) -> str:
    """Return a name or a value as a message shows it."""
    return excerpt(text.encode(), _LONGEST)
