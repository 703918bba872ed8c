"""Helpers for Arrow columns: bytes as a column, and joining members that few rows have."""

from collections.abc import Callable, Iterator, Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

_AT_ONCE = 1 << 14  # values


def whole(column: pa.ChunkedArray) -> pa.Array:
    """Return the column in one piece, without the copy that `combine_chunks` always makes."""
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def in_groups(function: Callable[[pa.Array], pa.Array], columns: Sequence[pa.Array]) -> list[pa.Array]:
    """Return what a function makes of columns of one length, given that it treats each value by itself.

    Columns of few rows are given to it several at once: a call costs as much as some hundred values do.
    """
    rows = len(columns[0])
    count = _AT_ONCE // max(rows, 1)  # of columns at once
    if count <= 1:
        return list(map(function, columns))
    return list(_of_groups(function, columns, rows, count))


def _of_groups(
    function: Callable[[pa.Array], pa.Array], columns: Sequence[pa.Array], rows: int, count: int
) -> Iterator[pa.Array]:
    for start in range(0, len(columns), count):
        group = columns[start : start + count]
        values = function(pa.concat_arrays(group))
        for number in range(len(group)):
            yield values.slice(number * rows, rows)


def numbers(data: bytes | pa.Buffer) -> pa.Array:
    """Return bytes as numbers (uint8), without a copy."""
    return pa.Array.from_buffers(pa.uint8(), len(data), [None, pa.py_buffer(data)])


def octets(column: pa.Array) -> pa.Array:
    """Return the UTF-8 bytes of all values of a string column, one after the other."""
    return numbers(_values(column))


def size(column: pa.Array) -> int:
    """Return how many bytes all values of a string column have together, in UTF-8."""
    return len(_values(column))


def content(column: pa.Array) -> bytes:
    """Return the bytes of :func:`octets` for Python, which finds a byte among them faster than Arrow."""
    octets: bytes = _values(column).to_pybytes()
    return octets


def _values(column: pa.Array) -> pa.Buffer:
    _, offsets, values = column.buffers()
    if values is None or not len(column):
        return pa.py_buffer(b"")
    bounds = memoryview(offsets).cast("i")
    start, end = bounds[column.offset], bounds[column.offset + len(column)]
    return values.slice(start, end - start)


def join_present(members: Sequence[tuple[pa.Array, pa.Array]], separator: str) -> pa.Array:
    """Join, row by row, the members that the row has; members that it lacks cost next to nothing.

    Each member is given as two columns: whether a row has it (bool), and the texts of the rows that do.
    """
    counts = [is_present.cast(pa.int32()) for is_present, _ in members]
    ends = pc.cumulative_sum(reduce(pc.add, counts))
    starts = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    following = starts.slice(0, len(ends))  # for each row, the position of its next member among all members
    positions: list[pa.Array] = []
    for (is_present, _), count in zip(members, counts, strict=True):
        positions.append(following.filter(is_present))
        following = pc.add(following, count)
    order = pc.inverse_permutation(pa.concat_arrays(positions))
    in_order = pa.concat_arrays([texts for _, texts in members]).take(order)
    return pc.binary_join(pa.ListArray.from_arrays(starts, in_order), separator)
