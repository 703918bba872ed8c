"""Normalise whole columns, exactly as :func:`chalicelib.rows.text.normalise` does single values."""

from unicodedata import normalize

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.rows import text
from chalicelib.rows.columns import content, octets

_LAST_ASCII = 0x7F
_LAST_BLANK = 0x20  # of ASCII
_FIRST_MARK = 0xCC  # the first byte of U+0300; text of characters before that is always in NFC
_ASCII_WHITESPACE = "".join(char for char in text.WHITESPACE if char.isascii())
_NULL, _ZERO = pa.scalar(None, pa.string()), pa.scalar(0, pa.int32())

# Characters of the values that each of text.DATES changes. (The last form without a blank is ISO 8601.)
_DATE_CHARACTERS = (b"/", b"/:", b"-: ")


def normalise_column(column: pa.Array) -> pa.Array:
    """Return a column of strings normalised; null where a value is missing.

    One scan over all bytes of the column shows which steps its values do not need.
    """
    if column.null_count == len(column):
        return column
    column = _empty_to_null(_trim(column))
    characters = content(column)
    return _dates(_emails(column, characters), characters)


def _trim(column: pa.Array) -> pa.Array:
    """Return the column in NFC, without white space at the ends of its values."""
    lowest, highest = pc.min_max(octets(column)).as_py().values()
    if highest is None or (highest <= _LAST_ASCII and lowest > _LAST_BLANK):
        return column
    if highest <= _LAST_ASCII:
        return pc.ascii_trim(column, characters=_ASCII_WHITESPACE)
    if highest >= _FIRST_MARK:
        column = _nfc(column)
    return pc.utf8_trim(column, characters=text.WHITESPACE)


def _nfc(column: pa.Array) -> pa.Array:
    """Return the column in NFC. Long values are checked one by one: see :func:`text.may_be_slow`."""
    long = pc.fill_null(pc.greater(pc.utf8_length(column), text.LONGEST_RUN), fill_value=False)
    if not pc.any(long).as_py():
        return pc.utf8_normalize(column, form="NFC")
    long_values = column.filter(long).to_pylist()
    values = [value if text.may_be_slow(value) else normalize("NFC", value) for value in long_values]
    rest = pc.utf8_normalize(pc.if_else(long, "", column), form="NFC")
    return pc.replace_with_mask(rest, long, pa.array(values, pa.string()))


def _emails(column: pa.Array, characters: bytes) -> pa.Array:
    if b"@" not in characters:
        return column
    lower = pc.ascii_lower(column)
    if lower.equals(column):
        return column
    return pc.if_else(pc.match_substring_regex(column, text.EMAIL), lower, column)


def _dates(column: pa.Array, characters: bytes) -> pa.Array:
    for (pattern, _), needed in zip(text.DATES, _DATE_CHARACTERS, strict=True):
        if all(char in characters for char in needed):
            is_date = pc.fill_null(pc.match_substring_regex(column, pattern), fill_value=False)
            if pc.any(is_date).as_py():
                dates = _iso_8601(column.filter(is_date), has_time=b":" in needed)
                column = pc.replace_with_mask(column, is_date, dates)
    return column


def _iso_8601(dates: pa.Array, *, has_time: bool) -> pa.Array:
    """Apply the replacements of text.DATES to values that their patterns match."""
    dates = pc.replace_substring(dates, pattern="/", replacement="-")
    if not has_time:
        return dates
    dates = pc.binary_replace_slice(dates, start=10, stop=11, replacement="T")
    return pc.replace_substring(dates, pattern=" ", replacement="")


def _empty_to_null(column: pa.Array) -> pa.Array:
    sizes = pc.binary_length(column)
    return pc.if_else(pc.equal(sizes, _ZERO), _NULL, column) if pc.min(sizes).as_py() == 0 else column
