"""Messages of rejects: what many of one code have in common, and the place as the subject of a sentence.

KINDS is the table of codes. `docs/reference/rejects.md` shows each with an example, which a test runs.
"""

from collections.abc import Mapping
from typing import NamedTuple

from chalicelib.core.erased_values import ERASED
from chalicelib.core.model import Place

_SUBJECT = "The record "  # of a stored message: its number is known once all blocks before it are stored


class RejectKind(NamedTuple):
    """A sentence about all rejects of a code, and the option that decides the matter."""

    message: str
    option: str | None = None  # None: no option does


KINDS: Mapping[str, RejectKind] = {
    "missing-cell": RejectKind("Records have fewer cells than the header.", "short_rows"),
    "extra-cell": RejectKind("Records have more cells than the header.", "extra_cells"),
    "blank-row": RejectKind("Records have only empty cells."),
    "encoding-error": RejectKind(
        "Records are not valid in the encoding of the file. Declare the one in which it was saved.",
        "encoding",
    ),
    "nul-character": RejectKind("Records hold a NUL character, which text cannot hold."),
    "stray-quote": RejectKind(
        "Records have a quote in a place where readers differ on its meaning. Double the quotes that are "
        "text, or declare that the file has no quotes.",
        "quote",
    ),
    "unterminated-quote": RejectKind("Records have a quote that is not closed.", "quote"),
    "second-table": RejectKind("Records belong to another table. Put that table into a separate file."),
    "not-corrected": RejectKind(
        "Records have only the text of a rejected record, in column `_raw`. Fill in their columns."
    ),
    "record-too-large": RejectKind("Records are larger than the limit."),
    "json-syntax": RejectKind("Records are not valid JSON."),
    "trailing-content": RejectKind("The file has text after the end of the list of records."),
    "not-an-object": RejectKind("Records are JSON, but not objects in braces { }."),
    "duplicate-key": RejectKind("Records hold a key twice."),
    "number-out-of-range": RejectKind("Records hold a number with too many digits to be stored."),
    "too-deep": RejectKind("Records are nested too deep."),
    ERASED: RejectKind("Records hold a value whose records were erased from the dataset."),
}


def with_place(message: str, place: Place, count: int = 1) -> str:
    """Return the message with the record's place as its subject, as far as it is known.

    That is a spreadsheet's row, else the line, or the number of the record where lines hold several. Of
    several records that are alike, ``count``, it is followed by their number.
    """
    if count > 1:
        message += f" ({count:,} in a row)"
    if not message.startswith(_SUBJECT):
        return message
    if place.sheet_row is not None:
        subject = f"Row {place.sheet_row} "
    elif place.line is not None and place.line >= (place.record or 0):
        subject = f"Line {place.line} "
    elif place.record is not None:
        subject = f"Record {place.record} "
    else:
        return message
    return subject + message.removeprefix(_SUBJECT)
