"""Find another table that follows a blank line.

Blocks are decoded by themselves, on a grid that does not heed tables. So a second table is rejected only
where the records before it and its own header are in one segment; where they are not, it is told at best,
and where the blank line is the last one of a segment, not even that. A file whose records are set apart by
blank lines is an ordinary file.
"""

from collections.abc import Sequence

from chalicelib.core.model import Dialect
from chalicelib.formats.csv.entries import Listing
from chalicelib.formats.csv.grammar import grammar_of
from chalicelib.formats.csv.values import Kind, kind_of, looks_like_value
from chalicelib.formats.interface import Reason

SECOND_TABLE = "second-table"
REASON = Reason(
    SECOND_TABLE,
    "The record stands behind a blank line, under what looks like the header of another table. "
    "Put that table into a file of its own.",
)

_LOOK_BACK = 20  # records whose cells are compared


def find(listing: Listing, data: bytes, dialect: Dialect) -> None:
    """Reject or note the records of other tables.

    The first record after a blank line looks like a header if its cells are distinct words, none of them
    empty or a value (number, date), and a record follows it at once. It begins another table

    - that is rejected, up to the next blank line: if its records have another width than the header and hold
      values; or if it holds texts in two or more columns, in all of which the records before hold values;
    - that is told and loaded: if it holds a text in some column in which the record that follows it holds a
      value.
    """
    entries, grammar, width = listing.entries, grammar_of(dialect, marks=False), len(dialect.columns)

    def cells_of(index: int) -> list[str]:
        entry = entries[index]
        raw = grammar.cells(data[entry.start : entry.end])
        return [cell.decode(dialect.encoding, "replace").strip() for cell in raw]

    index = 0
    while index < len(entries) - 1:
        entry, following = entries[index], entries[index + 1]
        if not entry.after_blank or following.after_blank or entry.reason or following.reason:
            index += 1
            continue
        head = cells_of(index)
        if (
            len(head) == 1
            or len(set(head)) < len(head)
            or any(kind_of(cell) is not Kind.TEXT for cell in head)
        ):
            index += 1
            continue
        row = cells_of(index + 1)
        before = [
            cells_of(earlier)
            for earlier in range(max(index - _LOOK_BACK, 0), index)
            if entries[earlier].reason is None
        ]
        end = index + 1
        while end < len(entries) and not entries[end].after_blank:
            end += 1
        if _is_certain(head, row, before, width):
            for rejected in entries[index:end]:
                rejected.reason = rejected.reason or REASON
            listing.notes[SECOND_TABLE] += [(ordinal, None) for ordinal in range(index, end)]
            index = end
            continue
        if _is_likely(head, row, width):
            listing.notes[SECOND_TABLE] += [(ordinal, None) for ordinal in range(index, end)]
        index += 1


def _value_columns(records: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return the columns in which all records of that width, one at least, hold values."""
    whole = [record for record in records if len(record) == width]
    if not whole:
        return []
    return [column for column in range(width) if all(looks_like_value(record[column]) for record in whole)]


def _is_certain(head: Sequence[str], row: Sequence[str], before: Sequence[Sequence[str]], width: int) -> bool:
    if len(head) != width:
        return len(row) == len(head) and any(map(looks_like_value, row))
    return len(_value_columns(before, width)) > 1


def _is_likely(head: Sequence[str], row: Sequence[str], width: int) -> bool:
    return len(row) == len(head) == width and any(map(looks_like_value, row))
