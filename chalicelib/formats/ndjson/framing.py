"""Find where a block of an NDJSON file may end: :class:`chalicelib.reading.blocks.Framing` for NDJSON."""

from dataclasses import dataclass

from chalicelib.reading.blocks import TOO_LARGE, Boundary, line_boundary

UNREADABLE = {
    TOO_LARGE: "The record is larger than the limit, or a quote in it is never closed. "
    "Its first line was rejected, and reading continued at the next line.",
}


@dataclass(frozen=True)
class NdjsonFraming:
    """Every LF ends a record: in JSON text it is white space only."""

    max_record: int
    look_ahead: int = 0
    by_lines: bool = True

    def boundary(self, data: bytes, at: int, *, final: bool) -> Boundary | None:
        """See :class:`chalicelib.reading.blocks.Framing`."""
        if len(data) <= at and not final:
            return None
        return line_boundary(data, at, self.max_record, final=final)

    def line_end(self, data: bytes) -> int | None:
        """See :class:`chalicelib.reading.blocks.Framing`."""
        return data.find(b"\n") + 1 or None
