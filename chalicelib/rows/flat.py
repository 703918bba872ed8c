"""Print columns of strings as canonical JSON: row by row, :func:`chalicelib.rows.canonical.record`'s text."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.rows import canonical
from chalicelib.rows.columns import content, in_groups, join_present, octets

_BACKSLASH, _QUOTE = 0x5C, 0x22
_CONTROLS = range(0x20)


class _Member(NamedTuple):
    """A member of many objects: its values, and the texts around each value that is not null."""

    opening: str
    values: pa.Array
    closing: str

    @property
    def is_optional(self) -> bool:
        return bool(self.values.null_count)

    def texts(self) -> pa.Array:
        """Return the printed members of the rows that have a value."""
        return pc.binary_join_element_wise(self.opening, self.values.drop_null(), self.closing, "")


def records(names: Sequence[str], columns: Sequence[pa.Array]) -> pa.Array:
    """Return each row of normalised strings as a canonical record.

    ``names`` are distinct and normalised, and there is at least one. A null is a missing value.
    """
    members = sorted(zip(names, columns, strict=True), key=lambda member: canonical.sort_key(member[0]))
    members = [(name, values) for name, values in members if len(values) > values.null_count]
    if not members:
        return pa.array(["{}"] * len(columns[0]), pa.string())
    optional = [bool(values.null_count) for _, values in members]
    escaped = in_groups(escape, [values for _, values in members])
    printed = [
        _Member(f'{before}{canonical.string(name)}:"', values, f'"{after}')
        for (name, _), values, (before, after) in zip(members, escaped, commas(optional), strict=True)
    ]
    pieces: list[pa.Array | str] = []
    constant = "{"  # the text that all rows have before the next piece: the fewer pieces, the faster
    for are_optional, run in groupby(printed, lambda member: member.is_optional):
        if are_optional:
            pieces += [
                constant,
                join_present([(member.values.is_valid(), member.texts()) for member in run], ""),
            ]
            constant = ""
            continue
        for member in run:
            pieces += [constant + member.opening, member.values]
            constant = member.closing
    texts = pc.binary_join_element_wise(*pieces, constant + "}", "")
    if all(optional):  # the first member that a row has has a comma before it
        texts = pc.replace_substring(texts, pattern="{,", replacement="{", max_replacements=1)
    return texts


def commas(optional: Sequence[bool]) -> list[tuple[str, str]]:
    """Return the texts before and after each member of many objects: a comma, or nothing.

    ``optional``: whether some object lacks the member. Members in front of the first that no object lacks
    have their commas behind them, all others before them. If each member is optional, all have their commas
    before them, even an object's first.
    """
    full = next((index for index, is_optional in enumerate(optional) if not is_optional), -1)
    return [("," if index > full else "", "," if index < full else "") for index in range(len(optional))]


def escape(column: pa.Array) -> pa.Array:
    """Return the values as JSON strings without their quotes."""
    characters = content(column)
    suspects = [_BACKSLASH, _QUOTE]  # the backslash first: escapes hold one
    if characters and pc.min(octets(column)).as_py() in _CONTROLS:
        suspects += _CONTROLS
    for code in suspects:
        if code in characters:
            column = pc.replace_substring(column, pattern=chr(code), replacement=canonical.ESCAPES[code])
    return column
