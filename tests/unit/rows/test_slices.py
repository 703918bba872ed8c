"""Columns are cut into slices within limits, and nothing is lost."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.rows.slices import MOST_CELLS, in_slices, weight


@st.composite
def tables(draw: st.DrawFn) -> list[pa.Array]:
    """Return columns of one length, some of whose cells are empty, and whose rows differ in how many."""
    width, rows = draw(st.integers(1, 5)), draw(st.integers(0, 300))
    empty = draw(st.lists(st.integers(0, max(rows - 1, 0)), max_size=40))
    kept = [None if row in empty else str(row) for row in range(rows)]
    full = [str(row) for row in range(rows)]
    return [pa.array(kept if draw(st.booleans()) else full, pa.string()) for _ in range(width)]


@given(tables(), st.integers(1, 400), st.integers(1, 200))
def test_slices_are_within_the_limits_and_are_the_columns(
    columns: list[pa.Array], most_cells: int, most_rows: int
) -> None:
    found = list(in_slices(columns, most_cells=most_cells, most_rows=most_rows))
    for some in found:
        rows = len(some[0])
        assert rows <= 1 or (rows <= most_rows and weight(some) <= most_cells)
        assert rows or not len(columns[0])
    for index, column in enumerate(columns):
        assert pa.concat_arrays([some[index] for some in found]).equals(column)


def test_columns_that_few_rows_have_are_one_slice() -> None:
    rows = MOST_CELLS // 20
    empty = pa.nulls(rows, pa.string())
    assert len(list(in_slices([empty] * 40))) == 1
    full = pa.array(["1"] * rows, pa.string())
    assert len(list(in_slices([full] * 40))) > 1
