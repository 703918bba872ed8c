"""Bytes that are not text in the columns that Sluice added to a file of rejects: they cost no record.

A spreadsheet program may save the file in another encoding than UTF-8. The sentences in `_reason` have quotes
and names in them that are not ASCII, so every record would be rejected for a column that is dropped.
"""

import codecs
from dataclasses import replace
from typing import cast

from chalicelib.core.model import Dialect
from chalicelib.formats.csv.grammar import grammar_of
from chalicelib.formats.csv.listing import list_records
from chalicelib.reading import encodings
from chalicelib.reading.blocks import Segment

_AS_LONG = "sluice_as_long"
_FAULTS = frozenset(("encoding-error", "nul-character"))


def _question_marks(error: UnicodeError) -> tuple[str, int]:
    fault = cast("UnicodeDecodeError", error)
    return "?" * (fault.end - fault.start), fault.end


codecs.register_error(_AS_LONG, _question_marks)


def legible(segment: Segment, dialect: Dialect) -> Segment:
    """Return the segment with question marks for bytes in added columns that are not text, one for each.

    All offsets stay. A record that has such bytes in its own columns, too, keeps those.
    """
    if not dialect.dropped or _is_text(segment.data, dialect.encoding):
        return segment
    data = bytearray(segment.data)
    for entry in list_records(segment, dialect).entries:
        if entry.reason is not None and entry.reason.code in _FAULTS:
            record = slice(entry.start, entry.end)
            data[record] = legible_record(segment.data[record], dialect, dialect.encoding)
    return replace(segment, data=bytes(data))


def legible_record(raw: bytes, dialect: Dialect, encoding: str) -> bytes:
    """Return a regular record with question marks for bytes in added columns that are not text."""
    if not dialect.dropped or _is_text(raw, encoding):
        return raw
    pieces, at = list[bytes](), 0
    for name, (start, end) in zip(dialect.columns, grammar_of(dialect).cell_spans(raw), strict=False):
        if name in dialect.dropped:
            cell = raw[start:end].replace(b"\0", b"?")
            pieces += [raw[at:start], cell.decode(encoding, _AS_LONG).encode(encoding)]
            at = end
    return b"".join([*pieces, raw[at:]])


def _is_text(data: bytes, encoding: str) -> bool:
    return b"\0" not in data and encodings.to_utf8(data, encoding) is not None
