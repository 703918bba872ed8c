"""Divide a plain file into ranges: find offsets at which records begin, whatever precedes them.

A line ending alone does not show one: it may be within quotes. Where every line ending ends a record,
only the bytes near the requested offsets are read. Any other file is cut from its beginning by the code that
cuts it when it is loaded, so the borders are those of a single worker, whatever the file holds.
That reads the file once more, a small part of the time that loading takes, and a range can be loaded as soon
as its end is found.
"""

from collections.abc import Iterator
from contextlib import closing

from chalicelib import interruption
from chalicelib.core.model import Gap, Range
from chalicelib.reading.blocks import Framing, cut_blocks
from chalicelib.reading.object_text import ObjectText

_FIRST_READ = 1 << 16  # bytes: few lines are longer


def range_ends(
    text: ObjectText, stretch: Range, framing: Framing, *, block_size: int, range_size: int
) -> Iterator[int]:
    """Yield the ends of ranges of about ``range_size`` bytes that make up the stretch.

    Each lies on the border between two blocks; the last is the stretch's end. Raises the errors of
    reading and cutting.
    """
    step = max(range_size // block_size, 1) * block_size
    data = Range(max(stretch.start, text.dialect.data_start), stretch.end)
    if framing.by_lines:
        borders = _by_line_endings(text, data, framing, step)
    else:
        borders = _by_cutting(text, data, framing, block_size, step)
    yield from (border for border in borders if border < stretch.end)
    yield stretch.end


def _by_line_endings(text: ObjectText, stretch: Range, framing: Framing, step: int) -> Iterator[int]:
    """Yield the beginning of the first record at or after each multiple of ``step``."""
    border = stretch.start
    while (border := (border // step + 1) * step) < stretch.end:
        border = _line_end(text, border - 1, framing)  # a line may end right before the multiple
        yield border


def _line_end(text: ObjectText, start: int, framing: Framing) -> int:
    """Return the end of the line that the byte at ``start`` belongs to, however long it is."""
    size = _FIRST_READ
    while True:
        stop = min(start + size, text.source.size)
        interruption.check()
        data = text.store.read(text.source, start, stop)
        if (length := framing.line_end(data)) is not None:
            return start + length
        if stop == text.source.size:
            return stop
        start = stop - 1  # the last byte may be the CR of a CRLF
        size = min(size * 4, text.read_size)


def _by_cutting(
    text: ObjectText, stretch: Range, framing: Framing, block_size: int, step: int
) -> Iterator[int]:
    """Yield the end of the first block that reaches each multiple of ``step``, for any framing."""
    target = (stretch.start // step + 1) * step
    gap = Gap(stretch.start, stretch.end)
    with closing(text.stream(stretch.start, stretch.end + framing.look_ahead)) as chunks:
        for block in cut_blocks(chunks, gap, data_start=0, block_size=block_size, framing=framing):
            if block.end >= target:
                yield block.end
                target = (block.end // step + 1) * step
