"""Normalises whole columns, exactly as :func:`chalicelib.steps.text.normalise` does single values."""

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.steps import text

_LAST_ASCII = 0x7F
_ASCII_WHITESPACE = "".join(char for char in text.WHITESPACE if char.isascii())


def clean(column: pa.Array) -> pa.Array:
    """A column of strings, normalised; null where a value is missing."""
    if column.null_count == len(column):
        return column
    if is_ascii(column):
        column = pc.ascii_trim(column, characters=_ASCII_WHITESPACE)
    else:
        column = pc.utf8_trim(pc.utf8_normalize(column, form="NFC"), characters=text.WHITESPACE)
    empty = pc.equal(pc.binary_length(column), 0)
    if pc.any(empty).as_py():
        column = pc.if_else(empty, pa.scalar(None, pa.string()), column)
    return _dates(_emails(column))


def octets(column: pa.Array) -> pa.Array:
    """The UTF-8 bytes of all values of a string column, one after the other."""
    _, offsets, values = column.buffers()
    if values is None or not len(column):
        return pa.array([], pa.uint8())
    bounds = pa.Array.from_buffers(pa.int32(), len(column) + 1, [None, offsets], offset=column.offset)
    start, end = bounds[0].as_py(), bounds[-1].as_py()
    return pa.Array.from_buffers(pa.uint8(), end - start, [None, values], offset=start)


def is_ascii(column: pa.Array) -> bool:
    """Whether every value of the column is ASCII."""
    highest: int | None = pc.max(octets(column)).as_py()
    return highest is None or highest <= _LAST_ASCII


def _emails(column: pa.Array) -> pa.Array:
    if pc.index(octets(column), ord("@")).as_py() < 0:
        return column
    return pc.if_else(pc.match_substring_regex(column, text.EMAIL), pc.ascii_lower(column), column)


def _dates(column: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring_regex(column, text.DATE_LIKE)).as_py():
        return column
    for pattern, replacement in text.DATES:
        column = pc.replace_substring_regex(column, pattern=pattern, replacement=replacement)
    return column
