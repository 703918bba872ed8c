"""Cut columns into slices, so that printing them takes little memory beside the columns and the texts."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

# That are printed at once, at most: most blocks are one slice.
MOST_CELLS = 1 << 20  # with a value
MOST_ROWS = 1 << 17
_EMPTY_CELLS = 3  # take as much memory as a cell with a value
_WORD = 64  # rows: Arrow treats the bits of a column faster from the beginning of a word on


def in_slices(
    columns: Sequence[pa.Array], *, most_cells: int = MOST_CELLS, most_rows: int = MOST_ROWS
) -> Iterator[Sequence[pa.Array]]:
    """Yield columns of one length in slices, in order; at least one, of a row at least if there is any."""
    rows = len(columns[0])
    if rows <= 1 or (rows <= most_rows and weight(columns) <= most_cells):
        yield columns
        return
    middle = rows // 2 // _WORD * _WORD or rows // 2
    for half in (slice(0, middle), slice(middle, rows)):
        yield from in_slices([column[half] for column in columns], most_cells=most_cells, most_rows=most_rows)


def weight(columns: Sequence[pa.Array]) -> int:
    """Return how many cells with a value take as much memory as the cells of the columns."""
    empty: int = sum(column.null_count for column in columns)
    return len(columns) * len(columns[0]) - empty + empty // _EMPTY_CELLS
