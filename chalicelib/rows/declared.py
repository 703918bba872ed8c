"""Apply declared rules to whole columns, exactly as :mod:`chalicelib.rows.rules` does to single values."""

import re
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.rows import decimals
from chalicelib.rows.columns import content
from chalicelib.rows.rules import DECIMAL_COMMA, NONE, NOT_APPLIED, NUMBER_IN_TEXT, Decimals, Rules, iso

_NULL = pa.scalar(None, pa.string())


@dataclass(frozen=True, slots=True)
class Finding:
    """A warning about values of a column: its code, how many they are, and the row of the first one."""

    code: str
    count: int
    first: int  # from 0


class Applied(NamedTuple):
    """The values of a column with the rules applied, and what is to be told of them."""

    values: pa.Array
    finding: Finding | None = None


def apply_rules(column: pa.Array, rules: Rules) -> Applied:
    """Apply the rules to a column of normalised strings, in which a missing value is null."""
    if rules == NONE or column.null_count == len(column):
        return Applied(column)
    if rules.missing:
        is_missing = pc.is_in(column, pa.array(sorted(rules.missing), pa.string()))
        column = pc.if_else(is_missing, _NULL, column)
    column, finding = _apply_decimals(column, rules.decimals)
    for pattern in rules.dates:
        is_date = matches(column, pattern)
        if pc.any(is_date).as_py():
            column = pc.replace_with_mask(column, is_date, _declared_dates(column.filter(is_date), pattern))
    return Applied(column, finding)


def matches(column: pa.Array, pattern: str) -> pa.Array:
    """Return which values match the pattern; a null does not."""
    return pc.fill_null(pc.match_substring_regex(column, pattern), fill_value=False)


def _apply_decimals(column: pa.Array, treatment: Decimals) -> Applied:
    if treatment is Decimals.EACH:
        return Applied(pc.replace_substring_regex(column, pattern=DECIMAL_COMMA, replacement=r"\1.\2"))
    if treatment is Decimals.READ:
        return _read_numbers(column)
    if treatment is Decimals.TELL:
        return Applied(column, _evident_numbers(column))
    return Applied(column)


def _read_numbers(column: pa.Array) -> Applied:
    characters = content(column)
    if characters.isdigit() or not characters:
        return Applied(column)
    is_number = matches(column, decimals.NUMBER)
    numbers = pc.sum(is_number).as_py()
    if numbers + column.null_count == len(column):
        return Applied(_plain(column, characters))
    finding = _finding(NOT_APPLIED, pc.and_not(column.is_valid(), is_number))
    if numbers:
        column = pc.replace_with_mask(column, is_number, _plain(column.filter(is_number), characters))
    return Applied(column, finding)


def _plain(numbers: pa.Array, characters: bytes) -> pa.Array:
    """Convert values that are all numbers as `decimals.plain` does; all their bytes are in ``characters``."""
    changes = [(mark, "") for mark in decimals.SEPARATORS] + [(",", "."), (decimals.MINUS, "-")]
    for mark, replacement in changes:
        if mark.encode() in characters:
            numbers = pc.replace_substring(numbers, pattern=mark, replacement=replacement)
    if b"-" in characters and pc.any(pc.ends_with(numbers, "-")).as_py():
        numbers = pc.replace_substring_regex(numbers, pattern="^(.*)-$", replacement=r"-\1")
    return numbers


def _evident_numbers(column: pa.Array) -> Finding | None:
    characters = content(column)
    if b"," not in characters and b"." not in characters:
        return None
    return _finding(NUMBER_IN_TEXT, matches(column, decimals.EVIDENT_NUMBER))


def _finding(code: str, concerned: pa.Array) -> Finding | None:
    count = pc.sum(concerned).as_py()
    return Finding(code, count, pc.index(concerned, value=True).as_py()) if count else None


def _declared_dates(dates: pa.Array, pattern: str) -> pa.Array:
    """Return the dates in ISO 8601. Days repeat, so each distinct one is converted once."""
    days = dates.dictionary_encode()
    compiled = re.compile(pattern)
    matches = [(value, compiled.search(value)) for value in days.dictionary.to_pylist()]
    values = [
        iso(value, match["year"], match["month"], match["day"], match["time"]) if match else value
        for value, match in matches
    ]
    return pa.array(values, pa.string()).take(days.indices)
