"""Normalises whole columns, exactly as :func:`chalicelib.steps.text.normalise` does single values."""

import re
from unicodedata import normalize

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.steps import text
from chalicelib.steps.rules import DECIMAL_COMMA, NONE, Rules, iso

_LAST_ASCII = 0x7F
_ASCII_WHITESPACE = "".join(char for char in text.WHITESPACE if char.isascii())


def clean(column: pa.Array, rules: Rules = NONE) -> pa.Array:
    """A column of strings, normalised and under the rules; null where a value is missing."""
    if column.null_count == len(column):
        return column
    if is_ascii(column):
        column = pc.ascii_trim(column, characters=_ASCII_WHITESPACE)
    else:
        column = pc.utf8_trim(_nfc(column), characters=text.WHITESPACE)
    column = _without(column, [""])
    column = _dates(_emails(column))
    return column if rules == NONE else _ruled(column, rules)


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


def _nfc(column: pa.Array) -> pa.Array:
    """Long values are looked at one by one: some would take for ever (see :func:`text.may_be_slow`)."""
    long = pc.fill_null(pc.greater(pc.utf8_length(column), text.LONGEST_RUN), fill_value=False)
    if not pc.any(long).as_py():
        return pc.utf8_normalize(column, form="NFC")
    values = [it if text.may_be_slow(it) else normalize("NFC", it) for it in column.filter(long).to_pylist()]
    rest = pc.utf8_normalize(pc.if_else(long, "", column), form="NFC")
    return pc.replace_with_mask(rest, long, pa.array(values, pa.string()))


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


def _without(column: pa.Array, values: list[str]) -> pa.Array:
    missing = pc.is_in(column, pa.array(values, pa.string()))
    return pc.if_else(missing, pa.scalar(None, pa.string()), column) if pc.any(missing).as_py() else column


def _ruled(column: pa.Array, rules: Rules) -> pa.Array:
    column = _without(column, sorted(rules.missing))
    if rules.decimal_comma:
        column = pc.replace_substring_regex(column, pattern=DECIMAL_COMMA, replacement=r"\1.\2")
    for pattern in rules.dates:
        is_date = pc.fill_null(pc.match_substring_regex(column, pattern), fill_value=False)
        if pc.any(is_date).as_py():
            column = pc.replace_with_mask(column, is_date, _iso(column.filter(is_date), pattern))
    return column


def _iso(dates: pa.Array, pattern: str) -> pa.Array:
    """Days repeat, so each is worked out once."""
    days = dates.dictionary_encode()
    compiled = re.compile(pattern)
    found = [(value, compiled.search(value)) for value in days.dictionary.to_pylist()]
    values = [iso(it, m["year"], m["month"], m["day"], m["time"]) if m else it for it, m in found]
    return pa.array(values, pa.string()).take(days.indices)
