"""What Arrow has no function for: bytes as a column, and columns that few rows have."""

from collections.abc import Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc


def whole(column: pa.ChunkedArray) -> pa.Array:
    """The column in one piece; not copied if it is that already, as `combine_chunks` would."""
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def numbers(data: bytes | pa.Buffer) -> pa.Array:
    """Bytes as numbers (uint8), not copied."""
    return pa.Array.from_buffers(pa.uint8(), len(data), [None, pa.py_buffer(data)])


def octets(column: pa.Array) -> pa.Array:
    """The UTF-8 bytes of all values of a string column, one after the other."""
    return numbers(_held(column))


def content(column: pa.Array) -> bytes:
    """The same as :func:`octets` for Python, which finds a byte among them faster than Arrow."""
    held: bytes = _held(column).to_pybytes()
    return held


def _held(column: pa.Array) -> pa.Buffer:
    _, offsets, values = column.buffers()
    if values is None or not len(column):
        return pa.py_buffer(b"")
    bounds = memoryview(offsets).cast("i")
    start, end = bounds[column.offset], bounds[column.offset + len(column)]
    return values.slice(start, end - start)


def present(members: Sequence[tuple[pa.Array, pa.Array]], separator: str) -> pa.Array:
    """Row by row those members that the row has, joined; those that it lacks cost next to nothing.

    Each member: whether each row has it, and the texts of those that do.
    """
    counts = [has_it.cast(pa.int32()) for has_it, _ in members]
    ends = pc.cumulative_sum(reduce(pc.add, counts))
    starts = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    following = starts.slice(0, len(ends))  # for each row, the place of its next member among those of all
    places: list[pa.Array] = []
    for (has_it, _), count in zip(members, counts, strict=True):
        places.append(following.filter(has_it))
        following = pc.add(following, count)
    order = pc.inverse_permutation(pa.concat_arrays(places))
    in_order = pa.concat_arrays([texts for _, texts in members]).take(order)
    return pc.binary_join(pa.ListArray.from_arrays(starts, in_order), separator)
