"""Count the lines of a segment."""

from chalicelib.reading.blocks import Segment
from chalicelib.reading.lines import count_lines


class Lines:
    """Count the lines before places in a segment. Places that increase take linear time together."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._at, self._line = 0, segment.line

    def before(self, offset: int) -> int:
        """Return the line that holds the byte at ``offset`` of the text, counted from 0 in the block."""
        at = offset - self._segment.offset
        if at < self._at:
            self._at, self._line = 0, self._segment.line
        self._line += count_lines(self._segment.data[self._at : at])
        self._at = at
        return self._line
