"""Newline-delimited JSON: where its records end, and what they hold. One line, one record."""

from dataclasses import dataclass

from chalicelib.steps.blocks import Segment, Split, split_lines
from chalicelib.steps.canonical import Unfit, parse, record


@dataclass(frozen=True)
class NdjsonFraming:
    """Every LF ends a record: JSON text holds none but as white space."""

    max_record: int
    look_ahead: int = 0
    by_lines: bool = True

    def split(self, data: bytes, at: int, *, final: bool) -> Split | None:
        """See :class:`chalicelib.steps.blocks.Framing`."""
        if len(data) <= at and not final:
            return None
        return split_lines(data, at, self.max_record, final=final)

    def line_end(self, data: bytes) -> int | None:
        """See :class:`chalicelib.steps.blocks.Framing`."""
        return data.find(b"\n") + 1 or None


@dataclass(frozen=True, slots=True)
class Line:
    """One record of a segment: canonical JSON, or why there is none."""

    offset: int  # in the file
    raw: bytes
    canonical: str | None
    fault: Unfit | None = None


def lines(segment: Segment) -> list[Line]:
    """The segment's records; blank lines are none."""
    found, offset = [], segment.offset
    for raw in segment.data.split(b"\n"):
        if raw.strip(b" \t\r"):
            found.append(read(offset, raw, "This line"))
        offset += len(raw) + 1
    return found


def read(offset: int, raw: bytes, noun: str) -> Line:
    """The record in ``raw``, which messages call ``noun``."""
    try:
        return Line(offset, raw, _record(raw, noun))
    except Unfit as fault:
        # a new one: that which was raised holds on to the parser's state
        return Line(offset, raw, None, Unfit(fault.code, str(fault)))


def _record(raw: bytes, noun: str) -> str:
    if b"\0" in raw:
        raise Unfit("nul-character", f"{noun} holds a NUL character, which text cannot hold.")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Unfit(
            "encoding-error", f"{noun} is not valid UTF-8; was the file saved in another encoding?"
        ) from None
    value = parse(text.strip(" \t\r"), noun)
    if not isinstance(value, dict):
        raise Unfit("not-an-object", f"{noun} is JSON, but not an object in braces {{ }}.")
    return record(value)
