"""List the records of a segment one by one, where something in it wants a closer look.

Here lines are passed over (repeated headers), byte-order marks dropped, and records set apart that cannot be
read or that belong to another table. What is left is regular text.
"""

import sys
from collections.abc import Callable, Iterator

from chalicelib import interruption
from chalicelib.core.model import Dialect
from chalicelib.formats.csv import second_table
from chalicelib.formats.csv.entries import OTHER_REJECTS, REPEATED_HEADER, Entry, Listing, Span
from chalicelib.formats.csv.grammar import ending_of, grammar_of
from chalicelib.formats.csv.header_lines import HeaderLines
from chalicelib.formats.csv.pieces import BOM
from chalicelib.formats.csv.reasons import StretchReasons
from chalicelib.formats.csv.scan import JOINED, Scanner
from chalicelib.formats.interface import Reason
from chalicelib.reading import encodings
from chalicelib.reading.blocks import Segment
from chalicelib.rows.text import short_name

# Records that are listed together, at most. Of records of 32 bytes and more, a block has fewer. Of shorter
# ones it has so many that memory may not hold them all.
MOST_TOGETHER = 1 << 17

_SHORT = 100  # bytes of a record
_MOST_KNOWN = 1000


def list_records(segment: Segment, dialect: Dialect) -> Listing:
    """Return the records of a segment, each with the reason to reject it, if there is one."""
    (listing,) = _Lister(segment, dialect).listings(sys.maxsize)
    return listing


def listings(segment: Segment, dialect: Dialect) -> Iterator[Listing]:
    """Yield the records of a segment as :func:`list_records` does, up to MOST_TOGETHER at a time.

    Other tables are found within a listing only.
    """
    return _Lister(segment, dialect).listings(MOST_TOGETHER)


class _Endings:
    """Count the lines that end in CRLF, in LF and in CR, and keep the first of each."""

    def __init__(self) -> None:
        self._counts = {b"\r\n": 0, b"\n": 0, b"\r": 0}
        self._first: dict[bytes, tuple[int, Span]] = {}

    def count(self, raw: bytes, ordinal: int, span: Span) -> None:
        """Count a record, or a line that repeats the header."""
        if ending := ending_of(raw):
            self._counts[ending] += 1
            if ending not in self._first:
                self._first[ending] = ordinal, span

    @property
    def mixed(self) -> tuple[int, int, Span] | None:
        """How many lines end in another way than most, and the first of them; None if all end alike."""
        *others, _ = sorted(self._counts, key=self._counts.__getitem__)
        count = sum(self._counts[ending] for ending in others)
        if not count:
            return None
        return count, *min(self._first[ending] for ending in others if ending in self._first)


class _Lister:
    def __init__(self, segment: Segment, dialect: Dialect) -> None:
        self._segment = segment
        self._data = segment.data
        self._dialect = dialect
        self._grammar = grammar_of(dialect)
        self._has_nul = b"\0" in segment.data
        self._is_valid = encodings.to_utf8(segment.data, dialect.encoding) is not None
        self._known: dict[bytes, Reason | None] = {}  # what is wrong with short records
        self._has_mark = self._grammar.has_mark and BOM in segment.data
        self._header = HeaderLines(dialect)
        self._may_repeat = self._header.may_hold(segment.data)
        self._nothing = self._grammar.delimiter + self._grammar.quote + b"\r\n \t"  # what blank records hold
        self._beginnings = b"\r\n \t" + BOM + self._grammar.comment  # of lines that may hold no record

    def listings(self, most: int) -> Iterator[Listing]:
        """Yield the records, up to ``most`` at a time; one listing at least."""
        data, listing, endings = self._data, Listing(), _Endings()
        after_blank = False
        for start, end, reason, note in interruption.asking(self._units()):
            ordinal = len(listing.entries)
            if ordinal == most:
                yield self._finished(listing, endings)
                listing, endings, ordinal = Listing(), _Endings(), 0
            entry = Entry(start, end, reason, note == JOINED, after_blank, listing.sheet_rows)
            listing.sheet_rows += 1
            is_blank = False
            if reason is None:
                if self._has_mark and data.startswith(BOM, start):
                    entry.start += len(BOM)
                    listing.notes["byte-order-mark"].append((ordinal, (start, end)))
                if data[start] in self._beginnings and self._grammar.is_nothing(data, start, end):
                    after_blank = after_blank or not self._is_comment(entry.start)
                    continue
                raw = data[entry.start : end]
                endings.count(raw, ordinal, (start, end))
                if self._may_repeat and self._header.may_hold(raw) and self._header.is_header(raw):
                    code = REPEATED_HEADER if self._header.is_own(raw) else OTHER_REJECTS
                    listing.notes[code].append((ordinal, (start, end)))
                    after_blank = False
                    continue
                entry.reason = self._fault(raw)
                is_blank = not raw.strip(self._nothing)
            if note is not None:
                listing.notes[note].append((ordinal, None))
            listing.entries.append(entry)
            after_blank = is_blank
        yield self._finished(listing, endings)

    def _finished(self, listing: Listing, endings: _Endings) -> Listing:
        listing.mixed_endings = endings.mixed
        second_table.find(listing, self._data, self._dialect)
        return listing

    def _units(self) -> Iterator[tuple[int, int, Reason | None, str | None]]:
        """Yield start and end of each record, blank line and comment, with what the framing decided on it."""
        data, at = self._data, 0
        reasons = StretchReasons(self._dialect)
        for start, end, code, note in self._segment.stretches:
            if at < start:
                yield from self._read(at, start)
            yield start, end, None if code is None else reasons.of(data[start:end], code), note
            at = end
        yield from self._read(at, len(data))

    def _read(self, at: int, stop: int) -> Iterator[tuple[int, int, Reason | None, str | None]]:
        match_record = self._grammar.last_record.match
        joins = self._dialect.crlf and self._segment.regular
        scanner = Scanner(self._data, self._grammar, len(self._data), final=True) if joins else None
        while at < stop:
            match = match_record(self._data, at, stop)
            if match is None or match.end() == at:
                raise ValueError(f"the segment is not regular at byte {at:,}")
            end, note = match.end(), None
            if scanner is not None and (joined := scanner.joined_end(at, end)) not in (None, end):
                end, note = joined or end, JOINED
            yield at, end, None, note
            at = end

    def _is_comment(self, start: int) -> bool:
        comment = self._grammar.comment
        return bool(comment) and self._data.startswith(comment, start)

    def _fault(self, raw: bytes) -> Reason | None:
        """Return the reason to reject a record for its bytes, if there is one; some files repeat it."""
        if not self._has_nul and self._is_valid:
            return None
        if raw in self._known:
            return self._known[raw]
        reason = self._fault_of(raw)
        if len(raw) <= _SHORT and len(self._known) < _MOST_KNOWN:
            self._known[raw] = reason
        return reason

    def _fault_of(self, raw: bytes) -> Reason | None:
        if self._has_nul and b"\0" in raw:
            message = "The record holds a NUL character, which text cannot hold."
            return Reason("nul-character", message, self._column(raw, lambda cell: b"\0" in cell))
        if not self._is_valid and encodings.to_utf8(raw, self._dialect.encoding) is None:
            encoding = self._dialect.encoding
            column = self._column(raw, lambda cell: encodings.to_utf8(cell, encoding) is None)
            return Reason("encoding-error", encodings.invalid_text("The record", encoding), column)
        return None

    def _column(self, raw: bytes, is_wrong: Callable[[bytes], bool]) -> str | None:
        """Return the name of the column of a record's first wrong cell; None if the record is ragged."""
        cells, columns = self._grammar.cells(raw), self._dialect.columns
        if len(cells) != len(columns):
            return None
        wrong = (name for name, cell in zip(columns, cells, strict=True) if is_wrong(cell))
        name = next(wrong, None)
        return None if name is None else short_name(name)
